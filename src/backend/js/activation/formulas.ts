// The formulas of assembly/activation/formulas.ts, operation by operation: what they are and how exact is stated there.

import { UNARY, type UnaryActivation } from "../../unary.js";
import { exp, expm1 } from "../double.js";
import { exp as expSingle, log1p, sigmoid } from "../math.js";

const f = Math.fround;

/** An activation and its derivative. In float32 each operation is rounded; in float64 the caller rounds once. */
export interface Formula {
  readonly isSingle: boolean;
  value(x: number, alpha: number): number;
  slope(x: number, alpha: number): number;
}

const LARGEST = 3.4028234663852886e38;
const FAR = 150;
const GELU_FAR = 15;
const DENSITY = 0.3989422804014327;
const ROOT = 0.7517915246935645;
const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;
const TANH_LINEAR = 1.5957691216057308;
const TANH_CUBIC = 0.07135481627260025;
const TANH_SQUARE = 0.21406444881780073;

/** x or the nearest number between low and high; NaN stays NaN. */
function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

function ramp(x: number, half: number): number {
  const width = f(half + half);
  return f(clamp(f(x + half), 0, width) / width);
}

const leakyRelu: Formula = {
  isSingle: true,
  value: (x, alpha) => (x > 0 ? x : f(alpha * x)),
  slope: (x, alpha) => (x > 0 ? 1 : alpha),
};

const hardSigmoid: Formula = {
  isSingle: true,
  value: ramp,
  slope: (x, half) => (Math.abs(x) < half ? f(1 / f(half + half)) : 0),
};

const hardSwish: Formula = {
  isSingle: true,
  value: (x) => f(Math.max(x, -3) * ramp(x, 3)),
  slope(x) {
    if (!(x > -3)) return 0;
    return x < 3 ? f(f(f(x + x) + 3) / 6) : 1;
  },
};

const relu6: Formula = {
  isSingle: true,
  value: (x) => (x < 0 ? 0 : x > 6 ? 6 : x), // −0 stays −0
  slope: (x) => (x > 0 && x < 6 ? 1 : 0),
};

const softsign: Formula = {
  isSingle: true,
  value(x) {
    const finite = clamp(x, -LARGEST, LARGEST);
    return f(finite / f(1 + Math.abs(finite)));
  },
  slope(x) {
    const share = f(1 / f(1 + Math.abs(x)));
    return f(share * share);
  },
};

const softplus: Formula = {
  isSingle: true,
  value: (x) => f(Math.max(x, 0) + log1p(expSingle(-Math.abs(x)))),
  slope: sigmoid,
};

const elu: Formula = {
  isSingle: false,
  value: (x, alpha) => (x < 0 ? alpha * expm1(clamp(x, -FAR, 0)) : x),
  slope: (x, alpha) => (x < 0 ? alpha * exp(false, clamp(x, -FAR, 0)) : 1),
};

const selu: Formula = {
  isSingle: false,
  value: (x) => SELU_SCALE * (x < 0 ? SELU_ALPHA * expm1(clamp(x, -FAR, 0)) : x),
  slope: (x) => SELU_SCALE * (x < 0 ? SELU_ALPHA * exp(false, clamp(x, -FAR, 0)) : 1),
};

function mills(t: number): number {
  const scale = 1 / (t + 4);
  const w = (t - 4) * scale;
  let p = 3.473079499654104e-5 + w * 7.986636466484679e-6;
  p = -8.212023890843143e-6 + w * p;
  p = -0.00023379210965677032 + w * p;
  p = 0.00013511199485466383 + w * p;
  p = 0.0016320924414412392 + w * p;
  p = -0.003479855423990667 + w * p;
  p = -0.0075404106992170185 + w * p;
  p = 0.06039657247824439 + w * p;
  p = -0.18652184268767402 + w * p;
  p = 0.3871374013959195 + w * p;
  p = -0.6078966422697328 + w * p;
  return (0.7552851304091687 + w * p) * scale;
}

function bell(t: number): number {
  return exp(false, t * t * -0.5);
}

function geluSlope(t: number): number {
  const d = t - ROOT;
  if (!(Math.abs(d) < 0.03125)) return mills(t) - t * DENSITY;
  let near = 0.014313659799253144 + d * -0.005164140672990876;
  near = -0.03658159148937988 + d * near;
  near = 0.0847563696385306 + d * near;
  return d * (-0.5724061752276146 + d * near);
}

const gelu: Formula = {
  isSingle: false,
  value(x) {
    const t = Math.min(Math.abs(x), GELU_FAR);
    const tail = bell(t) * mills(t);
    return Math.max(x, -GELU_FAR) * (x < 0 ? tail : 1 - tail);
  },
  slope(x) {
    const t = Math.min(Math.abs(x), GELU_FAR);
    const slope = bell(t) * geluSlope(t);
    return x < 0 ? slope : 1 - slope;
  },
};

/** e^−|z|, 0 instead of less than e^−700. */
function decay(isPrecise: boolean, z: number): number {
  return exp(isPrecise, 0 - Math.min(Math.abs(z), 700));
}

/** The logistic of ±z from e = e^−|z|; `x` has the sign. */
function logistic(x: number, e: number): number {
  return (x < 0 ? e : 1) / (1 + e);
}

/** x · logistic(z), where z is x or a polynomial in x, and `steepness` is x · dz/dx. */
function gated(far: number, z: (x: number) => number, steepness: (x: number) => number): Formula {
  return {
    isSingle: false,
    value: (x) => Math.max(x, -far) * logistic(x, decay(false, z(x))),
    slope(x) {
      const near = clamp(x, -far, far);
      const e = decay(true, z(near));
      const onePlus = 1 + e;
      return logistic(x, e) + steepness(near) * (e / (onePlus * onePlus));
    },
  };
}

const geluTanh = /* @__PURE__ */ gated(
  GELU_FAR,
  (x) => x * (TANH_LINEAR + x * x * TANH_CUBIC),
  (x) => x * (TANH_LINEAR + x * x * TANH_SQUARE),
);

const silu = /* @__PURE__ */ gated(
  FAR,
  (x) => x,
  (x) => x,
);

const mish: Formula = {
  isSingle: false,
  value(x) {
    const n = exp(false, clamp(x, -FAR, 40));
    const w = n * (n + 2);
    return Math.max(x, -FAR) * (w / (w + 2));
  },
  slope(x) {
    const near = clamp(x, -FAR, 40);
    const n = exp(true, near);
    const denominator = n * (n + 2) + 2;
    const share = (n * (n + 2)) / denominator;
    const rise = (n / denominator) * ((1 + n) / denominator);
    return share + 4 * near * rise;
  },
};

const byName: Readonly<Record<UnaryActivation, Formula>> = {
  leakyRelu,
  hardSigmoid,
  hardSwish,
  relu6,
  softsign,
  softplus,
  elu,
  selu,
  gelu,
  geluTanh,
  silu,
  mish,
};

/** The formula of each id. */
export const FORMULAS: readonly Formula[] = /* @__PURE__ */ (Object.keys(UNARY) as UnaryActivation[]).map(
  (name) => byName[name],
);
