// Softmax of the rows of x [rows, columns]. In the network binary, so that every network has it by name.

import { maximum, sumOfExponentials, sumOfLanes } from "../softmax";
import { rowGradient } from "./loss";

/**
 * y = e^(x − max) / Σ e^(x − max) for each row.
 *
 * Requires: y equals x, or the two do not overlap.
 * Numerics: the maximum leaves NaN out; a NaN makes everything in its row NaN, as +∞ does. Sums: element j of the whole
 * fours goes to partial sum j mod 4, these are joined as (0 + 1) + (2 + 3), the last columns mod 4 elements are added one
 * by one. |error| ≤ (|x − max| + columns + 4)·2⁻²⁴·y.
 */
export function softmax_f32(rows: usize, columns: usize, xPtr: usize, yPtr: usize): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  const rowBytes = columns << 2;
  for (; rows; rows--, xPtr += rowBytes, yPtr += rowBytes) {
    const sum = sumOfExponentials(xPtr, columns, maximum(xPtr, columns), yPtr);
    rowGradient(yPtr, columns, sum, 0, 1, 1); // e / sum · 1 − 0, which is e / sum
  }
}

/** dx = y·(dy − Σ dy·y) for each row, from y = softmax(x); dx may be dy or y. Sums as those of `softmax_f32`. */
export function softmax_backward_f32(rows: usize, columns: usize, yPtr: usize, dyPtr: usize, dxPtr: usize): void {
  assert(!((yPtr | dyPtr | dxPtr) & 3), "operands are 4-byte aligned");
  for (; rows; rows--) {
    const end = yPtr + (columns << 2);
    const whole = end - ((columns & 3) << 2);
    let sums = f32x4.splat(0);
    const dy = dyPtr - yPtr, dx = dxPtr - yPtr;
    let y = yPtr;
    for (; y != whole; y += 16) sums = f32x4.add(sums, f32x4.mul(v128.load(y + dy), v128.load(y)));
    let sum = sumOfLanes(sums);
    for (; y != end; y += 4) sum += load<f32>(y + dy) * load<f32>(y);
    for (; yPtr != end; yPtr += 4) store<f32>(yPtr + dx, load<f32>(yPtr) * (load<f32>(yPtr + dy) - sum));
    dyPtr = end + dy;
    dxPtr = end + dx;
  }
}
