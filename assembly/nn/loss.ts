// The cross-entropy of classes: the mean, and the gradient of the mean, in one pass over the data; and the count of
// correct predictions.

import { log } from "../math";
import { maximum, sumOfExponentials, sumOfLanes } from "../softmax";

/** Turns the exponentials e of a row into its gradient (e / sum · mass − t) · weight; t = 0 where `target` is 0. */
export function rowGradient(e: usize, columns: usize, sum: f32, target: usize, mass: f32, weight: f32): void {
  const end = e + (columns << 2);
  for (const whole = end - ((columns & 3) << 2); e != whole; e += 16) {
    let t = f32x4.splat(0);
    if (target) {
      t = v128.load(target);
      target += 16;
    }
    const share = f32x4.mul(f32x4.div(v128.load(e), f32x4.splat(sum)), f32x4.splat(mass));
    v128.store(e, f32x4.mul(f32x4.sub(share, t), f32x4.splat(weight)));
  }
  for (; e != end; e += 4) {
    let t: f32 = 0;
    if (target) {
      t = load<f32>(target);
      target += 4;
    }
    store<f32>(e, (load<f32>(e) / sum * mass - t) * weight);
  }
}

/** The index that a target is, −1 if it is none of `columns`. */
// @ts-ignore: decorator
@inline export function indexOf(target: f32, columns: usize): i32 {
  if (!(target >= 0 && target < 2147483648)) return -1;
  const index = <i32>target;
  return <f32>index == target && <usize>index < columns ? index : -1;
}

/**
 * Mean over the rows of Σⱼ tⱼ·(log Σ e^(z − max) − (zⱼ − max)), and its gradient (softmax(z)·Σt − t)/rows.
 * Targets are one class index a row (t is 1 there), or a row of probabilities, which need not sum to one.
 *
 * Requires: `gradPtr` is 0, equals `logitsPtr`, or overlaps nothing else that is read.
 * Memory: a row's gradient first has its exponentials.
 * Numerics: a loss is log(s)·Σt − Σ tⱼ·(zⱼ − max), s = Σ e^(zⱼ − max), the gradient ((e / s)·Σt − t)·fl(1/rows). Sums
 * over a row: element j of the whole vectors goes to partial sum j mod 4, these are joined as (0 + 1) + (2 + 3), the
 * last columns mod 4 elements are added one by one. The sum over the rows is in float64, in ascending order; the mean
 * is rounded to float32 once; no rows have the mean NaN. `weightsPtr`, one weight for each `repeat` rows, may be 0: absent;
 * a row's loss is multiplied by its weight in float64, and fl(1/rows) in its gradient by it, rounded. A target that is no
 * index of a column makes the loss, and the gradient of its row, NaN.
 */
export function softmax_cross_entropy_f32(
  rows: usize, columns: usize, logitsPtr: usize, targetsPtr: usize, targetsAreIndices: i32, weightsPtr: usize,
  repeat: usize, gradPtr: usize,
): f32 {
  const rowBytes = columns << 2;
  const mean: f32 = <f32>(1.0 / <f64>rows);
  let total: f64 = 0;
  for (let row: usize = 0; row < rows; row++, logitsPtr += rowBytes) {
    const max = maximum(logitsPtr, columns);
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
      const end = z + rowBytes;
      for (const whole = end - ((columns & 3) << 2); z != whole; z += 16, t += 16) {
        const ti = v128.load(t);
        masses = f32x4.add(masses, ti);
        crosses = f32x4.add(crosses, f32x4.mul(ti, f32x4.sub(v128.load(z), f32x4.splat(max))));
      }
      mass = sumOfLanes(masses);
      cross = sumOfLanes(crosses);
      for (; z != end; z += 4, t += 4) {
        const ti = load<f32>(t);
        mass += ti;
        cross += ti * (load<f32>(z) - max);
      }
    }
    const sum = sumOfExponentials(logitsPtr, columns, max, gradPtr);
    const loss = <f64>(log<f32>(sum) * mass - cross);
    let weight = mean;
    if (weightsPtr) {
      const share = load<f32>(weightsPtr + ((row / repeat) << 2));
      weight = mean * share;
      total += loss * <f64>share;
    } else total += loss;
    if (gradPtr) {
      const at = gradPtr + (<usize>index << 2);
      const e: f32 = index < 0 ? 0 : load<f32>(at);
      rowGradient(gradPtr, columns, sum, targetsAreIndices ? 0 : targetsPtr, mass, weight);
      if (index >= 0) store<f32>(at, (e / sum - 1) * weight);
      gradPtr += rowBytes;
    }
    targetsPtr += targetsAreIndices ? 4 : rowBytes;
  }
  return <f32>(total / <f64>rows);
}

/** Index of the first largest element; −1 if there is a NaN, or nothing at all. */
export function argMax(ptr: usize, columns: usize): i32 {
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
 * Rows whose first largest element is where the target says: at its index, or at the first largest of its
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
