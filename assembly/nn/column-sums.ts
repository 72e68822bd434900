import { add, loadLanes, splat, storeLanes } from "../simd";

/**
 * Sums of `width` neighbouring Ts over all rows, `rowBytes` apart. `width` is a constant, 1, 2 or 8, so that the sums
 * stay in registers; for T = f32 it is 1.
 */
// @ts-ignore: decorator
@inline function stripe<T>(width: i32, rows: usize, rowBytes: usize, x: usize, out: usize): void {
  let s0 = splat<T>(0);
  let s1 = f32x4.splat(0), s2 = s1, s3 = s1, s4 = s1, s5 = s1, s6 = s1, s7 = s1;
  for (; rows > 0; rows--, x += rowBytes) {
    s0 = add<T>(s0, loadLanes<T>(x));
    if (width > 1) s1 = f32x4.add(s1, v128.load(x, 16));
    if (width > 2) {
      s2 = f32x4.add(s2, v128.load(x, 32));
      s3 = f32x4.add(s3, v128.load(x, 48));
      s4 = f32x4.add(s4, v128.load(x, 64));
      s5 = f32x4.add(s5, v128.load(x, 80));
      s6 = f32x4.add(s6, v128.load(x, 96));
      s7 = f32x4.add(s7, v128.load(x, 112));
    }
  }
  storeLanes<T>(out, s0);
  if (width > 1) v128.store(out, s1, 16);
  if (width > 2) {
    v128.store(out, s2, 32);
    v128.store(out, s3, 48);
    v128.store(out, s4, 64);
    v128.store(out, s5, 80);
    v128.store(out, s6, 96);
    v128.store(out, s7, 112);
  }
}

/**
 * out[j] = x[0, j] + x[1, j] + …: the gradient of a bias.
 *
 * Registers: 8 sums of 4 columns; x is read once and `out` only written.
 * Requires: `out` does not overlap x.
 * Remainder: stripes of 32 columns, then of 8, 4 and 1.
 * Numerics: each column starts at +0 and adds its rows in ascending order; no rows give +0.
 */
export function column_sums_f32(rows: usize, columns: usize, xPtr: usize, outPtr: usize): void {
  const rowBytes = columns << 2;
  const end = xPtr + rowBytes;
  for (; xPtr + 128 <= end; xPtr += 128, outPtr += 128) stripe<v128>(8, rows, rowBytes, xPtr, outPtr);
  for (; xPtr + 32 <= end; xPtr += 32, outPtr += 32) stripe<v128>(2, rows, rowBytes, xPtr, outPtr);
  for (; xPtr + 16 <= end; xPtr += 16, outPtr += 16) stripe<v128>(1, rows, rowBytes, xPtr, outPtr);
  for (; xPtr < end; xPtr += 4, outPtr += 4) stripe<f32>(1, rows, rowBytes, xPtr, outPtr);
}
