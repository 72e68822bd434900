import { demote, promoteHigh } from "../double";
import { mul, whereLess } from "../simd";

// @ts-ignore: decorator
@inline function prelu4(x: v128, alpha: v128): v128 {
  return whereLess<v128>(f32x4.splat(0), x, x, mul<v128>(alpha, x));
}

/**
 * y[i, j] = x[i, j] where it is above 0, else alpha[j]·x[i, j].
 *
 * Requires: `yPtr` equals `xPtr`, or the two do not overlap.
 */
export function prelu_f32(rows: usize, columns: usize, xPtr: usize, alphaPtr: usize, yPtr: usize): void {
  assert(!((xPtr | alphaPtr | yPtr) & 3), "operands are 4-byte aligned");
  for (; rows; rows--) {
    let alpha = alphaPtr;
    let count = columns;
    for (; count >= 8; count -= 8, xPtr += 32, alpha += 32, yPtr += 32) {
      const x0 = v128.load(xPtr);
      const x1 = v128.load(xPtr, 16);
      const y0 = prelu4(x0, v128.load(alpha));
      const y1 = prelu4(x1, v128.load(alpha, 16));
      v128.store(yPtr, y0);
      v128.store(yPtr, y1, 16);
    }
    for (; count; count--, xPtr += 4, alpha += 4, yPtr += 4) {
      const x = load<f32>(xPtr);
      store<f32>(yPtr, x > 0 ? x : load<f32>(alpha) * x);
    }
  }
}

/**
 * dx[i, j] = dy[i, j] where x is above 0, else alpha[j]·dy[i, j]; dalpha[j] = Σᵢ dy[i, j]·x[i, j] over the others. Rows
 * are `stride` elements apart. `dxPtr` may equal `dyPtr`.
 *
 * Numerics: the sums in float64, their products exact, rows in ascending order.
 */
export function prelu_backward_f32(
  rows: usize, columns: usize, stride: usize, xPtr: usize, alphaPtr: usize, dyPtr: usize, dxPtr: usize,
  dalphaPtr: usize,
): void {
  assert(!((xPtr | alphaPtr | dyPtr | dxPtr | dalphaPtr) & 3), "operands are 4-byte aligned");
  stride <<= 2;
  while (columns) {
    const whole = columns >= 4;
    const alpha = whole ? v128.load(alphaPtr) : v128.load32_zero(alphaPtr);
    let low = f64x2.splat(0), high = low;
    let at: usize = 0;
    for (let row = rows; row; row--, at += stride) {
      const x = whole ? v128.load(xPtr + at) : v128.load32_zero(xPtr + at);
      const dy = whole ? v128.load(dyPtr + at) : v128.load32_zero(dyPtr + at);
      const positive = f32x4.lt(f32x4.splat(0), x);
      const dx = v128.bitselect(dy, f32x4.mul(alpha, dy), positive);
      const below = v128.andnot(x, positive), slope = v128.andnot(dy, positive);
      low = f64x2.add(low, f64x2.mul(f64x2.promote_low_f32x4(slope), f64x2.promote_low_f32x4(below)));
      high = f64x2.add(high, f64x2.mul(promoteHigh(slope), promoteHigh(below)));
      if (whole) v128.store(dxPtr + at, dx);
      else v128.store32_lane(dxPtr + at, dx, 0);
    }
    const sums = demote(low, high);
    if (whole) v128.store(dalphaPtr, sums);
    else v128.store32_lane(dalphaPtr, sums, 0);
    const step: usize = whole ? 4 : 1;
    columns -= step;
    xPtr += step << 2;
    alphaPtr += step << 2;
    dyPtr += step << 2;
    dxPtr += step << 2;
    dalphaPtr += step << 2;
  }
}
