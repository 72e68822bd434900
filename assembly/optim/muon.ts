import { FORM_NESTEROV } from "../../src/abi/step-table";
import { gemm_f32, gemm_scratch_bytes } from "../gemm/gemm";
import { div, loadLanes, mul, splat, storeLanes, sub } from "../simd";
import { Group, Segment } from "./step-table";
import { lerpNear, sumOfSquares, transformAll } from "./transform";
import { walkWithScratch } from "./walk";

// The formula for a parameter of shape [rows, columns], every operation on elements rounded to float32:
//   b ← lerp(b, g, w)        x = lerp(g, b, μ), or without Nesterov b        X = x / max(‖x‖, eps)
//   five times, or as often as the group says, for X no taller than wide (else with Xᵀ in its place):
//     G = X·Xᵀ        B = β·G + γ·(G·G)        X ← α·X + B·X
//   p ← p·(1 − lr·wd)        p ← p − scalar0·X
// The products are gemm's. w is the group's decayComplement, μ its momentum, eps its epsOutside; α, β, γ and the number of
// iterations are its first scalars.

/** b ← lerp(b, g, w), and x takes the gradient's place; of four elements or one. */
// @ts-ignore: decorator
@inline function average<T>(b: usize, x: usize, weight: f32, momentum: f32, nesterov: u32): void {
  const g = loadLanes<T>(x);
  const next = lerpNear<T>(loadLanes<T>(b), g, splat<T>(weight), weight < 0.5);
  storeLanes<T>(b, next);
  storeLanes<T>(x, nesterov ? lerpNear<T>(g, next, splat<T>(momentum), momentum < 0.5) : next);
}

function averageAll(b: usize, x: usize, count: u32, group: Group): void {
  const weight = group.decayComplement;
  const momentum = group.momentum;
  const nesterov = group.form & FORM_NESTEROV;
  const end = b + (count << 2);
  for (const vectorsEnd = b + ((count >> 2) << 4); b != vectorsEnd; b += 16) {
    average<v128>(b, x, weight, momentum, nesterov);
    x += 16;
  }
  for (; b != end; b += 4) {
    average<f32>(b, x, weight, momentum, nesterov);
    x += 4;
  }
}

/** x / divisor, in place. */
function divide(x: usize, count: u32, divisor: f32): void {
  const end = x + (count << 2);
  for (const vectorsEnd = x + ((count >> 2) << 4); x != vectorsEnd; x += 16) {
    v128.store(x, div<v128>(v128.load(x), f32x4.splat(divisor)));
  }
  for (; x != end; x += 4) store<f32>(x, load<f32>(x) / divisor);
}

/** p ← p − rate·x. */
function descend(p: usize, x: usize, count: u32, rate: f32): void {
  const end = p + (count << 2);
  for (const vectorsEnd = p + ((count >> 2) << 4); p != vectorsEnd; p += 16) {
    v128.store(p, sub<v128>(v128.load(p), mul<v128>(f32x4.splat(rate), v128.load(x))));
    x += 16;
  }
  for (; p != end; p += 4) {
    store<f32>(p, load<f32>(p) - rate * load<f32>(x));
    x += 4;
  }
}

@unmanaged
class Muon {
  // @ts-ignore: decorator
  @inline update(segment: Segment, group: Group, scratch: usize): void {
    const rows = segment.rows;
    const columns = segment.columns;
    const count = segment.count;
    assert(segment.state0Ptr != 0 && count == rows * columns);
    const alpha = group.scalar0;
    const beta = group.scalar1;
    const gamma = group.scalar2;
    const short = min(rows, columns);
    const long = max(rows, columns);
    const isTall: bool = rows > columns;
    const bytes = count << 2;
    const gramBytes = (short * short) << 2;
    let x = scratch;
    let next = x + bytes;
    const gram = next + bytes;
    const update = gram + gramBytes;
    const gemm = update + gramBytes;

    transformAll(segment, group, x);
    averageAll(segment.state0Ptr, x, count, group);
    const norm = <f32>f64.sqrt(sumOfSquares(x, count));
    // A NaN stays one.
    divide(x, count, norm < group.epsOutside ? group.epsOutside : norm);
    for (let i = <u32>group.scalar3; i; i--) {
      gemm_f32(
        1, short, short, long, 1, x, 0, columns, isTall, x, 0, columns, !isTall, 0, gram, 0, short, 0, 0, gemm,
      );
      memory.copy(update, gram, gramBytes);
      gemm_f32(
        1, short, short, short, gamma, gram, 0, short, false, gram, 0, short, false, beta, update, 0, short, 0, 0, gemm,
      );
      memory.copy(next, x, bytes);
      if (isTall) {
        gemm_f32(
          1, rows, columns, columns, 1, x, 0, columns, false, update, 0, short, false, alpha, next, 0, columns, 0, 0, gemm,
        );
      } else {
        gemm_f32(
          1, rows, columns, rows, 1, update, 0, short, false, x, 0, columns, false, alpha, next, 0, columns, 0, 0, gemm,
        );
      }
      const old = x;
      x = next;
      next = old;
    }
    descend(segment.paramPtr, x, count, segment.scalar0);
  }
}

/**
 * One step of Muon of every segment of a table; the formula is at the top of this file. A negative `checkFinite`: the
 * segments are measured already.
 *
 * Requires: pointers are multiples of 4; the arrays of a segment do not overlap; count is rows · columns; the first state
 * array; `scratch` has `muon_scratch_bytes`; decoupled decay comes as a factor.
 * Returns 0, or 1 + the index of a segment whose gradient is not finite, and has then changed no array.
 * Touches: segments with a gradient: reads it, reads and writes parameter and state; writes `gradScale`.
 * Numerics: ‖x‖ is a sum in float64, rounded to float32 once; products add in ascending order, as gemm_f32 does.
 * Source: PyTorch's torch/optim/_muon.py, in the order of its operations, in float32 where that has bfloat16; Jordan et
 * al., Muon (2024).
 */
export function muon_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32, scratch: usize): u32 {
  return walkWithScratch<Muon>(segmentsPtr, segmentCount, checkFinite, scratch);
}

/** Bytes of `scratch` for a parameter: | X | the next X | G | B | gemm's |. */
export function muon_scratch_bytes(count: u32, rows: u32, columns: u32): u32 {
  const short = min(rows, columns);
  const long = max(rows, columns);
  const isTall = rows > columns;
  const gemm = max(
    gemm_scratch_bytes(short, short, long, isTall, !isTall, 0),
    max(gemm_scratch_bytes(short, short, short, false, false, 1), gemm_scratch_bytes(rows, columns, short, false, false, 1)),
  );
  return ((2 * count + 2 * short * short) << 2) + <u32>gemm;
}
