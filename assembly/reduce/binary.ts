import { add, loadLanes, mul, splat, storeLanes, sub } from "../simd";

const enum Binary {
  Add,
  Subtract,
  Multiply,
}

// @ts-ignore: decorator
@inline function apply<T>(operation: i32, a: T, b: T): T {
  if (operation == Binary.Add) return add<T>(a, b);
  if (operation == Binary.Subtract) return sub<T>(a, b);
  return mul<T>(a, b);
}

/** y = a ∘ b for `count` elements; `operation` is a constant of each call. */
// @ts-ignore: decorator
@inline function combine(operation: i32, count: usize, a: usize, b: usize, y: usize): void {
  for (; count >= 8; count -= 8, a += 32, b += 32, y += 32) {
    const a0 = v128.load(a);
    const a1 = v128.load(a, 16);
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    v128.store(y, apply<v128>(operation, a0, b0));
    v128.store(y, apply<v128>(operation, a1, b1), 16);
  }
  for (; count; count--, a += 4, b += 4, y += 4) {
    storeLanes<f32>(y, apply<f32>(operation, loadLanes<f32>(a), loadLanes<f32>(b)));
  }
}

// @ts-ignore: decorator
@inline function combineRows(
  operation: i32, rows: usize, columns: usize, a: usize, aStride: usize, b: usize, bStride: usize, y: usize, yStride: usize,
): void {
  for (; rows; rows--) {
    combine(operation, columns, a, b, y);
    a += aStride << 2;
    b += bStride << 2;
    y += yStride << 2;
  }
}

/** y = a + b. Requires: `yPtr` equals `aPtr` or `bPtr`, or overlaps neither. */
export function add_f32(count: usize, aPtr: usize, bPtr: usize, yPtr: usize): void {
  assert(!((aPtr | bPtr | yPtr) & 3), "operands are 4-byte aligned");
  combine(Binary.Add, count, aPtr, bPtr, yPtr);
}

/**
 * y[i, j] = a[i, j] + b[i, j] for rows that are `aStride`, `bStride` and `yStride` elements apart; with a stride of 0 all
 * rows of a, or of b, are one and the same.
 *
 * Requires (as the two below): `yPtr` and its stride equal those of a or b, or y overlaps neither.
 */
export function add_rows_f32(
  rows: usize, columns: usize, aPtr: usize, aStride: usize, bPtr: usize, bStride: usize, yPtr: usize, yStride: usize,
): void {
  assert(!((aPtr | bPtr | yPtr) & 3), "operands are 4-byte aligned");
  combineRows(Binary.Add, rows, columns, aPtr, aStride, bPtr, bStride, yPtr, yStride);
}

/** y[i, j] = a[i, j] − b[i, j]; see `add_rows_f32`. */
export function subtract_rows_f32(
  rows: usize, columns: usize, aPtr: usize, aStride: usize, bPtr: usize, bStride: usize, yPtr: usize, yStride: usize,
): void {
  assert(!((aPtr | bPtr | yPtr) & 3), "operands are 4-byte aligned");
  combineRows(Binary.Subtract, rows, columns, aPtr, aStride, bPtr, bStride, yPtr, yStride);
}

/** y[i, j] = a[i, j] · b[i, j]; see `add_rows_f32`. */
export function multiply_rows_f32(
  rows: usize, columns: usize, aPtr: usize, aStride: usize, bPtr: usize, bStride: usize, yPtr: usize, yStride: usize,
): void {
  assert(!((aPtr | bPtr | yPtr) & 3), "operands are 4-byte aligned");
  combineRows(Binary.Multiply, rows, columns, aPtr, aStride, bPtr, bStride, yPtr, yStride);
}

/** y = factor · x. Requires: `yPtr` equals `xPtr`, or the two do not overlap. */
export function scale_f32(count: usize, factor: f32, xPtr: usize, yPtr: usize): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  const factors = splat<v128>(factor);
  for (; count >= 8; count -= 8, xPtr += 32, yPtr += 32) {
    const x0 = v128.load(xPtr);
    const x1 = v128.load(xPtr, 16);
    v128.store(yPtr, f32x4.mul(x0, factors));
    v128.store(yPtr, f32x4.mul(x1, factors), 16);
  }
  for (; count; count--, xPtr += 4, yPtr += 4) store<f32>(yPtr, load<f32>(xPtr) * factor);
}
