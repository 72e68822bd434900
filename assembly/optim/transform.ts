// What every optimizer does before its own formula: the norms of the gradients, and the transforms of gradient and
// parameter, element by element.

import {
  MODE_CLAMP_LAST, MODE_CLIP_GLOBAL_NORM, MODE_CLIP_KERAS, MODE_CLIP_NORM, MODE_CLIP_OPTAX, MODE_CLIP_PADDLE,
  MODE_COUPLED_DECAY, MODE_DECAY_FACTOR, MODE_DECAY_TWICE, MODE_DECOUPLED_DECAY, MODE_MAXIMIZE, MODE_MEASURE,
  MODE_RESCALE, MODE_RESCALE_DIVIDE, MODE_RESCALE_TWICE,
} from "../../src/abi/step-table";
import { add, div, mul, neg, pmax, pmin, splat, sub } from "../simd";
import { Group, Segment, groupOf, segmentAt } from "./step-table";

/** Elements summed together; sums of blocks are added in ascending order. */
const BLOCK: usize = 65536;

/** Σ x² of one block: element i goes to partial sum i mod 8, the last count mod 8 are added one by one. */
function blockSumOfSquares(ptr: usize, count: usize): f64 {
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const end = ptr + (count << 2);
  for (const vectorsEnd = ptr + ((count >> 3) << 5); ptr != vectorsEnd; ptr += 32) {
    const x0 = f64x2.promote_low_f32x4(v128.load64_zero(ptr));
    const x1 = f64x2.promote_low_f32x4(v128.load64_zero(ptr, 8));
    const x2 = f64x2.promote_low_f32x4(v128.load64_zero(ptr, 16));
    const x3 = f64x2.promote_low_f32x4(v128.load64_zero(ptr, 24));
    s0 = f64x2.add(s0, f64x2.mul(x0, x0));
    s1 = f64x2.add(s1, f64x2.mul(x1, x1));
    s2 = f64x2.add(s2, f64x2.mul(x2, x2));
    s3 = f64x2.add(s3, f64x2.mul(x3, x3));
  }
  s0 = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum = f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
  for (; ptr != end; ptr += 4) {
    const x = <f64>load<f32>(ptr);
    sum += x * x;
  }
  return sum;
}

/** Σ x² in float64 (squares of float32 are exact there); the order of addition is a function of `count` alone. */
export function sumOfSquares(ptr: usize, count: usize): f64 {
  let sum: f64 = 0;
  for (; count > BLOCK; count -= BLOCK) {
    sum += blockSumOfSquares(ptr, BLOCK);
    ptr += BLOCK << 2;
  }
  return sum + blockSumOfSquares(ptr, count);
}

/** What brings a gradient with this sum of squares down to the norm `bound`. A NaN norm gives NaN. */
function clipFactor(sumOfSquares: f64, bound: f64): f32 {
  const norm = sqrt(sumOfSquares);
  return norm <= bound ? 1 : <f32>(bound / norm);
}

/** Multiplies the segment's scale with what brings a gradient with this sum of squares down to the group's clipNorm. */
function clip(segment: Segment, group: Group, mode: u32, sumOfSquares: f64): void {
  const bound = group.clipNorm;
  const norm = sqrt<f32>(<f32>sumOfSquares);
  if (group.clipEps > 0) {
    segment.gradScale *= min<f32>((1 / (norm + group.clipEps)) * bound, 1);
    return;
  }
  if (!(mode & (MODE_CLIP_KERAS | MODE_CLIP_OPTAX | MODE_CLIP_PADDLE))) {
    segment.gradScale *= clipFactor(sumOfSquares, bound);
    return;
  }
  let scale: f32 = 1;
  segment.gradScale2 = 1;
  if (mode & MODE_CLIP_OPTAX) {
    if (!(norm < bound)) {
      scale = 1 / norm;
      segment.gradScale2 = bound;
    }
  } else if (mode & MODE_CLIP_PADDLE) {
    scale = bound / max<f32>(norm, bound);
  } else if (mode & MODE_RESCALE_DIVIDE) {
    scale = bound;
    segment.gradScale2 = max<f32>(norm, bound);
  } else {
    scale = bound * min<f32>(1 / norm, 1 / bound) + (norm - norm); // NaN for an infinite norm
  }
  segment.gradScale = scale;
}

/**
 * Writes each segment's `gradScale`. Returns 0, or with `checkFinite` 1 + the index of the first segment whose gradient
 * is not finite everywhere: squares of finite float32 cannot overflow float64, so the sum of squares tells. A negative
 * `checkFinite` leaves the segments as an earlier call has measured them: norms belong to a table as a whole, and a
 * step that is shared by threads cuts it up.
 */
export function measure_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  if (checkFinite < 0) return 0;
  let total: f64 = 0;
  for (let i: u32 = 0; i < segmentCount; i++) {
    const segment = segmentAt(segmentsPtr, i);
    if (!segment.gradPtr) continue;
    const group = groupOf(segment);
    const mode = group.mode;
    segment.gradScale = mode & MODE_MAXIMIZE ? -1 : 1;
    if (checkFinite | (mode & MODE_MEASURE)) {
      const sum = sumOfSquares(segment.gradPtr, segment.count);
      if (checkFinite && !(sum < Infinity)) return i + 1;
      if (mode & MODE_CLIP_NORM) clip(segment, group, mode, sum);
      // PyTorch takes the norm of the norms, in float32.
      const norm = sqrt<f32>(<f32>sum);
      total = group.clipEps > 0 ? <f64>(<f32>total + norm * norm) : total + sum;
    }
  }
  for (let i: u32 = 0; i < segmentCount; i++) {
    const segment = segmentAt(segmentsPtr, i);
    if (!segment.gradPtr) continue;
    const group = groupOf(segment);
    const mode = group.mode;
    if (mode & MODE_CLIP_GLOBAL_NORM) clip(segment, group, mode, total);
  }
  return 0;
}

/** x within ±bound; NaN stays NaN. */
// @ts-ignore: decorator
@inline export function clamp<T>(x: T, bound: T): T {
  return pmin<T>(pmax<T>(x, neg<T>(bound)), bound);
}

/** The gradient, clamped and multiplied by `scale`. */
// @ts-ignore: decorator
@inline export function rescale<T>(g: T, bound: T, scale: T): T {
  return mul<T>(clamp<T>(g, bound), scale);
}

/** Weight decay as a part of the gradient: g + wd·p. */
// @ts-ignore: decorator
@inline export function decayGradient<T>(g: T, p: T, weightDecay: T): T {
  return add<T>(g, mul<T>(weightDecay, p));
}

/** Weight decay beside the gradient: p − (lr·wd)·p. */
// @ts-ignore: decorator
@inline export function decayParameter<T>(p: T, decoupledDecay: T): T {
  return sub<T>(p, mul<T>(decoupledDecay, p));
}

/** The same with two roundings: p − (p·wd)·lr. */
// @ts-ignore: decorator
@inline export function decayTwice<T>(p: T, weightDecay: T, learningRate: T): T {
  return sub<T>(p, mul<T>(mul<T>(p, weightDecay), learningRate));
}

/** decay·old + complement·x. */
// @ts-ignore: decorator
@inline export function average<T>(old: T, x: T, decay: T, complement: T): T {
  return add<T>(mul<T>(decay, old), mul<T>(complement, x));
}

/** decay·old + ((1 − decay)·g)·g. */
// @ts-ignore: decorator
@inline export function averageProduct<T>(old: T, g: T, decay: T, complement: T): T {
  return add<T>(mul<T>(decay, old), mul<T>(mul<T>(complement, g), g));
}

/** from + weight·(to − from). */
// @ts-ignore: decorator
@inline export function lerp<T>(from: T, to: T, weight: T): T {
  return add<T>(from, mul<T>(weight, sub<T>(to, from)));
}

/** The same from the other end, to + back·(to − from), where `back` is weight − 1. It shows in the sign of zero. */
// @ts-ignore: decorator
@inline export function lerpBack<T>(from: T, to: T, back: T): T {
  return add<T>(to, mul<T>(back, sub<T>(to, from)));
}

/**
 * The gradient of one element, as the formula sees it; `offset` is in bytes. Decoupled decay is written to the
 * parameter: what comes next reads it there.
 */
export function transformed(segment: Segment, group: Group, offset: u32): f32 {
  const mode = group.mode;
  const p = load<f32>(segment.paramPtr + offset);
  let g = load<f32>(segment.gradPtr + offset);
  if (mode & MODE_RESCALE) {
    g = rescale<f32>(g, group.clipValue, segment.gradScale);
    if (mode & MODE_RESCALE_DIVIDE) g /= segment.gradScale2;
    else if (mode & MODE_RESCALE_TWICE) g *= segment.gradScale2;
  }
  if (mode & MODE_COUPLED_DECAY) {
    g = decayGradient<f32>(g, p, group.weightDecay);
    if (mode & MODE_CLAMP_LAST) g = clamp<f32>(g, group.clipValue);
  }
  if (mode & MODE_DECOUPLED_DECAY) {
    let decayed = decayParameter<f32>(p, group.decoupledDecay);
    if (mode & MODE_DECAY_FACTOR) decayed = p * group.decoupledDecay;
    else if (mode & MODE_DECAY_TWICE) decayed = decayTwice<f32>(p, group.weightDecay, group.learningRate);
    store<f32>(segment.paramPtr + offset, decayed);
  }
  return g;
}

/**
 * All of a segment's gradient as the formula sees it, written to `to`; decoupled decay, which comes as a factor, is written
 * to the parameter. Of what only frameworks' forms have it knows nothing.
 *
 * Touches: `count` elements at `to`, which may not overlap the segment's arrays.
 */
export function transformAll(segment: Segment, group: Group, to: usize): void {
  const segmentPtr = changetype<usize>(segment);
  const groupPtr = changetype<usize>(group);
  const mode = group.mode;
  let p: usize = segment.paramPtr;
  let g: usize = segment.gradPtr;
  let out = to;
  for (const end = g + ((segment.count >> 3) << 5); g != end; g += 32) {
    let g0 = v128.load(g);
    let g1 = v128.load(g, 16);
    if (mode & MODE_RESCALE) {
      const bound = v128.load32_splat(groupPtr, offsetof<Group>("clipValue"));
      const scale = v128.load32_splat(segmentPtr, offsetof<Segment>("gradScale"));
      g0 = rescale<v128>(g0, bound, scale);
      g1 = rescale<v128>(g1, bound, scale);
    }
    if (mode & MODE_COUPLED_DECAY) {
      const weightDecay = v128.load32_splat(groupPtr, offsetof<Group>("weightDecay"));
      g0 = decayGradient<v128>(g0, v128.load(p), weightDecay);
      g1 = decayGradient<v128>(g1, v128.load(p, 16), weightDecay);
    }
    if (mode & MODE_DECOUPLED_DECAY) {
      const factor = v128.load32_splat(groupPtr, offsetof<Group>("decoupledDecay"));
      const p0 = mul<v128>(v128.load(p), factor);
      const p1 = mul<v128>(v128.load(p, 16), factor);
      v128.store(p, p0);
      v128.store(p, p1, 16);
    }
    v128.store(out, g0);
    v128.store(out, g1, 16);
    p += 32;
    out += 32;
  }
  for (let i = segment.count & ~7; i < segment.count; i++) {
    store<f32>(to + (i << 2), transformed(segment, group, i << 2));
  }
}

/** from + weight·(to − from), as PyTorch has it: from the nearer end. */
// @ts-ignore: decorator
@inline export function lerpNear<T>(from: T, to: T, weight: T, isNear: bool): T {
  return isNear ? lerp<T>(from, to, weight) : lerpBack<T>(from, to, sub<T>(weight, splat<T>(1)));
}
