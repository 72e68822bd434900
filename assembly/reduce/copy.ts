/** Rows of fewer elements are copied by loads and stores: a bulk copy's call costs more. */
const SHORT: usize = 32;

/**
 * Copies `rows` rows of `columns` elements, `srcStride` and `dstStride` elements apart. Every bit pattern is kept.
 *
 * Requires: source and destination do not overlap.
 */
export function copy_rows_f32(
  rows: usize, columns: usize, srcPtr: usize, srcStride: usize, dstPtr: usize, dstStride: usize,
): void {
  assert(!((srcPtr | dstPtr) & 3), "operands are 4-byte aligned");
  if (srcStride == columns && dstStride == columns) {
    columns *= rows;
    rows = rows ? 1 : 0;
  }
  for (; rows; rows--, srcPtr += srcStride << 2, dstPtr += dstStride << 2) {
    if (columns >= SHORT) {
      memory.copy(dstPtr, srcPtr, columns << 2);
      continue;
    }
    let src = srcPtr;
    let dst = dstPtr;
    let count = columns;
    for (; count >= 4; count -= 4, src += 16, dst += 16) v128.store(dst, v128.load(src));
    for (; count; count--, src += 4, dst += 4) store<u32>(dst, load<u32>(src));
  }
}

/** Four rows of four elements each, `srcRow` bytes apart, as four columns: rows `dstRow` bytes apart. */
// @ts-ignore: decorator
@inline function transpose4x4(src: usize, srcRow: usize, dst: usize, dstRow: usize): void {
  const r0 = v128.load(src);
  const r1 = v128.load(src + srcRow);
  const r2 = v128.load(src + srcRow * 2);
  const r3 = v128.load(src + srcRow * 3);
  const low01 = i32x4.shuffle(r0, r1, 0, 4, 1, 5);
  const low23 = i32x4.shuffle(r2, r3, 0, 4, 1, 5);
  const high01 = i32x4.shuffle(r0, r1, 2, 6, 3, 7);
  const high23 = i32x4.shuffle(r2, r3, 2, 6, 3, 7);
  v128.store(dst, i64x2.shuffle(low01, low23, 0, 2));
  v128.store(dst + dstRow, i64x2.shuffle(low01, low23, 1, 3));
  v128.store(dst + dstRow * 2, i64x2.shuffle(high01, high23, 0, 2));
  v128.store(dst + dstRow * 3, i64x2.shuffle(high01, high23, 1, 3));
}

/**
 * y[b, j, i, c] = x[b, i, j, c] for x [batch, rows, columns, inner]: two neighboring axes change places. A permutation
 * of more axes is a few of these. Every bit pattern is kept.
 *
 * Requires: x and y do not overlap.
 * Remainder: with inner = 1 tiles of 4 × 4, the last rows and columns one by one; else `inner` elements at a time.
 */
export function transpose_f32(
  batch: usize, rows: usize, columns: usize, inner: usize, xPtr: usize, yPtr: usize,
): void {
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  const size = (rows * columns * inner) << 2;
  const run = inner << 2;
  for (; batch; batch--, xPtr += size, yPtr += size) {
    if (inner != 1) {
      for (let i: usize = 0; i < rows; i++) {
        copy_rows_f32(columns, inner, xPtr + i * columns * run, inner, yPtr + i * run, rows * inner);
      }
      continue;
    }
    const xRow = columns << 2;
    const yRow = rows << 2;
    let i: usize = 0;
    for (; i + 4 <= rows; i += 4) {
      const x = xPtr + i * xRow;
      const y = yPtr + (i << 2);
      let j: usize = 0;
      for (; j + 4 <= columns; j += 4) transpose4x4(x + (j << 2), xRow, y + j * yRow, yRow);
      for (; j < columns; j++) {
        for (let k: usize = 0; k < 4; k++) store<u32>(y + j * yRow + (k << 2), load<u32>(x + k * xRow + (j << 2)));
      }
    }
    for (; i < rows; i++) {
      for (let j: usize = 0; j < columns; j++) {
        store<u32>(yPtr + j * yRow + (i << 2), load<u32>(xPtr + i * xRow + (j << 2)));
      }
    }
  }
}
