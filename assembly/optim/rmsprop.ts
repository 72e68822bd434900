import {
  FORM_BIAS_CORRECTION, FORM_CENTERED, FORM_EPS_IN_MEAN, FORM_EPS_OUTSIDE, FORM_EPS_RATIO, FORM_FRAMEWORK,
  FORM_MEAN_FROM_GRADIENT, FORM_MEAN_LERP, FORM_MOMENTUM, FORM_NEGATIVE, FORM_NESTEROV, FORM_RATE_AFTER, FORM_RATE_LAST,
  FORM_RECIPROCAL, FORM_SEGMENT_RATE, FORM_SQUARE_LERP, FORM_SQUARE_PRODUCT, FORM_VARIANCE_FLOOR, MODE_CLAMP_LAST,
  MODE_COUPLED_DECAY, MODE_DECAY_FACTOR, MODE_DECAY_TWICE, MODE_DECOUPLED_DECAY, MODE_FRAMEWORK, MODE_RESCALE,
  MODE_RESCALE_DIVIDE, MODE_RESCALE_TWICE,
} from "../../src/abi/step-table";
import { Off, On, add, div, mul, pmax, splat, sqrt, sub } from "../simd";
import { PARAM, STATE_0, STATE_1, STATE_2, copiesOf, put, resultOf } from "./result";
import { FORM_TRANSFORMS, Group, Segment, formOf } from "./step-table";
import {
  average, averageProduct, clamp, decayGradient, decayParameter, decayTwice, lerp, lerpBack, rescale, transformed,
} from "./transform";
import { walk } from "./walk";

// The formula, element by element, every operation rounded to float32:
//   v ← decay·v + (1−decay)·g²        m ← meanDecay·m + (1−meanDecay)·g                          (m if centered)
//   s = max(v·scalar0 − (m·scalar1)², 0)                     (corrections and mean only where they are on)
//   u = lr·g / (√(s + epsInside) + epsOutside)                       or, as a ratio, lr·g·√s / (s + epsOutside)
//   b ← momentum·b + u;  p ← p − b, or with Nesterov p − (momentum·b + u);  without momentum p ← p − u
// The frameworks' forms differ from it in the order of operations; the bits of `FORM_FRAMEWORK` say where:
//   v ← decay·v + ((1−decay)·g)·g, or v + (1−decay)·(g² − v)                      m ← m + (1−meanDecay)·(g − m)
//   s = v − m², without a floor
//   u = lr·(g / d), or lr·(g·(1/d)), or (lr·g)·(1/d)                              p ← p − lr·b, or p + b with −lr
// AdaGrad is such a form too: v ← 1·v + (1·g)·g.

/** The learning rate is not a factor of the gradient. */
const RATE_LATER: u32 = FORM_RATE_AFTER | FORM_RATE_LAST;

/** Forms whose division is not (lr·g) / d and nothing else; wide mode multiplies by a factor that may be 1. */
const RARE: u32 = WIDE ? FORM_RECIPROCAL | FORM_RATE_AFTER : FORM_RECIPROCAL | RATE_LATER;

// @ts-ignore: decorator
@inline function variance<T>(s: T, mean: T): T {
  return sub<T>(s, mul<T>(mean, mean));
}

// @ts-ignore: decorator
@inline function varianceLess<T>(s: T, mean: T, eps: T): T {
  return sub<T>(s, add<T>(mul<T>(mean, mean), eps));
}

// @ts-ignore: decorator
@inline function reciprocal<T>(d: T): T {
  return div<T>(splat<T>(1), d);
}

// @ts-ignore: decorator
@inline function accumulate<T>(b: T, u: T, momentum: T): T {
  return add<T>(mul<T>(momentum, b), u);
}

/**
 * The elements of a segment that fill pairs of vectors; which arrays there are is decided while compiling.
 *
 * Registers: the scalars of the plain formula, at most 7 of V8's 15; those of options are loaded in the loop, under
 * branches that go the same way for the whole segment. Operands are loaded where they are first needed, averages stored
 * as soon as they are known and the parameter read last (decoupled decay stores it and it is read again), so that
 * nothing spills. V8 of Node 20 keeps an address for each v128.load32_splat in the loop; what few segments need is
 * f32x4.splat.
 * Wide: V8 fuses the two halves only while everything that feeds a pair of stores pairs up block by block, so each
 * branch serves both halves and none is between the division and the parameter's stores but Nesterov's and
 * RateLast's, which feed the momentum's stores beside them too. So the learning rate is three factors there, two of
 * them 1 or −1; without pairs it is multiplied where the form has it.
 * Tried (Zen 4, V8 of Node 20 and 24; speed against this form; docs/decisions/0010-dialects.md has more):
 * - scalars of the plain formula by f32x4.splat: V8 moves the splats into the loop; centered 0.89.
 * - options without branches (multiply by 1, bitselect by mask): plain 0.8, the others 0.5.
 * - centered and momentum as branches too: 0.94, and V8 no longer fuses the halves.
 * - no branches, one loop for each set of options: 0.98–1.02, at four times the code.
 * - every load at the top, every store at the end: centered 0.90–0.98; momentum stored at once: wide 0.65.
 * - wide: the rate where the form has it, a branch each: no pairs with momentum, 0.6. Its factors loaded in the loop: 0.5–1.
 * - distances from p instead of pointers: 0.94 and 1.02. The division of a pair in the next turn: 0.97–1.01.
 */
function vectors<Framework, Centered, Momentum>(segment: Segment, group: Group): void {
  const segmentPtr = changetype<usize>(segment);
  const groupPtr = changetype<usize>(group);
  const form = formOf(group);
  let learningRate = v128.load32_splat(groupPtr, offsetof<Group>("learningRate"));
  if (isInteger<Framework>()) {
    if (form & FORM_SEGMENT_RATE) learningRate = v128.load32_splat(segmentPtr, offsetof<Segment>("scalar1"));
  }
  let rateBefore = learningRate;
  let rateAfter = learningRate;
  let rateLast = learningRate;
  if (WIDE && isInteger<Framework>()) {
    const one = f32x4.splat(1);
    if (form & RATE_LATER) rateBefore = one;
    if (!(form & FORM_RATE_AFTER)) rateAfter = one;
    if (form & FORM_NEGATIVE) rateLast = f32x4.splat(-1);
  }
  const decay = v128.load32_splat(groupPtr, offsetof<Group>("decay"));
  const complement = v128.load32_splat(groupPtr, offsetof<Group>("decayComplement"));
  const epsInside = v128.load32_splat(groupPtr, offsetof<Group>("epsInside"));
  let mu = learningRate; // these three are given their values below, where they are used
  let meanDecay = learningRate;
  let meanComplement = learningRate;
  let o = copiesOf(segment);
  let p: usize = segment.paramPtr;
  let g: usize = segment.gradPtr;
  let v: usize = segment.state0Ptr;
  let m: usize = 0;
  let b: usize = 0;
  if (isInteger<Centered>()) {
    meanDecay = v128.load32_splat(groupPtr, offsetof<Group>("meanDecay"));
    meanComplement = v128.load32_splat(groupPtr, offsetof<Group>("meanDecayComplement"));
    m = segment.state1Ptr;
  }
  if (isInteger<Momentum>()) {
    mu = v128.load32_splat(groupPtr, offsetof<Group>("momentum"));
    b = segment.state2Ptr;
  }
  let m0 = learningRate;
  let m1 = learningRate;
  let b0 = learningRate;
  let b1 = learningRate;
  for (const end = p + ((segment.count >> 3) << 5); p != end; p += 32) {
    let decayed = p;
    let g0 = v128.load(g);
    let g1 = v128.load(g, 16);
    if (form & FORM_TRANSFORMS) {
      const mode = group.mode;
      if (mode & MODE_RESCALE) {
        const bound = f32x4.splat(group.clipValue);
        const scale = f32x4.splat(segment.gradScale);
        g0 = rescale<v128>(g0, bound, scale);
        g1 = rescale<v128>(g1, bound, scale);
        if (isInteger<Framework>()) {
          const scale2 = f32x4.splat(segment.gradScale2);
          if (mode & MODE_RESCALE_DIVIDE) {
            g0 = div<v128>(g0, scale2);
            g1 = div<v128>(g1, scale2);
          } else if (mode & MODE_RESCALE_TWICE) {
            g0 = mul<v128>(g0, scale2);
            g1 = mul<v128>(g1, scale2);
          }
        }
      }
      if (mode & MODE_COUPLED_DECAY) {
        const weightDecay = f32x4.splat(group.weightDecay);
        g0 = decayGradient<v128>(g0, v128.load(p), weightDecay);
        g1 = decayGradient<v128>(g1, v128.load(p, 16), weightDecay);
        if (isInteger<Framework>() && mode & MODE_CLAMP_LAST) {
          const bound = f32x4.splat(group.clipValue);
          g0 = clamp<v128>(g0, bound);
          g1 = clamp<v128>(g1, bound);
        }
      }
      if (mode & MODE_DECOUPLED_DECAY) {
        let p0 = v128.load(p);
        let p1 = v128.load(p, 16);
        const decoupledDecay = f32x4.splat(group.decoupledDecay);
        if (isInteger<Framework>() && mode & MODE_DECAY_FACTOR) {
          p0 = mul<v128>(p0, decoupledDecay);
          p1 = mul<v128>(p1, decoupledDecay);
        } else if (isInteger<Framework>() && mode & MODE_DECAY_TWICE) {
          const weightDecay = f32x4.splat(group.weightDecay);
          p0 = decayTwice<v128>(p0, weightDecay, learningRate);
          p1 = decayTwice<v128>(p1, weightDecay, learningRate);
        } else {
          p0 = decayParameter<v128>(p0, decoupledDecay);
          p1 = decayParameter<v128>(p1, decoupledDecay);
        }
        put(PARAM, p, o, p0, 0);
        put(PARAM, p, o, p1, 16);
        decayed = COPIES ? o : p;
      }
    }

    let v0 = v128.load(v);
    let v1 = v128.load(v, 16);
    if (isInteger<Framework>() && form & FORM_SQUARE_PRODUCT) {
      v0 = averageProduct<v128>(v0, g0, decay, complement);
      v1 = averageProduct<v128>(v1, g1, decay, complement);
    } else if (isInteger<Framework>() && form & FORM_SQUARE_LERP) {
      v0 = lerp<v128>(v0, mul<v128>(g0, g0), complement);
      v1 = lerp<v128>(v1, mul<v128>(g1, g1), complement);
    } else {
      v0 = average<v128>(v0, mul<v128>(g0, g0), decay, complement);
      v1 = average<v128>(v1, mul<v128>(g1, g1), decay, complement);
    }
    put(STATE_0, v, o, v0, 0);
    put(STATE_0, v, o, v1, 16);
    let s0 = v0;
    let s1 = v1;
    let mean0 = v0;
    let mean1 = v1;
    if (isInteger<Centered>()) {
      m0 = v128.load(m);
      m1 = v128.load(m, 16);
      if (isInteger<Framework>() && form & FORM_MEAN_LERP) {
        m0 = lerp<v128>(m0, g0, meanComplement);
        m1 = lerp<v128>(m1, g1, meanComplement);
      } else if (isInteger<Framework>() && form & FORM_MEAN_FROM_GRADIENT) {
        m0 = lerpBack<v128>(m0, g0, meanDecay);
        m1 = lerpBack<v128>(m1, g1, meanDecay);
      } else {
        m0 = average<v128>(m0, g0, meanDecay, meanComplement);
        m1 = average<v128>(m1, g1, meanDecay, meanComplement);
      }
      put(STATE_1, m, o, m0, 0);
      put(STATE_1, m, o, m1, 16);
      m += 32;
      mean0 = m0;
      mean1 = m1;
    }
    if (form & FORM_BIAS_CORRECTION) {
      const scalar0 = f32x4.splat(segment.scalar0);
      s0 = mul<v128>(s0, scalar0);
      s1 = mul<v128>(s1, scalar0);
      if (isInteger<Centered>()) {
        const scalar1 = f32x4.splat(segment.scalar1);
        mean0 = mul<v128>(mean0, scalar1);
        mean1 = mul<v128>(mean1, scalar1);
      }
    }
    if (isInteger<Centered>()) {
      if (isInteger<Framework>() && form & FORM_EPS_IN_MEAN) {
        const eps = v128.load32_splat(groupPtr, offsetof<Group>("epsOutside"));
        s0 = varianceLess<v128>(s0, mean0, eps);
        s1 = varianceLess<v128>(s1, mean1, eps);
      } else {
        s0 = variance<v128>(s0, mean0);
        s1 = variance<v128>(s1, mean1);
        if (!isInteger<Framework>() && form & FORM_VARIANCE_FLOOR) {
          const zero = f32x4.splat(0);
          s0 = pmax<v128>(s0, zero);
          s1 = pmax<v128>(s1, zero);
        }
      }
    }

    // With EpsOutside epsInside is 0, and s + 0 is s: no v and no v − m² is ever −0.
    if (!(form & FORM_EPS_OUTSIDE)) {
      s0 = add<v128>(s0, epsInside);
      s1 = add<v128>(s1, epsInside);
    }
    let d0 = sqrt<v128>(s0);
    let d1 = sqrt<v128>(s1);
    let u0 = g0;
    let u1 = g1;
    if (!isInteger<Framework>() || WIDE) {
      u0 = mul<v128>(rateBefore, g0);
      u1 = mul<v128>(rateBefore, g1);
    }
    if (form & FORM_EPS_OUTSIDE) {
      if (!isInteger<Framework>() && form & FORM_EPS_RATIO) {
        u0 = mul<v128>(u0, d0);
        u1 = mul<v128>(u1, d1);
        d0 = s0;
        d1 = s1;
      }
      const epsOutside = v128.load32_splat(groupPtr, offsetof<Group>("epsOutside"));
      d0 = add<v128>(d0, epsOutside);
      d1 = add<v128>(d1, epsOutside);
    }
    if (isInteger<Framework>() && form & RARE) {
      if (!WIDE && !(form & RATE_LATER)) {
        u0 = mul<v128>(learningRate, u0);
        u1 = mul<v128>(learningRate, u1);
      }
      if (form & FORM_RECIPROCAL) {
        u0 = mul<v128>(u0, reciprocal<v128>(d0));
        u1 = mul<v128>(u1, reciprocal<v128>(d1));
      } else {
        u0 = div<v128>(u0, d0);
        u1 = div<v128>(u1, d1);
      }
      if (WIDE || form & FORM_RATE_AFTER) {
        u0 = mul<v128>(u0, rateAfter);
        u1 = mul<v128>(u1, rateAfter);
      }
    } else {
      if (isInteger<Framework>() && !WIDE) {
        u0 = mul<v128>(learningRate, u0);
        u1 = mul<v128>(learningRate, u1);
      }
      u0 = div<v128>(u0, d0);
      u1 = div<v128>(u1, d1);
    }
    if (isInteger<Momentum>()) {
      b0 = accumulate<v128>(v128.load(b), u0, mu);
      b1 = accumulate<v128>(v128.load(b, 16), u1, mu);
      if (form & FORM_NESTEROV) {
        u0 = accumulate<v128>(b0, u0, mu);
        u1 = accumulate<v128>(b1, u1, mu);
      } else {
        u0 = b0;
        u1 = b1;
      }
    }
    if (WIDE && isInteger<Framework>() && form & (FORM_RATE_LAST | FORM_NEGATIVE)) {
      u0 = mul<v128>(u0, rateLast);
      u1 = mul<v128>(u1, rateLast);
    }

    const p0 = v128.load(decayed);
    const p1 = v128.load(decayed, 16);
    if (!WIDE && isInteger<Framework>() && form & (FORM_RATE_LAST | FORM_NEGATIVE)) {
      if (form & FORM_NEGATIVE) {
        put(PARAM, p, o, add<v128>(p0, u0), 0);
        put(PARAM, p, o, add<v128>(p1, u1), 16);
      } else {
        put(PARAM, p, o, sub<v128>(p0, mul<v128>(u0, learningRate)), 0);
        put(PARAM, p, o, sub<v128>(p1, mul<v128>(u1, learningRate)), 16);
      }
    } else {
      put(PARAM, p, o, sub<v128>(p0, u0), 0);
      put(PARAM, p, o, sub<v128>(p1, u1), 16);
    }
    if (isInteger<Momentum>()) {
      put(STATE_2, b, o, b0, 0);
      put(STATE_2, b, o, b1, 16);
      b += 32;
    }
    if (COPIES) o += 32;
    g += 32;
    v += 32;
  }
}

/** The last count mod 8 elements of a segment, one by one, with every option decided at run time. */
function remainder(segment: Segment, group: Group): void {
  const form = group.form;
  const learningRate = form & FORM_SEGMENT_RATE ? segment.scalar1 : group.learningRate;
  for (let i = segment.count & ~7; i < segment.count; i++) {
    const offset = i << 2;
    const g = transformed(segment, group, offset);
    let s = load<f32>(segment.state0Ptr + offset);
    if (form & FORM_SQUARE_PRODUCT) s = averageProduct<f32>(s, g, group.decay, group.decayComplement);
    else if (form & FORM_SQUARE_LERP) s = lerp<f32>(s, g * g, group.decayComplement);
    else s = average<f32>(s, g * g, group.decay, group.decayComplement);
    store<f32>(segment.state0Ptr + offset, s);
    if (form & FORM_BIAS_CORRECTION) s *= segment.scalar0;
    if (form & FORM_CENTERED) {
      let mean = load<f32>(segment.state1Ptr + offset);
      if (form & FORM_MEAN_LERP) mean = lerp<f32>(mean, g, group.meanDecayComplement);
      else if (form & FORM_MEAN_FROM_GRADIENT) mean = lerpBack<f32>(mean, g, group.meanDecay);
      else mean = average<f32>(mean, g, group.meanDecay, group.meanDecayComplement);
      store<f32>(segment.state1Ptr + offset, mean);
      if (form & FORM_BIAS_CORRECTION) mean *= segment.scalar1;
      s = form & FORM_EPS_IN_MEAN ? varianceLess<f32>(s, mean, group.epsOutside) : variance<f32>(s, mean);
      if (form & FORM_VARIANCE_FLOOR) s = pmax<f32>(s, 0);
    }

    let d = sqrt<f32>(s + group.epsInside);
    let u = form & RATE_LATER ? g : learningRate * g;
    if (form & FORM_EPS_OUTSIDE) {
      if (form & FORM_EPS_RATIO) {
        u *= d;
        d = s;
      }
      d += group.epsOutside;
    }
    u = form & FORM_RECIPROCAL ? u * reciprocal<f32>(d) : u / d;
    if (form & FORM_RATE_AFTER) u *= learningRate;
    if (form & FORM_MOMENTUM) {
      const b = accumulate<f32>(load<f32>(segment.state2Ptr + offset), u, group.momentum);
      store<f32>(segment.state2Ptr + offset, b);
      u = form & FORM_NESTEROV ? accumulate<f32>(b, u, group.momentum) : b;
    }
    if (form & FORM_RATE_LAST) u *= learningRate;
    if (form & FORM_NEGATIVE) u = -u;
    store<f32>(segment.paramPtr + offset, load<f32>(segment.paramPtr + offset) - u);
  }
}

// @ts-ignore: decorator
@inline function choose<Framework>(segment: Segment, group: Group, form: u32): void {
  if (form & FORM_CENTERED) {
    if (form & FORM_MOMENTUM) vectors<Framework, On, On>(segment, group);
    else vectors<Framework, On, Off>(segment, group);
  } else if (form & FORM_MOMENTUM) vectors<Framework, Off, On>(segment, group);
  else vectors<Framework, Off, Off>(segment, group);
}

@unmanaged
export class RMSProp {
  // @ts-ignore: decorator
  @inline update(segment: Segment, group: Group): void {
    const form = group.form;
    assert(segment.state0Ptr != 0);
    assert(!(form & FORM_CENTERED) || segment.state1Ptr != 0);
    assert(!(form & FORM_MOMENTUM) || segment.state2Ptr != 0);
    if (form & FORM_FRAMEWORK || group.mode & MODE_FRAMEWORK) choose<On>(segment, group, form);
    else choose<Off>(segment, group, form);
    remainder(resultOf(segment), group);
  }
}

/**
 * One RMSProp step of every segment of a table; the formula is at the top of this file. A negative `checkFinite`: the
 * rows are measured already.
 *
 * Requires: pointers are multiples of 4; the arrays of a segment do not overlap; Centered and Momentum come with their
 * state arrays. Returns 0, or 1 + the index of a segment whose gradient is not finite, and has then changed no array.
 * Touches: segments with a gradient: reads it, reads and writes parameter and state; writes `gradScale`.
 * Remainder: the last count mod 8 elements by the same formulas over f32.
 * Numerics: each operation rounds once. v − m² may round below 0, whose root is NaN: VarianceFloor makes it 0, and the
 * frameworks' forms do without.
 */
export function rmsprop_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  return walk<RMSProp>(segmentsPtr, segmentCount, checkFinite);
}
