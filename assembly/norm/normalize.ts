import { promoteHigh } from "../double";
import { mul, sub } from "../simd";

/** 1 / √(variance + eps) in float64, rounded once. */
// @ts-ignore: decorator
@inline export function reciprocalDeviation(variance: f64, eps: f64): f32 {
  return <f32>(1.0 / Math.sqrt(variance + eps));
}

/** (x − mean)·rstd: two roundings, the same wherever it is computed. */
// @ts-ignore: decorator
@inline export function standardize<T>(x: T, mean: T, rstd: T): T {
  return mul<T>(sub<T>(x, mean), rstd);
}

/** The variance, from the mean of (x − c)² and the mean's distance to c, which is the mean rounded to float32. */
// @ts-ignore: decorator
@inline export function varianceFrom(meanSquare: f64, distance: f64): f64 {
  return max<f64>(meanSquare - distance * distance, 0);
}

/** `sum` plus the squares of the first two lanes. */
// @ts-ignore: decorator
@inline export function addLowSquares(sum: v128, x: v128): v128 {
  const low = f64x2.promote_low_f32x4(x);
  return f64x2.add(sum, f64x2.mul(low, low));
}

/** `sum` plus the squares of the last two lanes. */
// @ts-ignore: decorator
@inline export function addHighSquares(sum: v128, x: v128): v128 {
  const high = promoteHigh(x);
  return f64x2.add(sum, f64x2.mul(high, high));
}

/** `sum` plus the products of the first two lanes. */
// @ts-ignore: decorator
@inline export function addLowProducts(sum: v128, a: v128, b: v128): v128 {
  return f64x2.add(sum, f64x2.mul(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b)));
}

/** `sum` plus the products of the last two lanes. */
// @ts-ignore: decorator
@inline export function addHighProducts(sum: v128, a: v128, b: v128): v128 {
  return f64x2.add(sum, f64x2.mul(promoteHigh(a), promoteHigh(b)));
}
