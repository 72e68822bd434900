// Losses: the mean, and the gradient of the mean, in one pass over the data; and the count of correct predictions.

import { exp, log, log1p } from "../math";
import { abs, add, div, mul, neg, pmax, pmin, splat, sub, whereLess } from "../simd";

const enum Loss {
  MeanSquaredError,
  BinaryCrossEntropy,
  Huber,
}

/** What term and slope of an element have in common: the difference, or e^−|y| where y is a logit. */
// @ts-ignore: decorator
@inline function basis<T>(kind: i32, y: T, target: T): T {
  return kind == Loss.BinaryCrossEntropy ? exp<T>(neg<T>(abs<T>(y))) : sub<T>(y, target);
}

/** The loss of one element. */
// @ts-ignore: decorator
@inline function term<T>(kind: i32, y: T, target: T, basis: T, delta: T): T {
  if (kind == Loss.BinaryCrossEntropy) {
    return add<T>(sub<T>(pmax<T>(y, splat<T>(0)), mul<T>(y, target)), log1p<T>(basis));
  }
  if (kind == Loss.Huber) {
    const half = splat<T>(0.5);
    const distance = abs<T>(basis);
    const inside = mul<T>(mul<T>(half, distance), distance);
    const outside = mul<T>(delta, sub<T>(distance, mul<T>(half, delta)));
    return whereLess<T>(distance, delta, inside, outside);
  }
  return mul<T>(basis, basis);
}

/** The derivative of `term` to y; of half of it for the squared error, whose 2 is in the weight. */
// @ts-ignore: decorator
@inline function slope<T>(kind: i32, y: T, target: T, basis: T, delta: T): T {
  if (kind == Loss.BinaryCrossEntropy) {
    const one = splat<T>(1);
    const p = div<T>(basis, add<T>(one, basis)); // the logistic of −|y|: small where 1 − p would cancel
    return whereLess<T>(y, splat<T>(0), sub<T>(p, target), sub<T>(sub<T>(one, target), p));
  }
  if (kind == Loss.Huber) return pmin<T>(pmax<T>(basis, neg<T>(delta)), delta);
  return basis;
}

/**
 * The loop of every element-wise loss; `kind` is a constant of each call.
 *
 * Numerics: terms and slopes in float32. The sum in float64: term i goes to partial sum i mod 8, the partial sums s are
 * joined as ((s0 + s2) + (s4 + s6)) + ((s1 + s3) + (s5 + s7)), the last count mod 8 terms are added one by one. The
 * mean is rounded to float32 once; nothing has the mean NaN.
 */
// @ts-ignore: decorator
@inline function meanLoss(kind: i32, count: usize, y: usize, target: usize, grad: usize, delta: f32): f32 {
  const weight: f32 = <f32>((kind == Loss.MeanSquaredError ? 2.0 : 1.0) / <f64>count);
  const weights = f32x4.splat(weight);
  const deltas = f32x4.splat(delta);
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  const end = y + (count << 2);
  for (const last = y + ((count >> 3) << 5); y < last; y += 32, target += 32) {
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    const target0 = v128.load(target);
    const target1 = v128.load(target, 16);
    const basis0 = basis<v128>(kind, y0, target0);
    const basis1 = basis<v128>(kind, y1, target1);
    const term0 = term<v128>(kind, y0, target0, basis0, deltas);
    const term1 = term<v128>(kind, y1, target1, basis1, deltas);
    s0 = f64x2.add(s0, f64x2.promote_low_f32x4(term0));
    s1 = f64x2.add(s1, f64x2.promote_low_f32x4(i64x2.shuffle(term0, term0, 1, 1)));
    s2 = f64x2.add(s2, f64x2.promote_low_f32x4(term1));
    s3 = f64x2.add(s3, f64x2.promote_low_f32x4(i64x2.shuffle(term1, term1, 1, 1)));
    if (grad) {
      const slope0 = f32x4.mul(slope<v128>(kind, y0, target0, basis0, deltas), weights);
      const slope1 = f32x4.mul(slope<v128>(kind, y1, target1, basis1, deltas), weights);
      v128.store(grad, slope0);
      v128.store(grad, slope1, 16);
      grad += 32;
    }
  }
  s0 = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum = f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
  for (; y < end; y += 4, target += 4) {
    const yi = load<f32>(y);
    const ti = load<f32>(target);
    const bi = basis<f32>(kind, yi, ti);
    sum += <f64>term<f32>(kind, yi, ti, bi, delta);
    if (grad) {
      store<f32>(grad, slope<f32>(kind, yi, ti, bi, delta) * weight);
      grad += 4;
    }
  }
  return <f32>(sum / <f64>count);
}

/**
 * Mean of (y − t)², and 2·(y − t)/count as (y − t)·fl(2/count).
 *
 * Requires (as the two below): `gradPtr` is 0, equals `yPtr` or `targetsPtr`, or overlaps neither.
 */
export function mean_squared_error_f32(count: usize, yPtr: usize, targetsPtr: usize, gradPtr: usize): f32 {
  return meanLoss(Loss.MeanSquaredError, count, yPtr, targetsPtr, gradPtr, 0);
}

/**
 * Mean of (max(z, 0) − z·t) + log(1 + e^−|z|) for logits z, and (σ(z) − t)/count, each times fl(1/count).
 *
 * Numerics: the logarithm keeps its relative accuracy (math.ts: log1p), so a confident and right logit has a tiny loss,
 * not 0. The gradient is formed from p = σ(−|z|) as p − t where z < 0, else (1 − t) − p, for the same reason.
 */
export function binary_cross_entropy_f32(count: usize, logitsPtr: usize, targetsPtr: usize, gradPtr: usize): f32 {
  return meanLoss(Loss.BinaryCrossEntropy, count, logitsPtr, targetsPtr, gradPtr, 0);
}

/**
 * Mean of ½·d² where |d| < delta, else delta·(|d| − ½·delta), d = y − t; gradient: d, no further from 0 than delta,
 * times fl(1/count).
 *
 * Source: PyTorch's HuberLoss.
 */
export function huber_f32(count: usize, yPtr: usize, targetsPtr: usize, gradPtr: usize, delta: f32): f32 {
  return meanLoss(Loss.Huber, count, yPtr, targetsPtr, gradPtr, delta);
}

// @ts-ignore: decorator
@inline function sumOfLanes(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/** The largest element from `ptr` to `end`, a NaN left out; −∞ if there is none. */
function maximum(ptr: usize, end: usize): f32 {
  let lanes = f32x4.splat(-Infinity);
  for (; ptr + 16 <= end; ptr += 16) lanes = f32x4.pmax(lanes, v128.load(ptr));
  let max = pmax<f32>(
    pmax<f32>(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
    pmax<f32>(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
  );
  for (; ptr < end; ptr += 4) max = pmax<f32>(max, load<f32>(ptr));
  return max;
}

/** Σ e^(z − max); the addends are stored from `out` on unless it is 0. */
function sumOfExponentials(z: usize, end: usize, max: f32, out: usize): f32 {
  let sums = f32x4.splat(0);
  for (; z + 16 <= end; z += 16) {
    const e = exp<v128>(f32x4.sub(v128.load(z), f32x4.splat(max)));
    sums = f32x4.add(sums, e);
    if (out) {
      v128.store(out, e);
      out += 16;
    }
  }
  let sum = sumOfLanes(sums);
  for (; z < end; z += 4) {
    const e = exp<f32>(load<f32>(z) - max);
    sum += e;
    if (out) {
      store<f32>(out, e);
      out += 4;
    }
  }
  return sum;
}

/** Turns the exponentials e of a row into its gradient (e / sum · mass − t) · weight; t = 0 where `target` is 0. */
function rowGradient(e: usize, end: usize, sum: f32, target: usize, mass: f32, weight: f32): void {
  for (; e + 16 <= end; e += 16) {
    let t = f32x4.splat(0);
    if (target) {
      t = v128.load(target);
      target += 16;
    }
    const share = f32x4.mul(f32x4.div(v128.load(e), f32x4.splat(sum)), f32x4.splat(mass));
    v128.store(e, f32x4.mul(f32x4.sub(share, t), f32x4.splat(weight)));
  }
  for (; e < end; e += 4) {
    let t: f32 = 0;
    if (target) {
      t = load<f32>(target);
      target += 4;
    }
    store<f32>(e, (load<f32>(e) / sum * mass - t) * weight);
  }
}

/** The index that a target holds, −1 if it is none of `columns`. */
function indexOf(target: f32, columns: usize): i32 {
  if (!(target >= 0 && target < 2147483648)) return -1;
  const index = <i32>target;
  return <f32>index == target && <usize>index < columns ? index : -1;
}

/**
 * Mean over the rows of Σⱼ tⱼ·(log Σ e^(z − max) − (zⱼ − max)), and its gradient (softmax(z)·Σt − t)/rows.
 * Targets are one class index a row (t is 1 there), or a row of probabilities, which need not sum to one.
 *
 * Requires: `gradPtr` is 0, equals `logitsPtr`, or overlaps nothing else that is read.
 * Memory: a row's gradient first holds its exponentials.
 * Numerics: a loss is log(s)·Σt − Σ tⱼ·(zⱼ − max), s = Σ e^(zⱼ − max), the gradient ((e / s)·Σt − t)·fl(1/rows). Sums
 * over a row: element j of the whole vectors goes to partial sum j mod 4, these are joined as (0 + 1) + (2 + 3), the
 * last columns mod 4 elements are added one by one. The sum over the rows is in float64, in ascending order; the mean
 * is rounded to float32 once; no rows have the mean NaN. A target that is no index of a column makes the loss, and the
 * gradient of its row, NaN.
 */
export function softmax_cross_entropy_f32(
  rows: usize, columns: usize, logitsPtr: usize, targetsPtr: usize, targetsAreIndices: i32, gradPtr: usize,
): f32 {
  const rowBytes = columns << 2;
  const weight: f32 = <f32>(1.0 / <f64>rows);
  let total: f64 = 0;
  for (let row: usize = 0; row < rows; row++, logitsPtr += rowBytes) {
    const end = logitsPtr + rowBytes;
    const max = maximum(logitsPtr, end);
    let index: i32 = -1;
    let mass: f32 = NaN; // Σt
    let cross: f32 = NaN; // Σ t·(z − max)
    if (targetsAreIndices) {
      index = indexOf(load<f32>(targetsPtr), columns);
      if (index >= 0) {
        mass = 1;
        cross = load<f32>(logitsPtr + (<usize>index << 2)) - max;
      }
    } else {
      let masses = f32x4.splat(0), crosses = masses;
      let z = logitsPtr, t = targetsPtr;
      for (; z + 16 <= end; z += 16, t += 16) {
        const ti = v128.load(t);
        masses = f32x4.add(masses, ti);
        crosses = f32x4.add(crosses, f32x4.mul(ti, f32x4.sub(v128.load(z), f32x4.splat(max))));
      }
      mass = sumOfLanes(masses);
      cross = sumOfLanes(crosses);
      for (; z < end; z += 4, t += 4) {
        const ti = load<f32>(t);
        mass += ti;
        cross += ti * (load<f32>(z) - max);
      }
    }
    const sum = sumOfExponentials(logitsPtr, end, max, gradPtr);
    total += <f64>(log<f32>(sum) * mass - cross);
    if (gradPtr) {
      const at = gradPtr + (<usize>index << 2);
      const e: f32 = index < 0 ? 0 : load<f32>(at);
      rowGradient(gradPtr, gradPtr + rowBytes, sum, targetsAreIndices ? 0 : targetsPtr, mass, weight);
      if (index >= 0) store<f32>(at, (e / sum - 1) * weight);
      gradPtr += rowBytes;
    }
    targetsPtr += targetsAreIndices ? 4 : rowBytes;
  }
  return <f32>(total / <f64>rows);
}

/** Index of the first largest element; −1 if there is a NaN, or nothing at all. */
function argMax(ptr: usize, columns: usize): i32 {
  let best: i32 = -1;
  let max: f32 = 0;
  for (let j: usize = 0; j < columns; j++) {
    const x = load<f32>(ptr + (j << 2));
    if (x != x) return -1;
    if (best < 0 || x > max) {
      best = <i32>j;
      max = x;
    }
  }
  return best;
}

/**
 * Rows whose first largest element stands where the target says: at its index, or at the first largest of its
 * probabilities. With one column: rows where y > threshold and t > ½ agree. NaN, in y or t, is never correct.
 */
export function count_correct_f32(
  rows: usize, columns: usize, yPtr: usize, targetsPtr: usize, targetsAreIndices: i32, threshold: f32,
): i32 {
  const rowBytes = columns << 2;
  let correct: i32 = 0;
  for (; rows > 0; rows--, yPtr += rowBytes) {
    if (columns == 1) {
      const y = load<f32>(yPtr);
      const t = load<f32>(targetsPtr);
      correct += i32(y == y && t == t && y > threshold == t > 0.5);
    } else {
      const best = argMax(yPtr, columns);
      const target = targetsAreIndices ? load<f32>(targetsPtr) : <f32>argMax(targetsPtr, columns);
      correct += i32(best >= 0 && <f32>best == target);
    }
    targetsPtr += targetsAreIndices ? 4 : rowBytes;
  }
  return correct;
}
