// The parts of a softmax over a row that losses, softmax and attention share.

import { exp } from "./math";
import { pmax } from "./simd";

/** The lanes joined as (0 + 1) + (2 + 3). */
// @ts-ignore: decorator
@inline export function sumOfLanes(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/** The largest of `count` elements, a NaN left out; −∞ if there is none. */
export function maximum(ptr: usize, count: usize): f32 {
  let lanes = f32x4.splat(-Infinity);
  const end = ptr + (count << 2);
  for (const whole = end - ((count & 3) << 2); ptr != whole; ptr += 16) lanes = f32x4.pmax(lanes, v128.load(ptr));
  let max = pmax<f32>(
    pmax<f32>(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
    pmax<f32>(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
  );
  for (; ptr != end; ptr += 4) max = pmax<f32>(max, load<f32>(ptr));
  return max;
}

/**
 * Σ e^(z − max) of `count` elements; the addends are stored from `out` on unless it is 0. Element j of the whole fours
 * goes to partial sum j mod 4, these are joined as (0 + 1) + (2 + 3), the rest is added one by one.
 */
export function sumOfExponentials(z: usize, count: usize, max: f32, out: usize): f32 {
  let sums = f32x4.splat(0);
  const end = z + (count << 2);
  for (const whole = end - ((count & 3) << 2); z != whole; z += 16) {
    const e = exp<v128>(f32x4.sub(v128.load(z), f32x4.splat(max)));
    sums = f32x4.add(sums, e);
    if (out) {
      v128.store(out, e);
      out += 16;
    }
  }
  let sum = sumOfLanes(sums);
  for (; z != end; z += 4) {
    const e = exp<f32>(load<f32>(z) - max);
    sum += e;
    if (out) {
      store<f32>(out, e);
      out += 4;
    }
  }
  return sum;
}

/** Σ a·b of `count` elements, or Σ a if b is 0, in the order of `sumOfExponentials`. */
export function sumOfProducts(count: usize, a: usize, b: usize): f32 {
  let sums = f32x4.splat(0);
  const step: usize = b ? 16 : 0;
  for (; count >= 4; count -= 4, a += 16) {
    const ai = v128.load(a);
    sums = f32x4.add(sums, b ? f32x4.mul(ai, v128.load(b)) : ai);
    b += step;
  }
  let sum = sumOfLanes(sums);
  for (; count; count--, a += 4) {
    const ai = load<f32>(a);
    sum += b ? ai * load<f32>(b) : ai;
    b += step >> 2;
  }
  return sum;
}
