import { addProduct, product, repeat } from "../schedule";
import { add, pmax } from "../simd";

/** How a tile finds its rows of A and C: by a stride, or, one by one, in a table. */
export type Strided = f32;
export type Tabled = i32;
/** Bytes of a row in such a table: its address in A and in C. */
export const TABLE_ROW: usize = 8;

/** Bytes from a tile's first row to row `i`; rows that it has not are the last one again. */
// @ts-ignore: decorator
@inline function rowAt(i: usize, last: usize, stride: usize): usize {
  return min(i, last) * stride;
}

/** The same where `rows`, a stride or the address of a word in a table's first row, says how they are found. */
// @ts-ignore: decorator
@inline function placeOf<Rows>(i: usize, last: usize, rows: usize): usize {
  if (isInteger<Rows>()) return <usize>load<u32>(rows + min(i, last) * TABLE_ROW) - <usize>load<u32>(rows);
  else return rowAt(i, last, rows);
}

/** Element `i` of a step of A in all lanes: neighbors in a packed panel, else a row apart. */
// @ts-ignore: decorator
@inline function splatOf(isPacked: bool, i: usize, a: usize, row: usize): v128 {
  if (!isPacked) return v128.load32_splat(a + row);
  // The offset of a load is an immediate.
  if (i == 1) return v128.load32_splat(a, 4);
  if (i == 2) return v128.load32_splat(a, 8);
  if (i == 3) return v128.load32_splat(a, 12);
  if (i == 4) return v128.load32_splat(a, 16);
  return v128.load32_splat(a, 20);
}

/**
 * One register tile: `mr` (4 or 6) rows × `nv` (1, 2 or 4) vectors of columns, over `k` >= 0 steps; mr, nv and `isPacked`
 * are constants. tile = max(start + A·B + bias, floor).
 *
 * Registers: mr·nv sums, nv vectors of B, one splatted A, nv products (none where multiply-add is one instruction, one
 * takes A's place): 4 × 8 takes 12, 6 × 8 fused 15, and 4 × 16 in pairs 12 of the 15 that V8 leaves.
 * Order: a row's products come before its sums, and stay there (docs/decisions/0012-order-of-instructions.md).
 * Memory: step p of A is at `a + p·aStep`, its rows `aRow` apart (neighbors if `isPacked`); step p of B is 4·nv
 * neighbors at `b + p·bStep`. All in bytes. A tile of fewer rows computes and writes row `last` again and again.
 * `Rows` Tabled: `aRow` (unless `isPacked`) and `cRow` are the addresses of the two words in the tile's first row of a
 * table. Unless `segments` is 0, steps come in runs of k, one for each word from there to `segmentsEnd`: its bytes from `a`.
 * Requires: the tile does not overlap A or B.
 * Touches: writes rows 0 … last of the tile at `c`, reads those at `start` and 4·nv elements of `bias`.
 * Numerics: a sum adds its products to `start` in ascending p, then bias. Adding −0 and a floor of −∞ change nothing,
 * not even the sign of a zero: that is how a block that is not the last is computed, without a branch.
 * Wide: every load comes before every store, with no branch between, so V8 can pair neighboring vectors.
 */
// @ts-ignore: decorator
@inline export function microkernel<Rows>(
  mr: usize, nv: usize, isPacked: bool, last: usize, k: usize,
  a: usize, aRow: usize, aStep: usize, segments: usize, segmentsEnd: usize, b: usize, bStep: usize,
  start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  let s00 = v128.load(start);
  let s01 = nv > 1 ? v128.load(start, 16) : s00;
  let s02 = nv > 2 ? v128.load(start, 32) : s00;
  let s03 = nv > 2 ? v128.load(start, 48) : s00;
  let at = start + rowAt(1, last, startRow);
  let s10 = v128.load(at);
  let s11 = nv > 1 ? v128.load(at, 16) : s00;
  let s12 = nv > 2 ? v128.load(at, 32) : s00;
  let s13 = nv > 2 ? v128.load(at, 48) : s00;
  at = start + rowAt(2, last, startRow);
  let s20 = v128.load(at);
  let s21 = nv > 1 ? v128.load(at, 16) : s00;
  let s22 = nv > 2 ? v128.load(at, 32) : s00;
  let s23 = nv > 2 ? v128.load(at, 48) : s00;
  at = start + rowAt(3, last, startRow);
  let s30 = v128.load(at);
  let s31 = nv > 1 ? v128.load(at, 16) : s00;
  let s32 = nv > 2 ? v128.load(at, 32) : s00;
  let s33 = nv > 2 ? v128.load(at, 48) : s00;
  at = start + rowAt(4, last, startRow);
  let s40 = mr > 4 ? v128.load(at) : s00;
  let s41 = mr > 4 && nv > 1 ? v128.load(at, 16) : s00;
  at = start + rowAt(5, last, startRow);
  let s50 = mr > 4 ? v128.load(at) : s00;
  let s51 = mr > 4 && nv > 1 ? v128.load(at, 16) : s00;

  const a1: usize = isPacked ? 0 : placeOf<Rows>(1, last, aRow);
  const a2: usize = isPacked ? 0 : placeOf<Rows>(2, last, aRow);
  const a3: usize = isPacked ? 0 : placeOf<Rows>(3, last, aRow);
  const a4: usize = isPacked ? 0 : placeOf<Rows>(4, last, aRow);
  const a5: usize = isPacked ? 0 : placeOf<Rows>(5, last, aRow);
  if (k) {
    // Addresses grow before they are used: a sum needs no widening to 64 bits, as a loop's variable does.
    a -= aStep;
    b -= bStep;
    const base = a;
    let segment = segments;
    let end = b;
    do {
      if (segments) {
        a = base + load<u32>(segment);
        segment += 4;
      }
      end += k * bStep;
      do {
        if (isPacked) repeat();
        a += aStep;
        b += bStep;
        const b0 = v128.load(b);
        const b1 = nv > 1 ? v128.load(b, 16) : b0;
        const b2 = nv > 2 ? v128.load(b, 32) : b0;
        const b3 = nv > 2 ? v128.load(b, 48) : b0;
        let x = v128.load32_splat(a);
        let p0 = product(x, b0);
        let p1 = nv > 1 ? product(x, b1) : p0;
        let p2 = nv > 2 ? product(x, b2) : p0;
        let p3 = nv > 2 ? product(x, b3) : p0;
        s00 = addProduct(s00, x, p0);
        if (nv > 1) s01 = addProduct(s01, x, p1);
        if (nv > 2) s02 = addProduct(s02, x, p2);
        if (nv > 2) s03 = addProduct(s03, x, p3);
        x = splatOf(isPacked, 1, a, a1);
        p0 = product(x, b0);
        p1 = nv > 1 ? product(x, b1) : p0;
        p2 = nv > 2 ? product(x, b2) : p0;
        p3 = nv > 2 ? product(x, b3) : p0;
        s10 = addProduct(s10, x, p0);
        if (nv > 1) s11 = addProduct(s11, x, p1);
        if (nv > 2) s12 = addProduct(s12, x, p2);
        if (nv > 2) s13 = addProduct(s13, x, p3);
        x = splatOf(isPacked, 2, a, a2);
        p0 = product(x, b0);
        p1 = nv > 1 ? product(x, b1) : p0;
        p2 = nv > 2 ? product(x, b2) : p0;
        p3 = nv > 2 ? product(x, b3) : p0;
        s20 = addProduct(s20, x, p0);
        if (nv > 1) s21 = addProduct(s21, x, p1);
        if (nv > 2) s22 = addProduct(s22, x, p2);
        if (nv > 2) s23 = addProduct(s23, x, p3);
        x = splatOf(isPacked, 3, a, a3);
        p0 = product(x, b0);
        p1 = nv > 1 ? product(x, b1) : p0;
        p2 = nv > 2 ? product(x, b2) : p0;
        p3 = nv > 2 ? product(x, b3) : p0;
        s30 = addProduct(s30, x, p0);
        if (nv > 1) s31 = addProduct(s31, x, p1);
        if (nv > 2) s32 = addProduct(s32, x, p2);
        if (nv > 2) s33 = addProduct(s33, x, p3);
        if (mr > 4) {
          x = splatOf(isPacked, 4, a, a4);
          p0 = product(x, b0);
          p1 = nv > 1 ? product(x, b1) : p0;
          s40 = addProduct(s40, x, p0);
          if (nv > 1) s41 = addProduct(s41, x, p1);
          x = splatOf(isPacked, 5, a, a5);
          p0 = product(x, b0);
          p1 = nv > 1 ? product(x, b1) : p0;
          s50 = addProduct(s50, x, p0);
          if (nv > 1) s51 = addProduct(s51, x, p1);
        }
      } while (b != end);
    } while (segments && segment != segmentsEnd);
  }
  const low = f32x4.splat(floor);
  const bias0 = v128.load(bias);
  const bias1 = nv > 1 ? v128.load(bias, 16) : bias0;
  const bias2 = nv > 2 ? v128.load(bias, 32) : bias0;
  const bias3 = nv > 2 ? v128.load(bias, 48) : bias0;
  storeRow(nv, c, low, s00, bias0, s01, bias1, s02, bias2, s03, bias3);
  storeRow(nv, c + placeOf<Rows>(1, last, cRow), low, s10, bias0, s11, bias1, s12, bias2, s13, bias3);
  storeRow(nv, c + placeOf<Rows>(2, last, cRow), low, s20, bias0, s21, bias1, s22, bias2, s23, bias3);
  storeRow(nv, c + placeOf<Rows>(3, last, cRow), low, s30, bias0, s31, bias1, s32, bias2, s33, bias3);
  if (mr > 4) {
    storeRow(nv, c + placeOf<Rows>(4, last, cRow), low, s40, bias0, s41, bias1, s41, bias1, s41, bias1);
    storeRow(nv, c + placeOf<Rows>(5, last, cRow), low, s50, bias0, s51, bias1, s51, bias1, s51, bias1);
  }
}

// @ts-ignore: decorator
@inline function storeRow(
  nv: usize, c: usize, low: v128,
  s0: v128, bias0: v128, s1: v128, bias1: v128, s2: v128, bias2: v128, s3: v128, bias3: v128,
): void {
  v128.store(c, pmax(add(s0, bias0), low));
  if (nv > 1) v128.store(c, pmax(add(s1, bias1), low), 16);
  if (nv > 2) v128.store(c, pmax(add(s2, bias2), low), 32);
  if (nv > 2) v128.store(c, pmax(add(s3, bias3), low), 48);
}
