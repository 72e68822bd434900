// Sums of float32 elements in float64, two at a time.

/** `sum` plus the first two lanes of `x`. */
// @ts-ignore: decorator
@inline export function addLow(sum: v128, x: v128): v128 {
  return f64x2.add(sum, f64x2.promote_low_f32x4(x));
}

/** `sum` plus the last two lanes of `x`. */
// @ts-ignore: decorator
@inline export function addHigh(sum: v128, x: v128): v128 {
  return f64x2.add(sum, f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 1)));
}

/** Eight partial sums, numbered lane after lane, as ((0 + 2) + (4 + 6)) + ((1 + 3) + (5 + 7)). */
// @ts-ignore: decorator
@inline export function joinPartialSums(s0: v128, s1: v128, s2: v128, s3: v128): f64 {
  const s = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}
