import {
  FORM_MEAN_FROM_GRADIENT, MODE_COUPLED_DECAY, MODE_DECOUPLED_DECAY, MODE_RESCALE,
} from "../../src/abi/step-table";
import { add, div, max, mul, sqrt, sub } from "../simd";
import { PARAM, STATE_0, STATE_1, STATE_2, copiesOf, put } from "./result";
import { FORM_TRANSFORMS, Group, Segment, formOf } from "./step-table";
import { averageProduct, decayGradient, lerp, lerpBack, rescale, transformed } from "./transform";

// What adam.ts and nadam.ts share: the averages of the gradient and its square, and the step that they make. Their
// formulas are at the top of those files. `Amsgrad` is On for AMSGrad, `Nesterov` for NAdam.

/** What Adam subtracts. */
// @ts-ignore: decorator
@inline function increment<T>(m: T, s: T, correction: T, rate: T, eps: T): T {
  return div<T>(mul<T>(rate, m), add<T>(div<T>(sqrt<T>(s), correction), eps));
}

/** What NAdam divides by. */
// @ts-ignore: decorator
@inline function denominator<T>(v: T, correction: T, eps: T): T {
  return add<T>(sqrt<T>(div<T>(v, correction)), eps);
}

/** p − (rate·x) / d. */
// @ts-ignore: decorator
@inline function descend<T>(p: T, x: T, rate: T, d: T): T {
  return sub<T>(p, div<T>(mul<T>(rate, x), d));
}

/**
 * The larger one; NaN if either is. v is never −0: f32x4.max, which looks for it, takes V8 twice as many instructions.
 */
// @ts-ignore: decorator
@inline function larger(s: v128, v: v128): v128 {
  return v128.or(f32x4.pmax(v, s), f32x4.ne(s, s));
}

/**
 * The elements of a segment that fill pairs of vectors; built like its namesake in rmsprop.ts. With every store at the
 * end V8 did not fuse the halves of a pair: wide 0.52 of this speed.
 */
export function vectors<Amsgrad, Nesterov>(segment: Segment, group: Group): void {
  const segmentPtr = changetype<usize>(segment);
  const groupPtr = changetype<usize>(group);
  const form = formOf(group);
  const decay = v128.load32_splat(groupPtr, offsetof<Group>("decay"));
  const complement = v128.load32_splat(groupPtr, offsetof<Group>("decayComplement"));
  const meanDecay = v128.load32_splat(groupPtr, offsetof<Group>("meanDecay"));
  const meanComplement = v128.load32_splat(groupPtr, offsetof<Group>("meanDecayComplement"));
  const eps = v128.load32_splat(groupPtr, offsetof<Group>("epsOutside"));
  const correction = v128.load32_splat(segmentPtr, offsetof<Segment>("scalar0"));
  const rate = v128.load32_splat(segmentPtr, offsetof<Segment>("scalar1"));
  let meanRate = rate;
  if (isInteger<Nesterov>()) meanRate = v128.load32_splat(segmentPtr, offsetof<Segment>("scalar2"));
  let o = copiesOf(segment);
  let p: usize = segment.paramPtr;
  let g: usize = segment.gradPtr;
  let v: usize = segment.state0Ptr;
  let m: usize = segment.state1Ptr;
  let s: usize = 0;
  if (isInteger<Amsgrad>()) s = segment.state2Ptr;
  for (const end = p + ((segment.count >> 3) << 5); p != end; p += 32) {
    let decayed = p;
    let g0 = v128.load(g);
    let g1 = v128.load(g, 16);
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
        g0 = decayGradient<v128>(g0, v128.load(p), weightDecay);
        g1 = decayGradient<v128>(g1, v128.load(p, 16), weightDecay);
      }
      if (mode & MODE_DECOUPLED_DECAY) {
        const factor = v128.load32_splat(groupPtr, offsetof<Group>("decoupledDecay"));
        const p0 = mul<v128>(v128.load(p), factor);
        const p1 = mul<v128>(v128.load(p, 16), factor);
        put(PARAM, p, o, p0, 0);
        put(PARAM, p, o, p1, 16);
        decayed = COPIES ? o : p;
      }
    }
    let m0 = v128.load(m);
    let m1 = v128.load(m, 16);
    if (form & FORM_MEAN_FROM_GRADIENT) {
      m0 = lerpBack<v128>(m0, g0, meanDecay);
      m1 = lerpBack<v128>(m1, g1, meanDecay);
    } else {
      m0 = lerp<v128>(m0, g0, meanComplement);
      m1 = lerp<v128>(m1, g1, meanComplement);
    }
    put(STATE_1, m, o, m0, 0);
    put(STATE_1, m, o, m1, 16);
    const v0 = averageProduct<v128>(v128.load(v), g0, decay, complement);
    const v1 = averageProduct<v128>(v128.load(v, 16), g1, decay, complement);
    put(STATE_0, v, o, v0, 0);
    put(STATE_0, v, o, v1, 16);
    let s0 = v0;
    let s1 = v1;
    if (isInteger<Amsgrad>()) {
      s0 = larger(v128.load(s), v0);
      s1 = larger(v128.load(s, 16), v1);
      put(STATE_2, s, o, s0, 0);
      put(STATE_2, s, o, s1, 16);
      s += 32;
    }
    if (isInteger<Nesterov>()) {
      const d0 = denominator<v128>(v0, correction, eps);
      const d1 = denominator<v128>(v1, correction, eps);
      const p0 = descend<v128>(descend<v128>(v128.load(decayed), g0, rate, d0), m0, meanRate, d0);
      const p1 = descend<v128>(descend<v128>(v128.load(decayed, 16), g1, rate, d1), m1, meanRate, d1);
      put(PARAM, p, o, p0, 0);
      put(PARAM, p, o, p1, 16);
    } else {
      const p0 = v128.load(decayed);
      const p1 = v128.load(decayed, 16);
      put(PARAM, p, o, sub<v128>(p0, increment<v128>(m0, s0, correction, rate, eps)), 0);
      put(PARAM, p, o, sub<v128>(p1, increment<v128>(m1, s1, correction, rate, eps)), 16);
    }
    if (COPIES) o += 32;
    g += 32;
    v += 32;
    m += 32;
  }
}

/** The last count mod 8 elements of a segment, one by one, with every option decided at run time. */
export function remainder<Nesterov>(segment: Segment, group: Group): void {
  const form = group.form;
  for (let i = segment.count & ~7; i < segment.count; i++) {
    const offset = i << 2;
    const g = transformed(segment, group, offset);
    let m = load<f32>(segment.state1Ptr + offset);
    if (form & FORM_MEAN_FROM_GRADIENT) m = lerpBack<f32>(m, g, group.meanDecay);
    else m = lerp<f32>(m, g, group.meanDecayComplement);
    store<f32>(segment.state1Ptr + offset, m);
    let s = averageProduct<f32>(load<f32>(segment.state0Ptr + offset), g, group.decay, group.decayComplement);
    store<f32>(segment.state0Ptr + offset, s);
    if (!isInteger<Nesterov>() && segment.state2Ptr) {
      s = max<f32>(load<f32>(segment.state2Ptr + offset), s);
      store<f32>(segment.state2Ptr + offset, s);
    }
    if (isInteger<Nesterov>()) {
      const d = denominator<f32>(s, segment.scalar0, group.epsOutside);
      const p = descend<f32>(load<f32>(segment.paramPtr + offset), g, segment.scalar1, d);
      store<f32>(segment.paramPtr + offset, descend<f32>(p, m, segment.scalar2, d));
    } else {
      const u = increment<f32>(m, s, segment.scalar0, segment.scalar1, group.epsOutside);
      store<f32>(segment.paramPtr + offset, load<f32>(segment.paramPtr + offset) - u);
    }
  }
}
