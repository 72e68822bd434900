// The activations element by element, and their derivatives, both from x.

import {
  absD, addD, divD, expD, expm1D, mulAddD, mulD, pmaxD, pminD, splatD, subD, whereLessD,
} from "../double";
import { exp, log1p, sigmoid } from "../math";
import { abs, add, div, mul, neg, pmax, pmin, splat, sub, whereLess } from "../simd";

/** Ids of the activations; UNARY in src/backend/unary.ts. Those from Elu on are computed in float64. */
export const enum Unary {
  LeakyRelu,
  HardSigmoid,
  HardSwish,
  Relu6,
  Softsign,
  Softplus,
  Elu,
  Selu,
  Gelu,
  GeluTanh,
  Silu,
  Mish,
}

/** The largest float32. */
const LARGEST: f32 = 3.4028234663852886e38;

/** What is made of −150 by SiLU, Mish and ELU's exponential underflows in float32, and not in float64. */
const FAR: f64 = 150;
/** gelu(−15) is −0 in float32, gelu(15) is 15. */
const GELU_FAR: f64 = 15;
/** 1/√(2π) */
const DENSITY: f64 = 0.3989422804014327;
/** Where the derivative of gelu is 0, at −ROOT. */
const ROOT: f64 = 0.7517915246935645;
const SELU_SCALE: f64 = 1.0507009873554805;
const SELU_ALPHA: f64 = 1.6732632423543772;
/** 2·√(2/π), and that times 0.044715 and 3·0.044715. */
const TANH_LINEAR: f64 = 1.5957691216057308;
const TANH_CUBIC: f64 = 0.07135481627260025;
const TANH_SQUARE: f64 = 0.21406444881780073;

/** Where x is between −half and half, as a share of the way: 0 below, 1 above. */
// @ts-ignore: decorator
@inline function ramp<T>(x: T, half: T): T {
  const width = add<T>(half, half);
  return div<T>(pmin<T>(pmax<T>(add<T>(x, half), splat<T>(0)), width), width);
}

/** An activation in float32. */
// @ts-ignore: decorator
@inline export function activateSingle<T>(kind: i32, x: T, alpha: T): T {
  if (kind == Unary.LeakyRelu) return whereLess<T>(splat<T>(0), x, x, mul<T>(alpha, x));
  if (kind == Unary.HardSigmoid) return ramp<T>(x, alpha);
  if (kind == Unary.HardSwish) {
    const three = splat<T>(3);
    return mul<T>(pmax<T>(x, neg<T>(three)), ramp<T>(x, three)); // the share is 0 below −3; −∞·0 would be NaN
  }
  if (kind == Unary.Relu6) return pmin<T>(pmax<T>(x, splat<T>(0)), splat<T>(6));
  if (kind == Unary.Softsign) {
    const largest = splat<T>(LARGEST); // ∞ / ∞ would be NaN
    const finite = pmin<T>(pmax<T>(x, neg<T>(largest)), largest);
    return div<T>(finite, add<T>(splat<T>(1), abs<T>(finite)));
  }
  return add<T>(pmax<T>(x, splat<T>(0)), log1p<T>(exp<T>(neg<T>(abs<T>(x)))));
}

/** The derivative of `activateSingle`. */
// @ts-ignore: decorator
@inline export function slopeSingle<T>(kind: i32, x: T, alpha: T): T {
  const zero = splat<T>(0), one = splat<T>(1);
  if (kind == Unary.LeakyRelu) return whereLess<T>(zero, x, one, alpha);
  if (kind == Unary.HardSigmoid) {
    return whereLess<T>(abs<T>(x), alpha, div<T>(one, add<T>(alpha, alpha)), zero);
  }
  if (kind == Unary.HardSwish) {
    const three = splat<T>(3);
    const inside = div<T>(add<T>(add<T>(x, x), three), splat<T>(6));
    return whereLess<T>(neg<T>(three), x, whereLess<T>(x, three, inside, one), zero);
  }
  if (kind == Unary.Relu6) return whereLess<T>(zero, x, whereLess<T>(x, splat<T>(6), one, zero), zero);
  if (kind == Unary.Softsign) {
    const share = div<T>(one, add<T>(one, abs<T>(x)));
    return mul<T>(share, share);
  }
  return sigmoid<T>(x);
}

/** M(t)·(t + 4) for M(t) = e^(t²/2)·(1 − Φ(t)), 0 ≤ t ≤ 15, from w = (t − 4)/(t + 4), with a relative error of 2⁻³⁴. */
// @ts-ignore: decorator
@inline function millsRatio<T>(w: T): T {
  let p = mulAddD<T>(3.473079499654104e-05, w, splatD<T>(7.986636466484679e-06));
  p = mulAddD<T>(-8.212023890843143e-06, w, p);
  p = mulAddD<T>(-0.00023379210965677032, w, p);
  p = mulAddD<T>(0.00013511199485466383, w, p);
  p = mulAddD<T>(0.0016320924414412392, w, p);
  p = mulAddD<T>(-0.003479855423990667, w, p);
  p = mulAddD<T>(-0.0075404106992170185, w, p);
  p = mulAddD<T>(0.06039657247824439, w, p);
  p = mulAddD<T>(-0.18652184268767402, w, p);
  p = mulAddD<T>(0.3871374013959195, w, p);
  p = mulAddD<T>(-0.6078966422697328, w, p);
  return mulAddD<T>(0.7552851304091687, w, p);
}

/** M(t) of `millsRatio`. */
// @ts-ignore: decorator
@inline function mills<T>(t: T): T {
  const four = splatD<T>(4);
  const scale = divD<T>(splatD<T>(1), addD<T>(t, four));
  return mulD<T>(millsRatio<T>(mulD<T>(subD<T>(t, four), scale)), scale);
}

/** e^(−t²/2) */
// @ts-ignore: decorator
@inline function bell<T>(t: T): T {
  return expD<T>(false, mulD<T>(mulD<T>(t, t), splatD<T>(-0.5)));
}

/** M(t) − t/√(2π), relative to which the error is 2⁻³⁰ near its root, too: there it is a Taylor polynomial. */
// @ts-ignore: decorator
@inline function geluSlope<T>(t: T): T {
  const d = subD<T>(t, splatD<T>(ROOT));
  let near = mulAddD<T>(0.014313659799253144, d, splatD<T>(-0.005164140672990876));
  near = mulAddD<T>(-0.03658159148937988, d, near);
  near = mulAddD<T>(0.0847563696385306, d, near);
  near = mulD<T>(d, mulAddD<T>(-0.5724061752276146, d, near));
  const far = subD<T>(mills<T>(t), mulD<T>(t, splatD<T>(DENSITY)));
  return whereLessD<T>(absD<T>(d), splatD<T>(0.03125), near, far);
}

/** x or the nearest number between low and high; NaN stays NaN. */
// @ts-ignore: decorator
@inline function clamp<T>(x: T, low: f64, high: f64): T {
  return pminD<T>(pmaxD<T>(x, splatD<T>(low)), splatD<T>(high));
}

/** 2·√(2/π)·(x + 0.044715·x³) */
// @ts-ignore: decorator
@inline function tanhArgument<T>(x: T): T {
  return mulD<T>(x, mulAddD<T>(TANH_LINEAR, mulD<T>(x, x), splatD<T>(TANH_CUBIC)));
}

/** The logistic of ±z from e = e^−|z|; `x` has the sign. */
// @ts-ignore: decorator
@inline function logistic<T>(x: T, e: T): T {
  const one = splatD<T>(1);
  return divD<T>(whereLessD<T>(x, splatD<T>(0), e, one), addD<T>(one, e));
}

/** e^−|z| for |z| up to 700, 0 instead of less. */
// @ts-ignore: decorator
@inline function decay<T>(precise: bool, z: T): T {
  return expD<T>(precise, subD<T>(splatD<T>(0), pminD<T>(absD<T>(z), splatD<T>(700))));
}

/** An activation in float64. */
// @ts-ignore: decorator
@inline export function activateDouble<T>(kind: i32, x: T, alpha: T): T {
  const zero = splatD<T>(0), one = splatD<T>(1);
  if (kind == Unary.Elu) return whereLessD<T>(x, zero, mulD<T>(alpha, expm1D<T>(clamp<T>(x, -FAR, 0))), x);
  if (kind == Unary.Selu) {
    const below = mulD<T>(splatD<T>(SELU_ALPHA), expm1D<T>(clamp<T>(x, -FAR, 0)));
    return mulD<T>(splatD<T>(SELU_SCALE), whereLessD<T>(x, zero, below, x));
  }
  if (kind == Unary.Gelu) {
    const t = pminD<T>(absD<T>(x), splatD<T>(GELU_FAR));
    const tail = mulD<T>(bell<T>(t), mills<T>(t));
    const share = whereLessD<T>(x, zero, tail, subD<T>(one, tail));
    return mulD<T>(pmaxD<T>(x, splatD<T>(-GELU_FAR)), share);
  }
  if (kind == Unary.GeluTanh) {
    const share = logistic<T>(x, decay<T>(false, tanhArgument<T>(x)));
    return mulD<T>(pmaxD<T>(x, splatD<T>(-GELU_FAR)), share);
  }
  if (kind == Unary.Silu) return mulD<T>(pmaxD<T>(x, splatD<T>(-FAR)), logistic<T>(x, decay<T>(false, x)));
  const n = expD<T>(false, clamp<T>(x, -FAR, 40));
  const w = mulD<T>(n, addD<T>(n, splatD<T>(2)));
  return mulD<T>(pmaxD<T>(x, splatD<T>(-FAR)), divD<T>(w, addD<T>(w, splatD<T>(2))));
}

/** The derivative of `activateDouble`. Those of GELU, SiLU and Mish have a root, near which their two terms cancel. */
// @ts-ignore: decorator
@inline export function slopeDouble<T>(kind: i32, x: T, alpha: T): T {
  const zero = splatD<T>(0), one = splatD<T>(1), two = splatD<T>(2);
  if (kind == Unary.Elu) return whereLessD<T>(x, zero, mulD<T>(alpha, expD<T>(false, clamp<T>(x, -FAR, 0))), one);
  if (kind == Unary.Selu) {
    const below = mulD<T>(splatD<T>(SELU_ALPHA), expD<T>(false, clamp<T>(x, -FAR, 0)));
    return mulD<T>(splatD<T>(SELU_SCALE), whereLessD<T>(x, zero, below, one));
  }
  if (kind == Unary.Gelu) {
    const t = pminD<T>(absD<T>(x), splatD<T>(GELU_FAR));
    const slope = mulD<T>(bell<T>(t), geluSlope<T>(t));
    return whereLessD<T>(x, zero, slope, subD<T>(one, slope));
  }
  if (kind == Unary.Mish) {
    const near = clamp<T>(x, -FAR, 40);
    const n = expD<T>(true, near);
    const denominator = addD<T>(mulD<T>(n, addD<T>(n, two)), two);
    const share = divD<T>(mulD<T>(n, addD<T>(n, two)), denominator);
    const rise = mulD<T>(divD<T>(n, denominator), divD<T>(addD<T>(one, n), denominator));
    return addD<T>(share, mulD<T>(mulD<T>(splatD<T>(4), near), rise));
  }
  const far = kind == Unary.Silu ? FAR : GELU_FAR;
  const near = clamp<T>(x, -far, far);
  const z = kind == Unary.Silu ? near : tanhArgument<T>(near);
  const e = decay<T>(true, z);
  const onePlus = addD<T>(one, e);
  const rise = divD<T>(e, mulD<T>(onePlus, onePlus));
  let steepness = near; // x · dz/dx
  if (kind == Unary.GeluTanh) {
    steepness = mulD<T>(near, mulAddD<T>(TANH_LINEAR, mulD<T>(near, near), splatD<T>(TANH_SQUARE)));
  }
  return addD<T>(logistic<T>(x, e), mulD<T>(steepness, rise));
}
