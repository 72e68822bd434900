// The elementary functions of assembly/math.ts, operation by operation: methods, errors and sources are there.

const f = Math.fround;

const LN2_HI = 0.693359375;
const LN2_LO = -0.00021219444170128554;
const LN2 = 0.6931471824645996;
const LOG2_E = 1.4426950216293335;
const ROUND = 12582912;
const SQRT_HALF_BITS = 0x3f3504f3;

/** One float32 seen as its bits and back. */
const cast = /* @__PURE__ */ (() => {
  const float = new Float32Array(1);
  return { float, bits: new Int32Array(float.buffer) };
})();

function floatFromBits(bits: number): number {
  cast.bits[0] = bits;
  return cast.float[0]!;
}

function polynomial(x: number, x2: number, c0: number, c1: number, c2: number, c3: number, c4: number): number {
  const low = f(c0 + f(c1 * x));
  const high = f(c2 + f(c3 * x));
  return f(low + f(x2 * f(high + f(c4 * x2))));
}

/** n for the multiple n·ln 2 next to `x`; NaN for NaN. */
function roundedLog2(x: number): number {
  return f(f(f(x * LOG2_E) + ROUND) - ROUND);
}

/** 2ⁿ for −127 < n < 128. */
function powerOfTwo(n: number): number {
  return floatFromBits((n + 127) << 23);
}

function expTail(r: number): number {
  const r2 = f(r * r);
  const p = polynomial(
    r,
    r2,
    0.4999999403953552,
    0.1666651964187622,
    0.041668400168418884,
    0.00836885068565607,
    0.0013814319390803576,
  );
  return f(r2 * p);
}

function expm1Reduced(x: number, n: number): number {
  const high = f(x - f(n * LN2_HI));
  const low = f(n * LN2_LO);
  return f(high + f(expTail(f(high - low)) - low));
}

/** eˣ of a float32, as a float32. */
export function exp(x: number): number {
  const clamped = Math.min(Math.max(x, -104), 89);
  const n = roundedLog2(clamped);
  const y = f(1 + expm1Reduced(clamped, n));
  const half = n >> 1;
  return f(f(y * powerOfTwo(half)) * powerOfTwo(n - half));
}

function log1pPlus(x: number, tail: number): number {
  const s = f(x / f(2 + x));
  const z = f(s * s);
  const p = polynomial(
    z,
    f(z * z),
    0.6666667461395264,
    0.39998888969421387,
    0.28616610169410706,
    0.21430596709251404,
    0.24290147423744202,
  );
  const h = f(f(0.5 * x) * x);
  return f(x - f(f(h - f(s * f(h + f(z * p)))) - tail));
}

/** Natural logarithm of a float32, as a float32. */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  const subnormal = x < 1.1754943508222875e-38;
  cast.float[0] = subnormal ? x * 33554432 : x;
  const bits = cast.bits[0]! - SQRT_HALF_BITS;
  const k = (bits >> 23) - (subnormal ? 25 : 0);
  const m = floatFromBits((bits & 0x007fffff) + SQRT_HALF_BITS);
  return f(f(k * LN2_HI) + log1pPlus(f(m - 1), f(k * LN2_LO)));
}

/** log(1 + e) for a float32 0 ≤ e ≤ 1, as a float32. */
export function log1p(e: number): number {
  return log1pPlus(e, 0);
}

/** Hyperbolic tangent of a float32, as a float32. */
export function tanh(x: number): number {
  if (x === 0) return x;
  const magnitude = Math.abs(x);
  const y = magnitude < 0.5625 ? tanhSmall(magnitude) : tanhLarge(magnitude);
  return x < 0 ? -y : y;
}

function tanhSmall(x: number): number {
  const z = f(x * x);
  const p = polynomial(
    z,
    f(z * z),
    -0.3333331346511841,
    0.1333245187997818,
    -0.053837429732084274,
    0.021007463335990906,
    -0.006179815623909235,
  );
  return f(x + f(x * f(z * p)));
}

function tanhLarge(x: number): number {
  const v = Math.min(f(x + x), 20);
  const n = roundedLog2(v);
  const r = f(v - f(n * LN2));
  const power = powerOfTwo(n);
  const denominator = f(f(power + 1) + f(power * f(r + expTail(r))));
  return f(1 - f(2 / denominator));
}

/** 1 / (1 + e⁻ˣ) of a float32, as a float32. */
export function sigmoid(x: number): number {
  const clamped = Math.min(Math.max(x, -104), 30);
  const n = roundedLog2(clamped);
  const q = expm1Reduced(-clamped, -n);
  const half = n >> 1;
  const first = powerOfTwo(half);
  const second = powerOfTwo(n - half);
  const power = f(first * second);
  const sum = f(power + 1);
  const lost = f(power - f(sum - 1));
  return f(f(first / f(sum + f(q + lost))) * second);
}
