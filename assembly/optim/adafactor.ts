import { GROUP_SCALAR, SEGMENT_SCALAR_F64 } from "../../src/abi/step-table";
import { div, loadLanes, max, mul, splat, sqrt, storeLanes, sub } from "../simd";
import { Group, Segment } from "./step-table";
import { lerpNear, sumOfSquares, transformAll } from "./transform";
import { walkWithScratch } from "./walk";

// The formula for a parameter of matrices [rows, columns]; every operation on elements rounded to float32, ‖·‖ as in
// `norm`, the scalars alpha and denom in float64:
//   alpha = max(eps2, ‖p‖/√count)·rho                         (before the decay p ← p·(1 − lr·wd))
//   r ← lerp(r, ‖g[i, :]‖²/columns, w)                         c ← lerp(c, ‖g[:, j]‖²/rows, w)
//   s[i, j] = (r[i]·c[j]) / max(mean(r), eps1)                 for vectors s = v, v ← lerp(v, g², w)
//   u = (1/√max(s, eps1²))·g        denom = max(1, ‖u‖/(√count·d))        p ← p − (alpha/denom)·u
// w is the segment's scalar0, rho its float64; eps1 is the group's epsInside, eps1² its epsOutside, eps2 and d its first
// two float64 scalars.

/** ‖x‖ from the sum of squares, rounded to float32 once. */
// @ts-ignore: decorator
@inline function norm(sumOfSquares: f64): f32 {
  return <f32>f64.sqrt(sumOfSquares);
}

/** `average` ← lerp(average, ‖·‖²/length, w) for a row or column with this sum of squares. */
// @ts-ignore: decorator
@inline function moveMean(ptr: usize, sum: f64, length: f32, weight: f32): void {
  const n = norm(sum);
  store<f32>(ptr, lerpNear<f32>(load<f32>(ptr), (n * n) / length, weight, weight < 0.5));
}

/** Σ g² of each column into float64 `sums`, rows in ascending order. */
function columnSums(g: usize, rows: u32, columns: u32, sums: usize): void {
  memory.fill(sums, 0, columns << 3);
  for (; rows; rows--) {
    let to = sums;
    const end = g + (columns << 2);
    for (const pairsEnd = g + ((columns >> 1) << 3); g != pairsEnd; g += 8) {
      const x = f64x2.promote_low_f32x4(v128.load64_zero(g));
      v128.store(to, f64x2.add(v128.load(to), f64x2.mul(x, x)));
      to += 16;
    }
    if (g != end) {
      const x = <f64>load<f32>(g);
      store<f64>(to, load<f64>(to) + x * x);
      g += 4;
    }
  }
}

/** u of one element or four, from its variance. */
// @ts-ignore: decorator
@inline function increment<T>(s: T, g: T, least: T): T {
  return mul<T>(div<T>(splat<T>(1), sqrt<T>(max<T>(s, least))), g);
}

/** r·c / mean. */
// @ts-ignore: decorator
@inline function estimate<T>(r: T, c: T, mean: T): T {
  return div<T>(mul<T>(r, c), mean);
}

/** u of one row of a matrix, in place of its gradient. */
function updateRow(g: usize, columns: u32, c: usize, r: f32, mean: f32, least: f32): void {
  const end = g + (columns << 2);
  for (const vectorsEnd = g + ((columns >> 2) << 4); g != vectorsEnd; g += 16) {
    const s = estimate<v128>(f32x4.splat(r), v128.load(c), f32x4.splat(mean));
    v128.store(g, increment<v128>(s, v128.load(g), f32x4.splat(least)));
    c += 16;
  }
  for (; g != end; g += 4) {
    store<f32>(g, increment<f32>(estimate<f32>(r, load<f32>(c), mean), load<f32>(g), least));
    c += 4;
  }
}

/** The variances of one matrix move, and u takes the gradient's place. */
function updateMatrix(
  g: usize, rows: u32, columns: u32, r: usize, c: usize, sums: usize, segment: Segment, group: Group,
): void {
  const weight = segment.scalar0;
  const rowBytes = columns << 2;
  let total: f64 = 0;
  for (let i: u32 = 0; i < rows; i++) {
    moveMean(r + (i << 2), sumOfSquares(g + i * rowBytes, columns), <f32>columns, weight);
    total += <f64>load<f32>(r + (i << 2));
  }
  columnSums(g, rows, columns, sums);
  for (let j: u32 = 0; j < columns; j++) moveMean(c + (j << 2), load<f64>(sums + (j << 3)), <f32>rows, weight);
  const mean = max<f32>(<f32>total / <f32>rows, group.epsInside);
  for (let i: u32 = 0; i < rows; i++) {
    updateRow(g + i * rowBytes, columns, c, load<f32>(r + (i << 2)), mean, group.epsOutside);
  }
}

/** The variance of a vector moves, and u takes the gradient's place; of four elements or one. */
// @ts-ignore: decorator
@inline function updateElements<T>(g: usize, v: usize, weight: f32, least: f32): void {
  const x = loadLanes<T>(g);
  const s = lerpNear<T>(loadLanes<T>(v), mul<T>(x, x), splat<T>(weight), weight < 0.5);
  storeLanes<T>(v, s);
  storeLanes<T>(g, increment<T>(s, x, splat<T>(least)));
}

function updateVector(g: usize, count: u32, v: usize, weight: f32, least: f32): void {
  const end = g + (count << 2);
  for (const vectorsEnd = g + ((count >> 2) << 4); g != vectorsEnd; g += 16) {
    updateElements<v128>(g, v, weight, least);
    v += 16;
  }
  for (; g != end; g += 4) {
    updateElements<f32>(g, v, weight, least);
    v += 4;
  }
}

/** p − coefficient·u. */
function descend(p: usize, u: usize, count: u32, coefficient: f32): void {
  const end = p + (count << 2);
  for (const vectorsEnd = p + ((count >> 3) << 5); p != vectorsEnd; p += 32) {
    const p0 = sub<v128>(v128.load(p), mul<v128>(f32x4.splat(coefficient), v128.load(u)));
    const p1 = sub<v128>(v128.load(p, 16), mul<v128>(f32x4.splat(coefficient), v128.load(u, 16)));
    v128.store(p, p0);
    v128.store(p, p1, 16);
    u += 32;
  }
  for (; p != end; p += 4) {
    store<f32>(p, load<f32>(p) - coefficient * load<f32>(u));
    u += 4;
  }
}

@unmanaged
class Adafactor {
  // @ts-ignore: decorator
  @inline update(segment: Segment, group: Group, scratch: usize): void {
    const count = segment.count;
    const root = f64.sqrt(<f64>count);
    const eps2 = load<f64>(changetype<usize>(group), GROUP_SCALAR * 4);
    const d = load<f64>(changetype<usize>(group), (GROUP_SCALAR + 2) * 4);
    const rho = load<f64>(changetype<usize>(segment), SEGMENT_SCALAR_F64 * 4);
    const size = <f64>norm(sumOfSquares(segment.paramPtr, count)) / root;
    const alpha = (size > eps2 ? size : eps2) * rho;
    const u = scratch;
    transformAll(segment, group, u);
    if (segment.state2Ptr) updateVector(u, count, segment.state2Ptr, segment.scalar0, group.epsOutside);
    else {
      const rows = segment.rows;
      const columns = segment.columns;
      assert(segment.state0Ptr != 0 && segment.state1Ptr != 0 && count % (rows * columns) == 0);
      const sums = u + (count << 2);
      for (let batch: u32 = 0, end = count / (rows * columns); batch < end; batch++) {
        const r = segment.state0Ptr + ((batch * rows) << 2);
        const c = segment.state1Ptr + ((batch * columns) << 2);
        updateMatrix(u + ((batch * rows * columns) << 2), rows, columns, r, c, sums, segment, group);
      }
    }
    const ratio = <f64>norm(sumOfSquares(u, count)) / (root * d);
    descend(segment.paramPtr, u, count, <f32>(alpha / (ratio > 1 ? ratio : 1)));
  }
}

/**
 * One step of Adafactor of every segment of a table; the formula is at the top of this file. A negative `checkFinite`: the
 * segments are measured already.
 *
 * Requires: pointers are multiples of 4; the arrays of a segment do not overlap; count is a multiple of rows · columns;
 * state0 has a number for each row of each matrix, state1 for each column; or, for vectors, state2 has one for each
 * element; `scratch` has `adafactor_scratch_bytes`; decoupled decay comes as a factor.
 * Returns 0, or 1 + the index of a segment whose gradient is not finite, and has then changed no array.
 * Touches: segments with a gradient: reads it, reads and writes parameter and state; writes `gradScale`.
 * Numerics: norms and the mean of r are sums in float64, in an order fixed by the shape, rounded to float32 once.
 * Source: PyTorch's torch/optim/_adafactor.py, in the order of its operations; Shazeer and Stern, Adafactor (2018).
 */
export function adafactor_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32, scratch: usize): u32 {
  return walkWithScratch<Adafactor>(segmentsPtr, segmentCount, checkFinite, scratch);
}

/** Bytes of `scratch` for a parameter: | u | float64 sums of the columns |. */
export function adafactor_scratch_bytes(count: u32, rows: u32, columns: u32): u32 {
  return (count << 2) + (columns << 3);
}
