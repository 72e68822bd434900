// The losses that are a sum over elements: term by term, with their slopes, in one loop that all of them share.

import { exp, log, log1p } from "./math";
import { abs, add, div, mul, neg, pmax, pmin, splat, sub, whereLess } from "./simd";
import { addHigh, addLow, joinPartialSums } from "./sums";

export const enum Loss {
  MeanSquaredError,
  BinaryCrossEntropy,
  Huber,
  MeanAbsoluteError,
  Hinge,
  KlDivergence,
}

/** Probabilities of a divergence are taken from here to 1: Keras's epsilon. */
const LEAST: f32 = 1e-7;

/** From LEAST to 1. */
// @ts-ignore: decorator
@inline function probability<T>(p: T): T {
  return pmin<T>(pmax<T>(p, splat<T>(LEAST)), splat<T>(1));
}

/** A label as −1 or 1: `binary` is 1 where the labels are 0 and 1, else 0. */
// @ts-ignore: decorator
@inline function side<T>(target: T, binary: T): T {
  return sub<T>(add<T>(target, mul<T>(target, binary)), binary);
}

/** What term and slope of an element share: the difference, e^−|y| where y is a logit, 1 − t·y, or a quotient. */
// @ts-ignore: decorator
@inline function basis<T>(kind: i32, y: T, target: T, parameter: T): T {
  if (kind == Loss.BinaryCrossEntropy) return exp<T>(neg<T>(abs<T>(y)));
  if (kind == Loss.Hinge) return sub<T>(splat<T>(1), mul<T>(side<T>(target, parameter), y));
  if (kind == Loss.KlDivergence) return div<T>(probability<T>(target), probability<T>(y));
  return sub<T>(y, target);
}

/** The loss of one element. */
// @ts-ignore: decorator
@inline function term<T>(kind: i32, y: T, target: T, basis: T, parameter: T): T {
  const zero = splat<T>(0);
  if (kind == Loss.BinaryCrossEntropy) {
    return add<T>(sub<T>(pmax<T>(y, zero), mul<T>(y, target)), log1p<T>(basis));
  }
  if (kind == Loss.Huber) {
    const half = splat<T>(0.5);
    const distance = abs<T>(basis);
    const inside = mul<T>(mul<T>(half, distance), distance);
    const outside = mul<T>(parameter, sub<T>(distance, mul<T>(half, parameter)));
    return whereLess<T>(distance, parameter, inside, outside);
  }
  if (kind == Loss.MeanAbsoluteError) return abs<T>(basis);
  if (kind == Loss.Hinge) return pmax<T>(basis, zero);
  if (kind == Loss.KlDivergence) return mul<T>(probability<T>(target), log<T>(basis));
  return mul<T>(basis, basis);
}

/** The derivative of `term` to y; of half of it for the squared error, whose 2 is in the weight. */
// @ts-ignore: decorator
@inline function slope<T>(kind: i32, y: T, target: T, basis: T, parameter: T): T {
  const zero = splat<T>(0), one = splat<T>(1);
  if (kind == Loss.BinaryCrossEntropy) {
    const p = div<T>(basis, add<T>(one, basis)); // the logistic of −|y|: small where 1 − p would cancel
    return whereLess<T>(y, zero, sub<T>(p, target), sub<T>(sub<T>(one, target), p));
  }
  if (kind == Loss.Huber) return pmin<T>(pmax<T>(basis, neg<T>(parameter)), parameter);
  if (kind == Loss.MeanAbsoluteError) {
    return whereLess<T>(zero, basis, one, whereLess<T>(basis, zero, neg<T>(one), basis)); // 0 and NaN are their own sign
  }
  if (kind == Loss.Hinge) return whereLess<T>(zero, basis, neg<T>(side<T>(target, parameter)), zero);
  if (kind == Loss.KlDivergence) {
    return whereLess<T>(y, splat<T>(LEAST), zero, whereLess<T>(one, y, zero, neg<T>(basis)));
  }
  return basis;
}

/**
 * Σ of the terms of `count` elements, in float64; their slopes times `weight` go to `grad`, unless it is 0. `kind` is a
 * constant of each call.
 *
 * Numerics: terms and slopes in float32. Term i of the whole eights goes to partial sum i mod 8, the partial sums s are
 * joined as ((s0 + s2) + (s4 + s6)) + ((s1 + s3) + (s5 + s7)), the last count mod 8 terms are added one by one.
 */
// @ts-ignore: decorator
@inline function sumOfTerms(
  kind: i32, count: usize, y: usize, target: usize, weight: f32, grad: usize, parameter: f32,
): f64 {
  const weights = f32x4.splat(weight);
  const parameters = f32x4.splat(parameter);
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; count >= 8; count -= 8, y += 32, target += 32) {
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    const target0 = v128.load(target);
    const target1 = v128.load(target, 16);
    const basis0 = basis<v128>(kind, y0, target0, parameters);
    const basis1 = basis<v128>(kind, y1, target1, parameters);
    const term0 = term<v128>(kind, y0, target0, basis0, parameters);
    const term1 = term<v128>(kind, y1, target1, basis1, parameters);
    s0 = addLow(s0, term0);
    s1 = addHigh(s1, term0);
    s2 = addLow(s2, term1);
    s3 = addHigh(s3, term1);
    if (grad) {
      const slope0 = f32x4.mul(slope<v128>(kind, y0, target0, basis0, parameters), weights);
      const slope1 = f32x4.mul(slope<v128>(kind, y1, target1, basis1, parameters), weights);
      v128.store(grad, slope0);
      v128.store(grad, slope1, 16);
      grad += 32;
    }
  }
  let sum = joinPartialSums(s0, s1, s2, s3);
  for (; count; count--, y += 4, target += 4) {
    const yi = load<f32>(y);
    const ti = load<f32>(target);
    const bi = basis<f32>(kind, yi, ti, parameter);
    sum += <f64>term<f32>(kind, yi, ti, bi, parameter);
    if (grad) {
      store<f32>(grad, slope<f32>(kind, yi, ti, bi, parameter) * weight);
      grad += 4;
    }
  }
  return sum;
}

/**
 * The mean of the terms over `divisor`, and its gradient. With weights, one for each row, the sum of a row is multiplied
 * by its weight in float64, and its slopes by weight·fl(1/divisor) rounded; without, all rows are one.
 *
 * Numerics: rows in ascending order; the mean is rounded to float32 once; nothing has the mean NaN.
 */
// @ts-ignore: decorator
@inline export function meanLoss(
  kind: i32, rows: usize, columns: usize, divisor: f64, y: usize, target: usize, weights: usize, grad: usize,
  parameter: f32,
): f32 {
  const weight: f32 = <f32>((kind == Loss.MeanSquaredError ? 2.0 : 1.0) / divisor);
  if (!weights) {
    columns *= rows;
    rows = 1;
  }
  const rowBytes = columns << 2;
  let total: f64 = 0;
  for (; rows; rows--, y += rowBytes, target += rowBytes) {
    const share: f32 = weights ? load<f32>(weights) : 1;
    const sum = sumOfTerms(kind, columns, y, target, weights ? weight * share : weight, grad, parameter);
    if (grad) grad += rowBytes;
    if (weights) {
      total += sum * <f64>share;
      weights += 4;
    } else total = sum;
  }
  return <f32>(total / divisor);
}
