import { MODE_COUPLED_DECAY, MODE_DECOUPLED_DECAY, MODE_RESCALE } from "../../src/abi/step-table";
import { mul, splat, sub } from "../simd";
import { FORM_TRANSFORMS, Group, Segment, formOf } from "./step-table";
import { average, decayGradient, rescale, transformed } from "./transform";
import { walk } from "./walk";

// The formula, element by element, every operation rounded to float32:
//   u = sign(β₁·m + (1−β₁)·g)        p ← p − lr·u        m ← β₂·m + (1−β₂)·g
// β₁ is the group's meanDecay, β₂ its decay. Decoupled decay is p ← p·(1 − lr·wd). sign(NaN) is 0, as in PyTorch.

/** p − lr·sign(x). */
// @ts-ignore: decorator
@inline function descend<T>(p: T, x: T, learningRate: T): T {
  const zero = splat<T>(0);
  if (isVector<T>()) {
    const up = v128.and(f32x4.gt(x, zero), learningRate);
    const down = v128.and(f32x4.lt(x, zero), learningRate);
    return sub<T>(p, sub<T>(up, down));
  }
  return sub<T>(p, sub<T>(x > zero ? learningRate : zero, x < zero ? learningRate : zero));
}

/** The elements of a segment that fill pairs of vectors; built like its namesake in rmsprop.ts. */
function vectors(segment: Segment, group: Group): void {
  const segmentPtr = changetype<usize>(segment);
  const groupPtr = changetype<usize>(group);
  const form = formOf(group);
  const learningRate = v128.load32_splat(groupPtr, offsetof<Group>("learningRate"));
  const beta1 = v128.load32_splat(groupPtr, offsetof<Group>("meanDecay"));
  const complement1 = v128.load32_splat(groupPtr, offsetof<Group>("meanDecayComplement"));
  const beta2 = v128.load32_splat(groupPtr, offsetof<Group>("decay"));
  const complement2 = v128.load32_splat(groupPtr, offsetof<Group>("decayComplement"));
  let p: usize = segment.paramPtr;
  let g: usize = segment.gradPtr;
  let m: usize = segment.state0Ptr;
  for (const end = p + ((segment.count >> 3) << 5); p != end; p += 32) {
    let g0 = v128.load(g);
    let g1 = v128.load(g, 16);
    let p0 = v128.load(p);
    let p1 = v128.load(p, 16);
    const m0 = v128.load(m);
    const m1 = v128.load(m, 16);
    if (form & FORM_TRANSFORMS) {
      const mode = group.mode;
      if (mode & MODE_RESCALE) {
        const bound = v128.load32_splat(groupPtr, offsetof<Group>("clipValue"));
        const scale = v128.load32_splat(segmentPtr, offsetof<Segment>("gradScale"));
        g0 = rescale<v128>(g0, bound, scale);
        g1 = rescale<v128>(g1, bound, scale);
      }
      if (mode & MODE_COUPLED_DECAY) {
        const weightDecay = v128.load32_splat(groupPtr, offsetof<Group>("weightDecay"));
        g0 = decayGradient<v128>(g0, p0, weightDecay);
        g1 = decayGradient<v128>(g1, p1, weightDecay);
      }
      if (mode & MODE_DECOUPLED_DECAY) {
        const factor = v128.load32_splat(groupPtr, offsetof<Group>("decoupledDecay"));
        p0 = mul<v128>(p0, factor);
        p1 = mul<v128>(p1, factor);
      }
    }
    v128.store(p, descend<v128>(p0, average<v128>(m0, g0, beta1, complement1), learningRate));
    v128.store(p, descend<v128>(p1, average<v128>(m1, g1, beta1, complement1), learningRate), 16);
    v128.store(m, average<v128>(m0, g0, beta2, complement2));
    v128.store(m, average<v128>(m1, g1, beta2, complement2), 16);
    g += 32;
    m += 32;
  }
}

/** The last count mod 8 elements of a segment, one by one. */
function remainder(segment: Segment, group: Group): void {
  for (let i = segment.count & ~7; i < segment.count; i++) {
    const offset = i << 2;
    const g = transformed(segment, group, offset);
    const m = load<f32>(segment.state0Ptr + offset);
    const x = average<f32>(m, g, group.meanDecay, group.meanDecayComplement);
    store<f32>(segment.paramPtr + offset, descend<f32>(load<f32>(segment.paramPtr + offset), x, group.learningRate));
    store<f32>(segment.state0Ptr + offset, average<f32>(m, g, group.decay, group.decayComplement));
  }
}

@unmanaged
class Lion {
  // @ts-ignore: decorator
  @inline update(segment: Segment, group: Group): void {
    assert(segment.state0Ptr != 0);
    vectors(segment, group);
    remainder(segment, group);
  }
}

/**
 * One step of Lion of every segment of a table; the formula is at the top of this file. A negative `checkFinite`: the
 * segments are measured already.
 *
 * Requires: pointers are multiples of 4; the arrays of a segment do not overlap; the first state array; decoupled decay
 * comes as a factor. Returns 0, or 1 + the index of a segment whose gradient is not finite, and has then changed no array.
 * Touches: segments with a gradient: reads it, reads and writes parameter and state; writes `gradScale`.
 * Remainder: the last count mod 8 elements by the same formulas over f32.
 * Source: lion-pytorch's lion_pytorch.py, in the order of its operations; Chen et al., Symbolic Discovery of Optimization
 * Algorithms (2023).
 */
export function lion_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  return walk<Lion>(segmentsPtr, segmentCount, checkFinite);
}
