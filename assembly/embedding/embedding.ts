import { copy_rows_f32 } from "../reduce/copy";
import { splat } from "../simd";

/** Index number `i` of a list of float32 or int32; −1 if it is no integer from 0 to rows − 1. */
// @ts-ignore: decorator
@inline function indexAt(indices: usize, i: usize, areIntegers: bool, rows: usize): isize {
  const at = indices + (i << 2);
  if (areIntegers) {
    const index = load<i32>(at);
    return index >= 0 && <usize>index < rows ? <isize>index : -1;
  }
  const value = load<f32>(at);
  if (!(value >= 0 && value < 2147483648)) return -1;
  const index = <u32>value;
  return <f32>index == value && <usize>index < rows ? <isize>index : -1;
}

/** y += x */
function addRow(columns: usize, x: usize, y: usize): void {
  for (; columns >= 8; columns -= 8, x += 32, y += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    v128.store(y, f32x4.add(y0, x0));
    v128.store(y, f32x4.add(y1, x1), 16);
  }
  for (; columns; columns--, x += 4, y += 4) store<f32>(y, load<f32>(y) + load<f32>(x));
}

function fillNaN(count: usize, y: usize): void {
  for (; count >= 4; count -= 4, y += 16) v128.store(y, splat<v128>(NaN));
  for (; count; count--, y += 4) store<f32>(y, NaN);
}

/** The position of the first index that is no integer from 0 to rows − 1; −1 if there is none. */
export function check_indices(count: usize, rows: usize, indicesPtr: usize, areIntegers: bool): i32 {
  for (let i: usize = 0; i < count; i++) if (indexAt(indicesPtr, i, areIntegers, rows) < 0) return <i32>i;
  return -1;
}

/**
 * y[o, i, c] = x[o, index[i], c] for x [outer, rows, inner] and y [outer, count, inner]. The indices are int32 if
 * `areIntegers`, else float32; `yStride` elements are between y[o] and y[o + 1]: count·inner, or more. Every bit pattern is kept; an index that is no integer from 0 to rows − 1 gives NaN.
 *
 * Requires: y overlaps neither x nor the indices.
 */
export function gather_f32(
  outer: usize, count: usize, inner: usize, rows: usize, indicesPtr: usize, areIntegers: bool, xPtr: usize, yPtr: usize,
  yStride: usize,
): void {
  assert(!((indicesPtr | xPtr | yPtr) & 3), "operands are 4-byte aligned");
  const run = inner << 2;
  for (; outer; outer--, xPtr += rows * run, yPtr += yStride << 2) {
    let y = yPtr;
    for (let i: usize = 0; i < count; i++, y += run) {
      const index = indexAt(indicesPtr, i, areIntegers, rows);
      if (index < 0) fillNaN(inner, y);
      else copy_rows_f32(1, inner, xPtr + <usize>index * run, inner, y, inner);
    }
  }
}

/**
 * y[index[i], j] += x[i, j] for x [count, columns] and y [rows, columns], rows `stride` elements apart in both; y is set
 * to +0 first unless `accumulate`. An index that is no integer from 0 to rows − 1 is skipped.
 *
 * Requires: y overlaps neither x nor the indices.
 * Numerics: a row of y adds the rows of x in ascending i.
 */
export function scatter_add_f32(
  count: usize, columns: usize, rows: usize, stride: usize, indicesPtr: usize, areIntegers: bool, accumulate: bool,
  xPtr: usize, yPtr: usize,
): void {
  assert(!((indicesPtr | xPtr | yPtr) & 3), "operands are 4-byte aligned");
  assert(stride >= columns, "the stride has room for a row");
  if (!accumulate) {
    const whole = stride == columns;
    const bytes = (whole ? rows * columns : columns) << 2;
    let y = yPtr;
    for (let row = whole ? min<usize>(rows, 1) : rows; row; row--, y += stride << 2) memory.fill(y, 0, bytes);
  }
  for (let i: usize = 0; i < count; i++, xPtr += stride << 2) {
    const index = indexAt(indicesPtr, i, areIntegers, rows);
    if (index >= 0) addRow(columns, xPtr, yPtr + <usize>index * (stride << 2));
  }
}

/**
 * The rows that a list of indices touches: writes each index once, as int32, in the order of its first appearance, to
 * `touchedPtr` [count], and the sum of its rows of x [count, columns] to the same row of `sumsPtr` [count, columns].
 * Returns how many there are. An index that is no integer from 0 to rows − 1 is skipped.
 *
 * Memory: `scratchPtr` has 4·rows bytes, which may contain anything: the place of an index in `touched` is read there,
 * and counts only if that place has been written and contains the index.
 * Requires: nothing overlaps.
 * Numerics: a row of sums adds the rows of x in ascending i.
 * Source: the sparse set of Briggs & Torczon (ACM Letters on Programming Languages and Systems 2, 1993).
 */
export function collect_rows_f32(
  count: usize, columns: usize, rows: usize, indicesPtr: usize, areIntegers: bool,
  xPtr: usize, touchedPtr: usize, sumsPtr: usize, scratchPtr: usize,
): u32 {
  assert(!((indicesPtr | xPtr | touchedPtr | sumsPtr | scratchPtr) & 3), "operands are 4-byte aligned");
  const rowBytes = columns << 2;
  let touched: usize = 0;
  for (let i: usize = 0; i < count; i++, xPtr += rowBytes) {
    const index = indexAt(indicesPtr, i, areIntegers, rows);
    if (index < 0) continue;
    const place = scratchPtr + (<usize>index << 2);
    const known = <usize>load<u32>(place);
    if (known < touched && load<u32>(touchedPtr + (known << 2)) == <u32>index) {
      addRow(columns, xPtr, sumsPtr + known * rowBytes);
      continue;
    }
    store<u32>(place, <u32>touched);
    store<u32>(touchedPtr + (touched << 2), <u32>index);
    copy_rows_f32(1, columns, xPtr, columns, sumsPtr + touched * rowBytes, columns);
    touched++;
  }
  return <u32>touched;
}
