/** A bijection of the 32-bit integers: mixes `x`, and after the first round `key`. `T` is v128 (i32x4) or i32. */
// @ts-ignore: decorator
@inline function mix<T>(x: T, key: T): T {
  x = multiply<T>(xorShift<T>(x, 17), 0xed5ad4bb);
  x = xorShift<T>(x, 11);
  if (isVector<T>()) x = i32x4.add(x, key);
  else x += key;
  x = multiply<T>(x, 0xac4c1b51);
  x = multiply<T>(xorShift<T>(x, 15), 0x31848bab);
  return xorShift<T>(x, 14);
}

// @ts-ignore: decorator
@inline function xorShift<T>(x: T, distance: i32): T {
  if (isVector<T>()) return v128.xor(x, i32x4.shr_u(x, distance));
  else return x ^ (x >>> distance);
}

// @ts-ignore: decorator
@inline function multiply<T>(x: T, factor: i32): T {
  if (isVector<T>()) return i32x4.mul(x, i32x4.splat(factor));
  else return x * factor;
}

// @ts-ignore: decorator
@inline function keep(x: v128, index: v128, key: v128, threshold: v128, scale: v128): v128 {
  return v128.and(f32x4.mul(x, scale), i32x4.ge_u(mix<v128>(index, key), threshold));
}

/**
 * y[i] = x[i] · scale where hash(seed, i) ≥ threshold (unsigned), else +0. The same call on dy is the backward pass.
 *
 * Requires: `yPtr` equals `xPtr`, or the two do not overlap.
 * Numerics: a dropped NaN or ∞ gives +0; the share of kept elements is 1 − threshold / 2³².
 * Source: shifts and factors are those of triple32 (C. Wellons, hash-prospector, 2018). The mixed seed is added after
 * its first round, so that masks of different seeds are no shifted copies of each other.
 */
export function dropout_f32(count: usize, xPtr: usize, yPtr: usize, seed: i32, threshold: u32, scale: f32): void {
  const key = mix<i32>(seed, 0);
  const keys = i32x4.splat(key);
  const thresholds = i32x4.splat(threshold);
  const scales = f32x4.splat(scale);
  let index0 = i32x4(0, 1, 2, 3);
  let index1 = i32x4(4, 5, 6, 7);
  let i: usize = 0;
  for (; i + 8 <= count; i += 8, xPtr += 32, yPtr += 32) {
    const x0 = v128.load(xPtr);
    const x1 = v128.load(xPtr, 16);
    const y0 = keep(x0, index0, keys, thresholds, scales);
    const y1 = keep(x1, index1, keys, thresholds, scales);
    v128.store(yPtr, y0);
    v128.store(yPtr, y1, 16);
    index0 = i32x4.add(index0, i32x4.splat(8));
    index1 = i32x4.add(index1, i32x4.splat(8));
  }
  for (; i < count; i++, xPtr += 4, yPtr += 4) {
    const kept = <u32>mix<i32>(<i32>i, key) >= threshold;
    store<f32>(yPtr, kept ? load<f32>(xPtr) * scale : 0);
  }
}
