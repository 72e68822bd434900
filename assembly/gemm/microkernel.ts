import { add, madd, pmax } from "../simd";

/**
 * One register tile: `mr` (1 or 4) rows × `nv` (1 or 2) vectors of columns, over `k` >= 0 steps; both are constants.
 * tile = max(start + A·B + bias, floor).
 *
 * Registers: mr·nv sums, nv vectors of B, one splatted A, one product: 4 × 8 takes 12 of the 15 that V8 leaves.
 * Memory: step p of A is at `a + p·aStep`, its rows at offsets 0, a1, a2, a3 (4, 8, 12 as constants for a packed
 * panel); step p of B is 4·nv neighbours at `b + p·bStep`. All in bytes.
 * Requires: the tile does not overlap A or B.
 * Touches: writes the tile at `c`, reads the one at `start` and 4·nv elements of `bias`.
 * Numerics: a sum adds its products to `start` in ascending p, then bias. Adding −0 and a floor of −∞ change nothing,
 * not even the sign of a zero: that is how a block that is not the last is computed, without a branch.
 * Every load stands before every store, and no branch between: so V8 can pair neighbouring vectors.
 */
// @ts-ignore: decorator
@inline export function microkernel(
  mr: i32, nv: i32, k: usize,
  a: usize, a1: usize, a2: usize, a3: usize, aStep: usize, b: usize, bStep: usize,
  start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  let s00 = v128.load(start), s01 = nv > 1 ? v128.load(start, 16) : s00;
  let s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  if (mr > 1) {
    start += startRow;
    s10 = v128.load(start);
    if (nv > 1) s11 = v128.load(start, 16);
    start += startRow;
    s20 = v128.load(start);
    if (nv > 1) s21 = v128.load(start, 16);
    start += startRow;
    s30 = v128.load(start);
    if (nv > 1) s31 = v128.load(start, 16);
  }
  const end = b + k * bStep;
  while (b != end) {
    const b0 = v128.load(b);
    const b1 = nv > 1 ? v128.load(b, 16) : b0;
    let x = v128.load_splat<f32>(a);
    s00 = madd(x, b0, s00);
    if (nv > 1) s01 = madd(x, b1, s01);
    if (mr > 1) {
      x = a1 == 4 ? v128.load_splat<f32>(a, 4) : v128.load_splat<f32>(a + a1);
      s10 = madd(x, b0, s10);
      if (nv > 1) s11 = madd(x, b1, s11);
      x = a1 == 4 ? v128.load_splat<f32>(a, 8) : v128.load_splat<f32>(a + a2);
      s20 = madd(x, b0, s20);
      if (nv > 1) s21 = madd(x, b1, s21);
      x = a1 == 4 ? v128.load_splat<f32>(a, 12) : v128.load_splat<f32>(a + a3);
      s30 = madd(x, b0, s30);
      if (nv > 1) s31 = madd(x, b1, s31);
    }
    a += aStep;
    b += bStep;
  }
  const low = f32x4.splat(floor);
  const bias0 = v128.load(bias);
  const bias1 = nv > 1 ? v128.load(bias, 16) : bias0;
  v128.store(c, pmax(add(s00, bias0), low));
  if (nv > 1) v128.store(c, pmax(add(s01, bias1), low), 16);
  if (mr > 1) {
    c += cRow;
    v128.store(c, pmax(add(s10, bias0), low));
    if (nv > 1) v128.store(c, pmax(add(s11, bias1), low), 16);
    c += cRow;
    v128.store(c, pmax(add(s20, bias0), low));
    if (nv > 1) v128.store(c, pmax(add(s21, bias1), low), 16);
    c += cRow;
    v128.store(c, pmax(add(s30, bias0), low));
    if (nv > 1) v128.store(c, pmax(add(s31, bias1), low), 16);
  }
}
