import {
  FORM_MOMENTUM, FORM_NESTEROV, MODE_COUPLED_DECAY, MODE_DECOUPLED_DECAY, MODE_RESCALE, MODE_TRANSFORM,
} from "../../src/abi/step-table";
import { Off, On, add, mul, sub } from "../simd";
import { PARAM, STATE_0, copiesOf, put, resultOf } from "./result";
import { FORM_TRANSFORMS, Group, Segment, formOf } from "./step-table";
import { decayGradient, decayParameter, rescale, transformed } from "./transform";
import { walk } from "./walk";

// The formula, element by element, every operation rounded to float32:
//   b ← momentum·b + scalar0·g;  d = b, or with Nesterov g + momentum·b;  without momentum d = g
//   p ← p − lr·d
// The buffer starts as −0, and −0 + x is x for every x: the first step copies the gradient, the sign of zero included.

// @ts-ignore: decorator
@inline function accumulate<T>(b: T, g: T, momentum: T, factor: T): T {
  return add<T>(mul<T>(momentum, b), mul<T>(factor, g));
}

// @ts-ignore: decorator
@inline function ahead<T>(g: T, b: T, momentum: T): T {
  return add<T>(g, mul<T>(momentum, b));
}

// @ts-ignore: decorator
@inline function descend<T>(p: T, d: T, learningRate: T): T {
  return sub<T>(p, mul<T>(learningRate, d));
}

/**
 * The elements of a segment that fill pairs of vectors; built like its namesake in rmsprop.ts. Here the loop is bound
 * by the number of instructions: one branch covers all transforms (without it 0.75 of this speed). Each vector is
 * stored before the next is loaded, 1.03 to 1.08 of the speed of four loads first; V8 makes pairs of these only, so wide
 * mode has them.
 */
function vectors<Momentum>(segment: Segment, group: Group): void {
  const segmentPtr = changetype<usize>(segment);
  const groupPtr = changetype<usize>(group);
  // Without momentum there is no form to ask for.
  const form: u32 = isInteger<Momentum>() ? formOf(group) : group.mode;
  const transforms: u32 = isInteger<Momentum>() ? FORM_TRANSFORMS : MODE_TRANSFORM;
  const learningRate = v128.load32_splat(groupPtr, offsetof<Group>("learningRate"));
  let mu = learningRate; // these two are given their values below, where they are used
  let factor = learningRate;
  let o = copiesOf(segment);
  let p: usize = segment.paramPtr;
  let g: usize = segment.gradPtr;
  let b: usize = 0;
  if (isInteger<Momentum>()) {
    mu = v128.load32_splat(groupPtr, offsetof<Group>("momentum"));
    factor = v128.load32_splat(segmentPtr, offsetof<Segment>("scalar0"));
    b = segment.state0Ptr;
  }
  let b0 = learningRate;
  let b1 = learningRate;
  const end = p + ((segment.count >> 3) << 5);
  if (isInteger<Momentum>()) {
    if (!(form & (transforms | FORM_NESTEROV))) {
      // Four vectors an iteration and no branches: 1.2 to 1.3 of the speed of two, where the data is in cache.
      for (const fourEnd = p + ((segment.count >> 4) << 6); p != fourEnd; p += 64) {
        if (WIDE) {
          const c0 = accumulate<v128>(v128.load(b), v128.load(g), mu, factor);
          const c1 = accumulate<v128>(v128.load(b, 16), v128.load(g, 16), mu, factor);
          const c2 = accumulate<v128>(v128.load(b, 32), v128.load(g, 32), mu, factor);
          const c3 = accumulate<v128>(v128.load(b, 48), v128.load(g, 48), mu, factor);
          const q0 = descend<v128>(v128.load(p), c0, learningRate);
          const q1 = descend<v128>(v128.load(p, 16), c1, learningRate);
          const q2 = descend<v128>(v128.load(p, 32), c2, learningRate);
          const q3 = descend<v128>(v128.load(p, 48), c3, learningRate);
          put(PARAM, p, o, q0, 0);
          put(PARAM, p, o, q1, 16);
          put(PARAM, p, o, q2, 32);
          put(PARAM, p, o, q3, 48);
          put(STATE_0, b, o, c0, 0);
          put(STATE_0, b, o, c1, 16);
          put(STATE_0, b, o, c2, 32);
          put(STATE_0, b, o, c3, 48);
        } else {
          const c0 = accumulate<v128>(v128.load(b), v128.load(g), mu, factor);
          put(STATE_0, b, o, c0, 0);
          put(PARAM, p, o, descend<v128>(v128.load(p), c0, learningRate), 0);
          const c1 = accumulate<v128>(v128.load(b, 16), v128.load(g, 16), mu, factor);
          put(STATE_0, b, o, c1, 16);
          put(PARAM, p, o, descend<v128>(v128.load(p, 16), c1, learningRate), 16);
          const c2 = accumulate<v128>(v128.load(b, 32), v128.load(g, 32), mu, factor);
          put(STATE_0, b, o, c2, 32);
          put(PARAM, p, o, descend<v128>(v128.load(p, 32), c2, learningRate), 32);
          const c3 = accumulate<v128>(v128.load(b, 48), v128.load(g, 48), mu, factor);
          put(STATE_0, b, o, c3, 48);
          put(PARAM, p, o, descend<v128>(v128.load(p, 48), c3, learningRate), 48);
        }
        if (COPIES) o += 64;
        g += 64;
        b += 64;
      }
    }
  } else if (!(form & transforms)) {
    // The same here: 1.15 to 1.2 of the speed of two. Eight gain nothing (1.00 to 1.04).
    for (const fourEnd = p + ((segment.count >> 4) << 6); p != fourEnd; p += 64) {
      if (WIDE) {
        const q0 = descend<v128>(v128.load(p), v128.load(g), learningRate);
        const q1 = descend<v128>(v128.load(p, 16), v128.load(g, 16), learningRate);
        const q2 = descend<v128>(v128.load(p, 32), v128.load(g, 32), learningRate);
        const q3 = descend<v128>(v128.load(p, 48), v128.load(g, 48), learningRate);
        put(PARAM, p, o, q0, 0);
        put(PARAM, p, o, q1, 16);
        put(PARAM, p, o, q2, 32);
        put(PARAM, p, o, q3, 48);
      } else {
        put(PARAM, p, o, descend<v128>(v128.load(p), v128.load(g), learningRate), 0);
        put(PARAM, p, o, descend<v128>(v128.load(p, 16), v128.load(g, 16), learningRate), 16);
        put(PARAM, p, o, descend<v128>(v128.load(p, 32), v128.load(g, 32), learningRate), 32);
        put(PARAM, p, o, descend<v128>(v128.load(p, 48), v128.load(g, 48), learningRate), 48);
      }
      if (COPIES) o += 64;
      g += 64;
    }
  }
  for (; p != end; p += 32) {
    let g0 = v128.load(g);
    let g1 = v128.load(g, 16);
    let p0 = v128.load(p);
    let p1 = v128.load(p, 16);
    if (isInteger<Momentum>()) {
      b0 = v128.load(b);
      b1 = v128.load(b, 16);
    }
    if (form & transforms) {
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
        const decoupledDecay = v128.load32_splat(groupPtr, offsetof<Group>("decoupledDecay"));
        p0 = decayParameter<v128>(p0, decoupledDecay);
        p1 = decayParameter<v128>(p1, decoupledDecay);
      }
    }
    if (isInteger<Momentum>()) {
      b0 = accumulate<v128>(b0, g0, mu, factor);
      b1 = accumulate<v128>(b1, g1, mu, factor);
      if (form & FORM_NESTEROV) {
        g0 = ahead<v128>(g0, b0, mu);
        g1 = ahead<v128>(g1, b1, mu);
      } else {
        g0 = b0;
        g1 = b1;
      }
    }
    put(PARAM, p, o, descend<v128>(p0, g0, learningRate), 0);
    put(PARAM, p, o, descend<v128>(p1, g1, learningRate), 16);
    if (isInteger<Momentum>()) {
      put(STATE_0, b, o, b0, 0);
      put(STATE_0, b, o, b1, 16);
      b += 32;
    }
    if (COPIES) o += 32;
    g += 32;
  }
}

/** The last count mod 8 elements of a segment, one by one, with every option decided at run time. */
function remainder(segment: Segment, group: Group): void {
  const form = group.form;
  for (let i = segment.count & ~7; i < segment.count; i++) {
    const offset = i << 2;
    let g = transformed(segment, group, offset);
    if (form & FORM_MOMENTUM) {
      const b = accumulate<f32>(load<f32>(segment.state0Ptr + offset), g, group.momentum, segment.scalar0);
      store<f32>(segment.state0Ptr + offset, b);
      g = form & FORM_NESTEROV ? ahead<f32>(g, b, group.momentum) : b;
    }
    store<f32>(segment.paramPtr + offset, descend<f32>(load<f32>(segment.paramPtr + offset), g, group.learningRate));
  }
}

@unmanaged
export class SGD {
  // @ts-ignore: decorator
  @inline update(segment: Segment, group: Group): void {
    const form = group.form;
    assert(!(form & FORM_MOMENTUM) || segment.state0Ptr != 0);
    if (form & FORM_MOMENTUM) vectors<On>(segment, group);
    else vectors<Off>(segment, group);
    remainder(resultOf(segment), group);
  }
}

/**
 * One step of stochastic gradient descent of every segment of a table; the formula is at the top of this file. A
 * negative `checkFinite`: the segments are measured already.
 *
 * Requires: pointers are multiples of 4; the arrays of a segment do not overlap; Momentum comes with its state array.
 * Returns 0, or 1 + the index of a segment whose gradient is not finite, and has then changed no array.
 * Touches: segments with a gradient: reads it, reads and writes parameter and state; writes `gradScale`.
 * Remainder: the last count mod 8 elements by the same formulas over f32.
 * Source: PyTorch's torch/optim/sgd.py, in the order of its operations.
 */
export function sgd_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  return walk<SGD>(segmentsPtr, segmentCount, checkFinite);
}
