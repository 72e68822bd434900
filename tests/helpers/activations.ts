// The activations and their derivatives in float64, from the engine's own exp and log and from a normal distribution of
// our own, which no kernel uses.

import type { UnaryActivation } from "../../src/backend/unary.js";

/** An activation in float64. */
export interface Reference {
  /** What the tests pass as `alpha`. */
  readonly alpha: number;
  value(x: number): number;
  slope(x: number): number;
  /**
   * The largest errors over all float32, in ulp, that the kernels promise. Those of elu and selu: rounding, and the
   * relative error of eˣ − 1 in float64, which is 2⁻³¹ and so at most 2⁻⁷ ulp of a float32.
   */
  readonly ulp: { readonly value: number; readonly slope: number };
}

const DENSITY = 1 / Math.sqrt(2 * Math.PI);
const SPACING = 0.25;
const DEGREE = 18;

/** e^(t²/2)·(1 − Φ(t)) for t ≥ 0: below 1 by the series of Φ, above by Laplace's continued fraction. */
function millsRatioAt(t: number): number {
  if (t < 1) {
    let term = t;
    let sum = t;
    for (let k = 3; term > 1e-20; k += 2) {
      term *= (t * t) / k;
      sum += term;
    }
    return 0.5 * Math.exp((t * t) / 2) - DENSITY * sum;
  }
  let fraction = t;
  for (let k = 4000; k > 0; k--) fraction = t + k / fraction;
  return DENSITY / fraction;
}

/** Taylor coefficients of Mills' ratio at multiples of SPACING, from M′ = t·M − 1/√(2π). */
const expansions = Array.from({ length: 16 / SPACING + 1 }, (_, i) => {
  const t = i * SPACING;
  const derivatives = [millsRatioAt(t)];
  derivatives.push(t * derivatives[0]! - DENSITY);
  for (let n = 1; n < DEGREE; n++) derivatives.push(t * derivatives[n]! + n * derivatives[n - 1]!);
  let factorial = 1;
  return derivatives.map((derivative, n) => {
    if (n > 0) factorial *= n;
    return derivative / factorial;
  });
});

/** e^(t²/2)·(1 − Φ(t)) for 0 ≤ t ≤ 16. */
function millsRatio(t: number): number {
  if (Number.isNaN(t)) return t;
  const i = Math.round(t / SPACING);
  const coefficients = expansions[i]!;
  const d = t - i * SPACING;
  let sum = 0;
  for (let n = DEGREE; n >= 0; n--) sum = coefficients[n]! + d * sum;
  return sum;
}

/** 1 − Φ(t) for t ≥ 0, Φ being the distribution function of the normal distribution. */
function upperTail(t: number): number {
  return t > 16 ? 0 : Math.exp((-t * t) / 2) * millsRatio(t);
}

const logistic = (z: number) => {
  const e = Math.exp(-Math.abs(z));
  return (z < 0 ? e : 1) / (1 + e);
};
const logisticSlope = (z: number) => {
  const e = Math.exp(-Math.abs(z));
  return e / (1 + e) ** 2;
};
const tanhArgument = (x: number) => 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
const ramp = (x: number, half: number) => Math.min(Math.max(x + half, 0), 2 * half) / (2 * half);
const ALPHA = Math.fround(0.3);
const SELU = { scale: 1.0507009873554805, alpha: 1.6732632423543772 };

/** x·f, 0 where f is: also for an infinite x. */
const gated = (x: number, gate: number) => (gate === 0 ? -0 : x * gate);

export const REFERENCES: Readonly<Record<UnaryActivation, Reference>> = {
  leakyRelu: {
    alpha: ALPHA,
    value: (x) => (x > 0 ? x : ALPHA * x),
    slope: (x) => (x > 0 ? 1 : ALPHA),
    ulp: { value: 0.5, slope: 0 },
  },
  hardSigmoid: {
    alpha: 3,
    value: (x) => ramp(x, 3),
    slope: (x) => (Math.abs(x) < 3 ? 1 / 6 : 0),
    ulp: { value: 1, slope: 0.5 },
  },
  hardSwish: {
    alpha: 0,
    value: (x) => gated(x, ramp(x, 3)),
    slope: (x) => (x > -3 ? (x < 3 ? (2 * x + 3) / 6 : 1) : 0),
    ulp: { value: 2, slope: 1.5 },
  },
  relu6: {
    alpha: 0,
    value: (x) => Math.min(Math.max(x, 0), 6),
    slope: (x) => (x > 0 && x < 6 ? 1 : 0),
    ulp: { value: 0, slope: 0 },
  },
  softsign: {
    alpha: 0,
    value: (x) => (Math.abs(x) === Number.POSITIVE_INFINITY ? Math.sign(x) : x / (1 + Math.abs(x))),
    slope: (x) => 1 / (1 + Math.abs(x)) ** 2,
    ulp: { value: 1.5, slope: 3.5 },
  },
  softplus: {
    alpha: 0,
    value: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    slope: logistic,
    ulp: { value: 2.5, slope: 1.7 },
  },
  elu: {
    alpha: 1,
    value: (x) => (x < 0 ? Math.expm1(x) : x),
    slope: (x) => (x < 0 ? Math.exp(x) : 1),
    ulp: { value: 0.51, slope: 0.505 },
  },
  selu: {
    alpha: 0,
    value: (x) => SELU.scale * (x < 0 ? SELU.alpha * Math.expm1(x) : x),
    slope: (x) => SELU.scale * (x < 0 ? SELU.alpha * Math.exp(x) : 1),
    ulp: { value: 0.51, slope: 0.505 },
  },
  gelu: {
    alpha: 0,
    value: (x) => gated(x, x < 0 ? upperTail(-x) : 1 - upperTail(x)),
    slope(x) {
      const t = Math.min(Math.abs(x), 16);
      const slope = Math.exp((-t * t) / 2) * (millsRatio(t) - t * DENSITY);
      return x < 0 ? slope : 1 - slope;
    },
    ulp: { value: 0.51, slope: 0.6 },
  },
  geluTanh: {
    alpha: 0,
    value: (x) => gated(x, logistic(tanhArgument(x))),
    slope(x) {
      const near = Math.min(Math.max(x, -20), 20);
      const steepness = 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * near ** 2);
      return logistic(tanhArgument(near)) + near * logisticSlope(tanhArgument(near)) * steepness;
    },
    ulp: { value: 0.505, slope: 0.6 },
  },
  silu: {
    alpha: 0,
    value: (x) => gated(x, logistic(x)),
    slope(x) {
      const near = Math.min(Math.max(x, -200), 200);
      return logistic(near) + near * logisticSlope(near);
    },
    ulp: { value: 0.505, slope: 0.6 },
  },
  mish: {
    alpha: 0,
    value: (x) => gated(x, Math.tanh(Math.log1p(Math.exp(Math.min(x, 100))))),
    slope(x) {
      const near = Math.min(Math.max(x, -200), 100);
      const gate = Math.tanh(Math.log1p(Math.exp(near)));
      return gate + near * logistic(near) * (1 - gate * gate);
    },
    ulp: { value: 0.505, slope: 0.6 },
  },
};
