// Softmax and its logarithm along one axis of x [outer, axis, inner]: rows where inner is 1, else four columns at a time.

import { exp, log } from "../math";
import { pmax, splat } from "../simd";
import { maximum, sumOfExponentials, sumOfProducts } from "../softmax";

/** One row: y = e^(x − max) / s, or (x − max) − log s. */
// @ts-ignore: decorator
@inline function row(logarithm: bool, columns: usize, x: usize, y: usize): void {
  const max = maximum(x, columns);
  const sum = sumOfExponentials(x, columns, max, logarithm ? 0 : y);
  const shift: f32 = logarithm ? log<f32>(sum) : 0;
  for (; columns >= 4; columns -= 4, x += 16, y += 16) {
    if (logarithm) v128.store(y, f32x4.sub(f32x4.sub(v128.load(x), f32x4.splat(max)), f32x4.splat(shift)));
    else v128.store(y, f32x4.div(v128.load(y), f32x4.splat(sum)));
  }
  for (; columns; columns--, x += 4, y += 4) {
    store<f32>(y, logarithm ? load<f32>(x) - max - shift : load<f32>(y) / sum);
  }
}

// @ts-ignore: decorator
@inline function loadSome(whole: bool, ptr: usize): v128 {
  return whole ? v128.load(ptr) : v128.load32_zero(ptr);
}

// @ts-ignore: decorator
@inline function storeSome(whole: bool, ptr: usize, x: v128): void {
  if (whole) v128.store(ptr, x);
  else v128.store32_lane(ptr, x, 0);
}

/** All columns of one [axis, inner], four at a time, the last inner mod 4 one by one. */
// @ts-ignore: decorator
@inline function columnsOf(logarithm: bool, axis: usize, inner: usize, x: usize, y: usize): void {
  const stride = inner << 2;
  const end = axis * stride;
  while (inner) {
    const whole = inner >= 4;
    let max = splat<v128>(-Infinity);
    for (let at: usize = 0; at != end; at += stride) max = pmax<v128>(max, loadSome(whole, x + at));
    let sum = splat<v128>(0);
    for (let at: usize = 0; at != end; at += stride) {
      const e = exp<v128>(f32x4.sub(loadSome(whole, x + at), max));
      sum = f32x4.add(sum, e);
      if (!logarithm) storeSome(whole, y + at, e);
    }
    const shift = logarithm ? log<v128>(sum) : sum;
    for (let at: usize = 0; at != end; at += stride) {
      const yi = logarithm
        ? f32x4.sub(f32x4.sub(loadSome(whole, x + at), max), shift)
        : f32x4.div(loadSome(whole, y + at), shift);
      storeSome(whole, y + at, yi);
    }
    const step: usize = whole ? 4 : 1;
    inner -= step;
    x += step << 2;
    y += step << 2;
  }
}

/**
 * y = e^(x − max) / Σ e^(x − max) along the axis.
 *
 * Requires (as those below): y equals x, or the two do not overlap.
 * Numerics: the maximum leaves NaN out; a NaN makes everything along its axis NaN, as +∞ does. Sums: with inner = 1
 * element j of the whole fours goes to partial sum j mod 4, these are joined as (0 + 1) + (2 + 3), the last axis mod 4
 * elements are added one by one; else in ascending order. |error| ≤ (|x − max| + axis + 4)·2⁻²⁴·y.
 */
export function softmax_f32(outer: usize, axis: usize, inner: usize, xPtr: usize, yPtr: usize): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  const size = (axis * inner) << 2;
  for (; outer; outer--, xPtr += size, yPtr += size) {
    if (inner == 1) row(false, axis, xPtr, yPtr);
    else columnsOf(false, axis, inner, xPtr, yPtr);
  }
}

/** y = (x − max) − log Σ e^(x − max) along the axis; see `softmax_f32`. */
export function log_softmax_f32(outer: usize, axis: usize, inner: usize, xPtr: usize, yPtr: usize): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  const size = (axis * inner) << 2;
  for (; outer; outer--, xPtr += size, yPtr += size) {
    if (inner == 1) row(true, axis, xPtr, yPtr);
    else columnsOf(true, axis, inner, xPtr, yPtr);
  }
}

/** dx of four elements: y·(dy − sum), or dy − e^y·sum. */
// @ts-ignore: decorator
@inline function slope4(logarithm: bool, y: v128, dy: v128, sum: v128): v128 {
  return logarithm ? f32x4.sub(dy, f32x4.mul(exp<v128>(y), sum)) : f32x4.mul(y, f32x4.sub(dy, sum));
}

// @ts-ignore: decorator
@inline function backward(
  logarithm: bool, outer: usize, axis: usize, inner: usize, y: usize, dy: usize, dx: usize,
): void {
  const stride = inner << 2;
  const end = axis * stride;
  for (; outer; outer--, y += end, dy += end, dx += end) {
    if (inner == 1) {
      const sum = f32x4.splat(sumOfProducts(axis, dy, logarithm ? 0 : y));
      for (let at: usize = 0, count = axis; count;) {
        const whole = count >= 4;
        storeSome(whole, dx + at, slope4(logarithm, loadSome(whole, y + at), loadSome(whole, dy + at), sum));
        const step: usize = whole ? 4 : 1;
        count -= step;
        at += step << 2;
      }
      continue;
    }
    for (let j: usize = 0; j < inner;) {
      const whole = inner - j >= 4;
      const offset = j << 2;
      let sum = f32x4.splat(0);
      for (let at: usize = 0; at != end; at += stride) {
        const dyi = loadSome(whole, dy + offset + at);
        sum = f32x4.add(sum, logarithm ? dyi : f32x4.mul(dyi, loadSome(whole, y + offset + at)));
      }
      for (let at: usize = 0; at != end; at += stride) {
        const yi = loadSome(whole, y + offset + at), dyi = loadSome(whole, dy + offset + at);
        storeSome(whole, dx + offset + at, slope4(logarithm, yi, dyi, sum));
      }
      j += whole ? 4 : 1;
    }
  }
}

/** dx = y·(dy − Σ dy·y), from y = softmax(x); dx may be dy or y. Sums as those of `softmax_f32`. */
export function softmax_backward_f32(
  outer: usize, axis: usize, inner: usize, yPtr: usize, dyPtr: usize, dxPtr: usize,
): void {
  assert(!((yPtr | dyPtr | dxPtr) & 3), "operands are 4-byte aligned");
  backward(false, outer, axis, inner, yPtr, dyPtr, dxPtr);
}

/** dx = dy − e^y·Σ dy, from y = log softmax(x); dx may be dy or y. Sums as those of `softmax_f32`. */
export function log_softmax_backward_f32(
  outer: usize, axis: usize, inner: usize, yPtr: usize, dyPtr: usize, dxPtr: usize,
): void {
  assert(!((yPtr | dyPtr | dxPtr) & 3), "operands are 4-byte aligned");
  backward(true, outer, axis, inner, yPtr, dyPtr, dxPtr);
}
