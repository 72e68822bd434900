// The logarithm of softmax of the rows of x [rows, columns].

import { exp, log } from "../math";
import { maximum, sumOfExponentials, sumOfProducts } from "../softmax";

/**
 * y = (x − max) − log Σ e^(x − max) for each row; y may be x.
 *
 * Numerics: sums and special values as in `softmax_f32`.
 */
export function log_softmax_f32(rows: usize, columns: usize, xPtr: usize, yPtr: usize): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  for (; rows; rows--) {
    const max = maximum(xPtr, columns);
    const shift = log<f32>(sumOfExponentials(xPtr, columns, max, 0));
    let count = columns;
    for (; count >= 4; count -= 4, xPtr += 16, yPtr += 16) {
      v128.store(yPtr, f32x4.sub(f32x4.sub(v128.load(xPtr), f32x4.splat(max)), f32x4.splat(shift)));
    }
    for (; count; count--, xPtr += 4, yPtr += 4) store<f32>(yPtr, load<f32>(xPtr) - max - shift);
  }
}

/** dx = dy − e^y·Σ dy for each row, from y = log softmax(x); dx may be dy or y. Sums as those of `softmax_f32`. */
export function log_softmax_backward_f32(rows: usize, columns: usize, yPtr: usize, dyPtr: usize, dxPtr: usize): void {
  assert(!((yPtr | dyPtr | dxPtr) & 3), "operands are 4-byte aligned");
  for (; rows; rows--) {
    const sum = sumOfProducts(columns, dyPtr, 0);
    for (let count = columns; count; ) {
      const whole = count >= 4;
      const y = whole ? v128.load(yPtr) : v128.load32_zero(yPtr);
      const dy = whole ? v128.load(dyPtr) : v128.load32_zero(dyPtr);
      const dx = f32x4.sub(dy, f32x4.mul(exp<v128>(y), f32x4.splat(sum)));
      if (whole) v128.store(dxPtr, dx);
      else v128.store32_lane(dxPtr, dx, 0);
      const step: usize = whole ? 4 : 1;
      count -= step;
      yPtr += step << 2;
      dyPtr += step << 2;
      dxPtr += step << 2;
    }
  }
}
