// Elementary functions from float32 +, −, ×, ÷, comparisons and integer bit operations alone, so that every engine and
// every processor gives the same bits. `T` is v128 or f32. The ULP errors are maxima over all 2³² inputs
// (tests/slow/math.test.ts). All polynomials are minimax fits of our own (Remez exchange, coefficients rounded to
// float32); the decimals are exact float32 values, the same as in src/backend/js/math.ts.

import {
  abs, add, addBits, andBits, div, floatFromBits, mul, neg, orBits, pmax, pmin, shiftLeftBits, shiftRightBits, splat,
  splatBits, sub, subBits, whereLess, xorBits,
} from "./simd";

/** ln 2 in two parts, after Cody & Waite: n·LN2_HI is exact for every |n| < 2¹⁴, LN2_LO is the rest. */
const LN2_HI: f32 = 0.693359375;
const LN2_LO: f32 = -0.00021219444170128554;
/** ln 2 in one part: it happens to need 21 bits only, so n·LN2 is exact for every n < 8. */
const LN2: f32 = 0.6931471824645996;
const LOG2_E: f32 = 1.4426950216293335;
/** 1.5·2²³: its neighbors are one apart, so adding it rounds to an integer, which then lies in the low bits. */
const ROUND: f32 = 12582912;
const SQRT_HALF_BITS: i32 = 0x3f3504f3;

/** c0 + c1·x + … + c4·x⁴ from x and x² by Estrin's scheme: Horner's operations with two thirds of its latency. */
// @ts-ignore: decorator
@inline function polynomial<T>(x: T, x2: T, c0: f32, c1: f32, c2: f32, c3: f32, c4: f32): T {
  const low = add<T>(splat<T>(c0), mul<T>(splat<T>(c1), x));
  const high = add<T>(splat<T>(c2), mul<T>(splat<T>(c3), x));
  return add<T>(low, mul<T>(x2, add<T>(high, mul<T>(splat<T>(c4), x2))));
}

/** n + ROUND for the multiple n·ln 2 next to `x`; |n| ≤ 2²¹. */
// @ts-ignore: decorator
@inline function roundedLog2<T>(x: T): T {
  return add<T>(mul<T>(x, splat<T>(LOG2_E)), splat<T>(ROUND));
}

/** 2ⁿ from bits that end in n, −127 < n < 128: the shift drops everything above the exponent. */
// @ts-ignore: decorator
@inline function powerOfTwo<T>(bits: T): T {
  return addBits<T>(shiftLeftBits<T>(bits, 23), splat<T>(1));
}

/** e^r − 1 − r for |r| ≤ ½·ln 2 as r²·P(r), with a relative error of 2⁻²⁸ in e^r. */
// @ts-ignore: decorator
@inline function expTail<T>(r: T): T {
  const r2 = mul<T>(r, r);
  const p = polynomial<T>(
    r, r2, 0.4999999403953552, 0.1666651964187622, 0.041668400168418884, 0.00836885068565607, 0.0013814319390803576,
  );
  return mul<T>(r2, p);
}

/** e^r − 1 for r = x − n·ln 2, |r| ≤ ½·ln 2. r stays in two parts until the last addition: that saves a quarter ULP. */
// @ts-ignore: decorator
@inline function expm1Reduced<T>(x: T, n: T): T {
  const high = sub<T>(x, mul<T>(n, splat<T>(LN2_HI)));
  const low = mul<T>(n, splat<T>(LN2_LO));
  return add<T>(high, sub<T>(expTail<T>(sub<T>(high, low)), low));
}

/**
 * eˣ. ULP error: 0.913. Overflows to ∞ above 88.72283, subnormal below −87.33654, 0 below −103.97208; NaN stays NaN.
 * Method: x = n·ln 2 + r, eˣ = 2ⁿ·e^r; 2ⁿ in two factors, so that a subnormal result is rounded once more and no more.
 * Source: the reduction is Cody & Waite's (Software Manual for the Elementary Functions, 1980).
 */
// @ts-ignore: decorator
@inline export function exp<T>(x: T): T {
  x = pmin<T>(pmax<T>(x, splat<T>(-104)), splat<T>(89));
  const rounded = roundedLog2<T>(x);
  const y = add<T>(splat<T>(1), expm1Reduced<T>(x, sub<T>(rounded, splat<T>(ROUND))));
  const half = shiftRightBits<T>(rounded, 1);
  return mul<T>(mul<T>(y, powerOfTwo<T>(half)), powerOfTwo<T>(subBits<T>(rounded, half)));
}

/**
 * log(1 + f) + tail for √½ − 1 ≤ f ≤ 1 and a tail too small to matter but in the last rounding.
 * Method: with s = f / (2 + f) and h = ½·f², log(1 + f) = 2·artanh(s) = f − (h − s·(h + s²·P(s²))), with a relative
 * error of 2⁻³³ from P.
 * Source: the transformation is that of fdlibm's e_log.c (Sun Microsystems, 1993).
 * Tried: the shorter f − s·(f − s²·P(s²)) is 2.04 instead of 1.87 ulp off in log(1 + e⁻ᵃ).
 */
// @ts-ignore: decorator
@inline function log1pPlus<T>(f: T, tail: T): T {
  const s = div<T>(f, add<T>(splat<T>(2), f));
  const z = mul<T>(s, s);
  const p = polynomial<T>(
    z, mul<T>(z, z), 0.6666667461395264, 0.39998888969421387, 0.28616610169410706, 0.21430596709251404,
    0.24290147423744202,
  );
  const h = mul<T>(mul<T>(splat<T>(0.5), f), f);
  return sub<T>(f, sub<T>(sub<T>(h, mul<T>(s, add<T>(h, mul<T>(z, p)))), tail));
}

/**
 * Natural logarithm. ULP error: 0.904. log ±0 = −∞, log x = NaN for x < 0, log ∞ = ∞.
 * Method: x = 2ᵏ·m with √½ ≤ m < √2, log x = k·ln 2 + log m.
 */
// @ts-ignore: decorator
@inline export function log<T>(x: T): T {
  const subnormal = splat<T>(1.1754943508222875e-38); // 2⁻¹²⁶; below it 25 binary places are borrowed
  const normal = whereLess<T>(x, subnormal, mul<T>(x, splat<T>(33554432)), x);
  const borrowed = whereLess<T>(x, subnormal, splat<T>(25), splat<T>(0));
  const bits = subBits<T>(normal, splatBits<T>(SQRT_HALF_BITS));
  const k = sub<T>(floatFromBits<T>(shiftRightBits<T>(bits, 23)), borrowed);
  const m = addBits<T>(andBits<T>(bits, splatBits<T>(0x007fffff)), splatBits<T>(SQRT_HALF_BITS));
  const tail = mul<T>(k, splat<T>(LN2_LO));
  const y = add<T>(mul<T>(k, splat<T>(LN2_HI)), log1pPlus<T>(sub<T>(m, splat<T>(1)), tail));
  const infinity = splat<T>(Infinity);
  const notPositive = whereLess<T>(x, splat<T>(0), splat<T>(NaN), sub<T>(x, infinity));
  return whereLess<T>(splat<T>(0), x, whereLess<T>(x, infinity, y, x), notPositive);
}

/** log(1 + e) for 0 ≤ e ≤ 1. ULP error: 1.29; 1.87 for log(1 + e⁻ᵃ) with `e = exp(-a)`, down to the subnormals. */
// @ts-ignore: decorator
@inline export function log1p<T>(e: T): T {
  return log1pPlus<T>(e, splat<T>(0));
}

/**
 * Hyperbolic tangent, odd to the bit. ULP error: 1.316.
 * Method: below 9/16 x + x³·P(x²), with a relative error of 2⁻²⁹; above it 1 − 2 / (e^2|x| + 1), where e^2|x| enters as
 * 2ⁿ + 2ⁿ·(e^r − 1), so that 2ⁿ + 1 is exact.
 * Source: the split is that of Cephes' tanhf.c (Moshier, 1989).
 * Tried: ((2ⁿ − 1) − q) / ((2ⁿ + 1) + q) for all x, q = e⁻ʳ − 1: 1.5 times as fast, but 1.99 ulp off.
 */
// @ts-ignore: decorator
@inline export function tanh<T>(x: T): T {
  const magnitude = abs<T>(x);
  const v = pmin<T>(add<T>(magnitude, magnitude), splat<T>(20)); // tanh 10 is 1 in float32
  const rounded = roundedLog2<T>(v);
  const r = sub<T>(v, mul<T>(sub<T>(rounded, splat<T>(ROUND)), splat<T>(LN2))); // where this rounds, tanh does not care
  const power = powerOfTwo<T>(rounded);
  const one = splat<T>(1);
  const denominator = add<T>(add<T>(power, one), mul<T>(power, add<T>(r, expTail<T>(r))));
  const large = sub<T>(one, div<T>(splat<T>(2), denominator));
  const z = mul<T>(x, x);
  const p = polynomial<T>(
    z, mul<T>(z, z), -0.3333331346511841, 0.1333245187997818, -0.053837429732084274, 0.021007463335990906,
    -0.006179815623909235,
  );
  const small = add<T>(magnitude, mul<T>(magnitude, mul<T>(z, p)));
  const sign = xorBits<T>(x, magnitude);
  return orBits<T>(whereLess<T>(magnitude, splat<T>(0.5625), small, large), sign);
}

/**
 * Logistic function 1 / (1 + e⁻ˣ). ULP error: 1.661, subnormal results included; 0 below −103.97208.
 * Method: with x = n·ln 2 + r, 2ⁿ / (2ⁿ + e⁻ʳ): one formula for both signs. 2ⁿ + 1 is exact but for n ≤ −24, where what
 * the addition lost joins e⁻ʳ − 1. 2ⁿ stands above the line in two factors, see `exp`.
 */
// @ts-ignore: decorator
@inline export function sigmoid<T>(x: T): T {
  x = pmin<T>(pmax<T>(x, splat<T>(-104)), splat<T>(30)); // the logistic of 30 is 1 in float32
  const rounded = roundedLog2<T>(x);
  const q = expm1Reduced<T>(neg<T>(x), sub<T>(splat<T>(ROUND), rounded));
  const half = shiftRightBits<T>(rounded, 1);
  const first = powerOfTwo<T>(half);
  const second = powerOfTwo<T>(subBits<T>(rounded, half));
  const power = mul<T>(first, second);
  const one = splat<T>(1);
  const sum = add<T>(power, one);
  const lost = sub<T>(power, sub<T>(sum, one));
  return mul<T>(div<T>(first, add<T>(sum, add<T>(q, lost))), second);
}
