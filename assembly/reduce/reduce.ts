// Sums, means and maxima along one axis of x [outer, axis, inner], and the gradient of sums and means.

import { max, splat } from "../simd";
import { addHigh, addLow, joinPartialSums } from "../sums";

/** Σ of `count` neighboring elements in float64: 8 partial sums, then the rest one by one. */
function sumOfRun(count: usize, x: usize): f64 {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; count >= 8; count -= 8, x += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    s0 = addLow(s0, x0);
    s1 = addHigh(s1, x0);
    s2 = addLow(s2, x1);
    s3 = addHigh(s3, x1);
  }
  let sum = joinPartialSums(s0, s1, s2, s3);
  for (; count; count--, x += 4) sum += <f64>load<f32>(x);
  return sum;
}

/** Four neighboring sums along the axis, divided and rounded. */
// @ts-ignore: decorator
@inline function sumColumns4(axis: usize, stride: usize, divisor: f64, x: usize, y: usize): void {
  let low = f64x2.splat(0), high = low;
  for (; axis; axis--, x += stride) {
    const xi = v128.load(x);
    low = addLow(low, xi);
    high = addHigh(high, xi);
  }
  const divisors = f64x2.splat(divisor);
  low = f32x4.demote_f64x2_zero(f64x2.div(low, divisors));
  high = f32x4.demote_f64x2_zero(f64x2.div(high, divisors));
  v128.store(y, i64x2.shuffle(low, high, 0, 2));
}

function sumAndDivide(outer: usize, axis: usize, inner: usize, divisor: f64, x: usize, y: usize): void {
  const stride = inner << 2;
  if (inner == 1) {
    for (; outer; outer--, x += axis << 2, y += 4) store<f32>(y, <f32>(sumOfRun(axis, x) / divisor));
    return;
  }
  for (; outer; outer--, x += axis * stride, y += stride) {
    let xi = x;
    let yi = y;
    let columns = inner;
    for (; columns >= 4; columns -= 4, xi += 16, yi += 16) sumColumns4(axis, stride, divisor, xi, yi);
    for (; columns; columns--, xi += 4, yi += 4) {
      let sum: f64 = 0;
      let from = xi;
      for (let a = axis; a; a--, from += stride) sum += <f64>load<f32>(from);
      store<f32>(yi, <f32>(sum / divisor));
    }
  }
}

/**
 * y[o, i] = Σₐ x[o, a, i].
 *
 * Requires (as those below): x and y do not overlap.
 * Numerics: in float64, rounded once. With inner = 1 element a of the whole eights goes to partial sum a mod 8, the
 * partial sums s are joined as ((s0 + s2) + (s4 + s6)) + ((s1 + s3) + (s5 + s7)), the last axis mod 8 elements are added
 * one by one; else every sum adds its elements in ascending order. |error| ≤ u·|y| + axis·2⁻⁵³·Σ|x|, u = 2⁻²⁴.
 */
export function sum_f32(outer: usize, axis: usize, inner: usize, xPtr: usize, yPtr: usize): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  sumAndDivide(outer, axis, inner, 1, xPtr, yPtr);
}

/** y[o, i] = Σₐ x[o, a, i] / axis, the sum and the quotient in float64, see `sum_f32`; NaN of nothing. */
export function mean_f32(outer: usize, axis: usize, inner: usize, xPtr: usize, yPtr: usize): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  sumAndDivide(outer, axis, inner, <f64>axis, xPtr, yPtr);
}

/** y[o, i] = maxₐ x[o, a, i]; NaN if one is NaN, −∞ of nothing; +0 is above −0. */
export function max_f32(outer: usize, axis: usize, inner: usize, xPtr: usize, yPtr: usize): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  const stride = inner << 2;
  for (; outer; outer--, xPtr += axis * stride, yPtr += stride) {
    if (inner == 1) {
      store<f32>(yPtr, maxOfRun(axis, xPtr));
      continue;
    }
    let x = xPtr;
    let y = yPtr;
    let columns = inner;
    for (; columns >= 4; columns -= 4, x += 16, y += 16) {
      let most = splat<v128>(-Infinity);
      let from = x;
      for (let a = axis; a; a--, from += stride) most = f32x4.max(most, v128.load(from));
      v128.store(y, most);
    }
    for (; columns; columns--, x += 4, y += 4) {
      let most: f32 = -Infinity;
      let from = x;
      for (let a = axis; a; a--, from += stride) most = max<f32>(most, load<f32>(from));
      store<f32>(y, most);
    }
  }
}

function maxOfRun(count: usize, x: usize): f32 {
  let lanes = splat<v128>(-Infinity);
  for (; count >= 4; count -= 4, x += 16) lanes = f32x4.max(lanes, v128.load(x));
  let most = max<f32>(
    max<f32>(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
    max<f32>(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
  );
  for (; count; count--, x += 4) most = max<f32>(most, load<f32>(x));
  return most;
}

/** y[o, a, i] = x[o, i] / divisor: the gradient of a sum (divisor 1) and of a mean (divisor axis). */
export function broadcast_f32(
  outer: usize, axis: usize, inner: usize, divisor: f32, xPtr: usize, yPtr: usize,
): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  const divisors = splat<v128>(divisor);
  for (; outer; outer--, xPtr += inner << 2) {
    if (inner == 1) {
      const y = load<f32>(xPtr) / divisor;
      let count = axis;
      for (; count >= 4; count -= 4, yPtr += 16) v128.store(yPtr, f32x4.splat(y));
      for (; count; count--, yPtr += 4) store<f32>(yPtr, y);
      continue;
    }
    for (let a = axis; a; a--) {
      let x = xPtr;
      let count = inner;
      for (; count >= 4; count -= 4, x += 16, yPtr += 16) v128.store(yPtr, f32x4.div(v128.load(x), divisors));
      for (; count; count--, x += 4, yPtr += 4) store<f32>(yPtr, load<f32>(x) / divisor);
    }
  }
}
