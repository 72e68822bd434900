/**
 * Adds a leaf to the sums of earlier leaves, as a binary counter carries: y = s[kₙ] + ( … + (s[k₁] + (s[k₀] + leaf))),
 * where k₀ < k₁ < … are the bits of `levels` and s[k] begins `stride` elements after s[k − 1]. With as many sums as the
 * leaf's index has ones at its end this is the order of a binary tree over the leaves. Without levels y is the leaf.
 *
 * Memory: s[k] is the sum of 2ᵏ leaves. Each element is read once from each sum, whatever their number.
 * Requires: y is the leaf, one of the sums that are read, or overlaps none of them.
 * Numerics: one rounding an addition.
 * Source: the running pairwise sum of Higham, "The accuracy of floating point summation" (SIAM J. Sci. Comput. 14, 1993).
 */
export function tree_add_f32(
  count: usize, levels: u32, stride: usize, leafPtr: usize, sumsPtr: usize, yPtr: usize,
): void {
  assert(!((leafPtr | sumsPtr | yPtr) & 3), "operands are 4-byte aligned");
  const step = stride << 2;
  for (; count >= 8; count -= 8, leafPtr += 32, sumsPtr += 32, yPtr += 32) {
    let v0 = v128.load(leafPtr);
    let v1 = v128.load(leafPtr, 16);
    for (let left = levels, s = sumsPtr; left; left >>= 1, s += step) {
      if (!(left & 1)) continue;
      v0 = f32x4.add(v128.load(s), v0);
      v1 = f32x4.add(v128.load(s, 16), v1);
    }
    v128.store(yPtr, v0);
    v128.store(yPtr, v1, 16);
  }
  for (; count; count--, leafPtr += 4, sumsPtr += 4, yPtr += 4) {
    let v = load<f32>(leafPtr);
    for (let left = levels, s = sumsPtr; left; left >>= 1, s += step) if (left & 1) v = load<f32>(s) + v;
    store<f32>(yPtr, v);
  }
}
