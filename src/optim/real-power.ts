// Powers with real exponents in float64, of IEEE operations alone: Math.exp and Math.pow differ between engines.

import { power } from "./bias-correction.js";

/** ln 2 in two parts, the first of which has 32 bits: its products with small integers are exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** e^x of anything less is 0, of anything more ∞. */
const LEAST = -745;
const GREATEST = 709;

/** e^x with a relative error below 4e-16, and 0 below 2^-1022. */
export function exponential(x: number): number {
  if (x < LEAST) return 0;
  if (x > GREATEST) return Number.POSITIVE_INFINITY;
  const k = Math.round(x / (LN2_HIGH + LN2_LOW));
  const r = x - k * LN2_HIGH - k * LN2_LOW; // |r| <= 0.35, where the series ends below 1e-17
  let sum = 1;
  for (let n = 14; n > 0; n--) sum = 1 + (sum * r) / n;
  return k < 0 ? sum / power(2, -k) : sum * power(2, k);
}

/** ln x of a finite x >= 1, with a relative error below 4e-16. */
export function logarithm(x: number): number {
  let m = x;
  let e = 0;
  for (; m > Math.SQRT2; e++) m /= 2;
  const s = (m - 1) / (m + 1); // |s| <= 0.172: ln m = 2·(s + s³/3 + s⁵/5 + …)
  let sum = 0;
  for (let n = 23; n > 1; n -= 2) sum = (sum + 1 / n) * s * s;
  return e * LN2_HIGH + (e * LN2_LOW + 2 * (s + s * sum));
}
