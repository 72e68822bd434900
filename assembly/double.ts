// Lanes of float64, and eˣ in them. A formula is written once over `T`: v128 (two lanes) or f64. What is computed so and
// rounded to float32 once is the nearest float32, but for one value in some thousand.

/** The last two lanes in float64. */
// @ts-ignore: decorator
@inline export function promoteHigh(x: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 1));
}

/** Two pairs of float64, rounded to four float32. */
// @ts-ignore: decorator
@inline export function demote(low: v128, high: v128): v128 {
  return i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

// @ts-ignore: decorator
@inline export function splatD<T>(x: f64): T {
  if (isVector<T>()) return f64x2.splat(x);
  else return x;
}

// @ts-ignore: decorator
@inline export function addD<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.add(a, b);
  else return a + b;
}

// @ts-ignore: decorator
@inline export function subD<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.sub(a, b);
  else return a - b;
}

// @ts-ignore: decorator
@inline export function mulD<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.mul(a, b);
  else return a * b;
}

// @ts-ignore: decorator
@inline export function divD<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.div(a, b);
  else return a / b;
}

// @ts-ignore: decorator
@inline export function absD<T>(a: T): T {
  if (isVector<T>()) return f64x2.abs(a);
  else return Math.abs(a);
}

/** `b < a ? b : a`: a NaN in `a` stays NaN. */
// @ts-ignore: decorator
@inline export function pminD<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.pmin(a, b);
  else return b < a ? b : a;
}

/** `a < b ? b : a`: a NaN in `a` stays NaN. */
// @ts-ignore: decorator
@inline export function pmaxD<T>(a: T, b: T): T {
  if (isVector<T>()) return f64x2.pmax(a, b);
  else return a < b ? b : a;
}

/** `a < b ? x : y`; a NaN in `a` or `b` gives `y`. */
// @ts-ignore: decorator
@inline export function whereLessD<T>(a: T, b: T, x: T, y: T): T {
  if (isVector<T>()) return v128.bitselect(x, y, f64x2.lt(a, b));
  else return a < b ? x : y;
}

/** c + x·y */
// @ts-ignore: decorator
@inline export function mulAddD<T>(c: f64, x: T, y: T): T {
  return addD<T>(splatD<T>(c), mulD<T>(x, y));
}

/** 1.5·2⁵²: its neighbors are one apart, so adding it rounds to an integer, which is then in the low bits. */
const ROUND: f64 = 6755399441055744;
const LOG2_E: f64 = 1.4426950408889634;
/** ln 2 in two parts: n·LN2_HI is exact for every |n| < 2²¹. */
const LN2_HI: f64 = 0.6931471803691238;
const LN2_LO: f64 = 1.9082149292705877e-10;

/** 2ⁿ from a float64 whose low bits are n, −1023 < n < 1024. */
// @ts-ignore: decorator
@inline function powerOfTwo<T>(rounded: T): T {
  if (isVector<T>()) return i64x2.add(i64x2.shl(rounded, 52), f64x2.splat(1));
  else return reinterpret<f64>((reinterpret<i64>(rounded) << 52) + reinterpret<i64>(<f64>1));
}

/** e^r − 1 for |r| ≤ ½·ln 2, with an absolute error of 2⁻⁵⁶, or of 2⁻³² unless `precise`, which is a constant. */
// @ts-ignore: decorator
@inline function expm1Reduced<T>(precise: bool, r: T): T {
  let p: T;
  if (precise) {
    p = mulAddD<T>(2.7620088445409746e-07, r, splatD<T>(2.510038549551032e-08));
    p = mulAddD<T>(2.7557268459997064e-06, r, p);
    p = mulAddD<T>(2.4801521295954376e-05, r, p);
    p = mulAddD<T>(0.00019841269863053618, r, p);
    p = mulAddD<T>(0.0013888888917213717, r, p);
    p = mulAddD<T>(0.008333333333330062, r, p);
    p = mulAddD<T>(0.04166666666662413, r, p);
    p = mulAddD<T>(0.16666666666666669, r, p);
    p = mulAddD<T>(0.5000000000000001, r, p);
  } else {
    p = mulAddD<T>(0.0013933649996309251, r, splatD<T>(0.00019890990824673654));
    p = mulAddD<T>(0.0083333109254809, r, p);
    p = mulAddD<T>(0.041666464925285904, r, p);
    p = mulAddD<T>(0.16666666681623232, r, p);
    p = mulAddD<T>(0.500000001346581, r, p);
  }
  return addD<T>(r, mulD<T>(mulD<T>(r, r), p));
}

/** x·log₂ e, rounded to an integer that is in the low bits. */
// @ts-ignore: decorator
@inline function roundedLog2<T>(x: T): T {
  return mulAddD<T>(ROUND, x, splatD<T>(LOG2_E));
}

// @ts-ignore: decorator
@inline function reduced<T>(x: T, rounded: T): T {
  const n = subD<T>(rounded, splatD<T>(ROUND));
  return subD<T>(subD<T>(x, mulD<T>(n, splatD<T>(LN2_HI))), mulD<T>(n, splatD<T>(LN2_LO)));
}

/**
 * eˣ for −700 ≤ x ≤ 700, with a relative error of 2⁻³², which is 2⁻⁸ ulp of float32; NaN stays NaN. With `precise` of
 * 2⁻⁵², for results that what follows may cancel.
 */
// @ts-ignore: decorator
@inline export function expD<T>(precise: bool, x: T): T {
  const rounded = roundedLog2<T>(x);
  const tail = expm1Reduced<T>(precise, reduced<T>(x, rounded));
  return mulD<T>(addD<T>(splatD<T>(1), tail), powerOfTwo<T>(rounded));
}

/** eˣ − 1 for −700 ≤ x ≤ 700; its relative error is 2⁻³¹, near 0 too. */
// @ts-ignore: decorator
@inline export function expm1D<T>(x: T): T {
  const rounded = roundedLog2<T>(x);
  const power = powerOfTwo<T>(rounded);
  return addD<T>(subD<T>(power, splatD<T>(1)), mulD<T>(power, expm1Reduced<T>(false, reduced<T>(x, rounded))));
}
