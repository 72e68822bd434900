import { argMax, indexOf } from "../nn/loss";
import { Loss, meanLoss } from "../nn/mean-loss";

/**
 * Mean of |y − t| over rows·columns elements; gradient: the sign of y − t, 0 where they are equal, times fl(1/count).
 * `weightsPtr`, one weight for each row, may be 0: absent; see nn/mean-loss.ts.
 *
 * Requires (as those below): `gradPtr` is 0, equals `yPtr` or `targetsPtr`, or overlaps neither.
 */
export function mean_absolute_error_f32(
  rows: usize, columns: usize, yPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize,
): f32 {
  const count = <f64>(rows * columns);
  return meanLoss(Loss.MeanAbsoluteError, rows, columns, count, yPtr, targetsPtr, weightsPtr, gradPtr, 0);
}

/** Whether each of `count` labels is 0 or 1. */
function areBinary(count: usize, targets: usize): bool {
  for (; count; count--, targets += 4) {
    const target = load<f32>(targets);
    if (target != 0 && target != 1) return false;
  }
  return true;
}

/**
 * Mean of max(1 − t·y, 0) over rows·columns elements; gradient: −t where 1 − t·y is above 0, else 0, times fl(1/count).
 * Labels are −1 and 1; if all of them are 0 or 1, 0 stands for −1.
 *
 * Source: Keras 3's Hinge, which looks at the labels of the batch, too.
 */
export function hinge_f32(
  rows: usize, columns: usize, yPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize,
): f32 {
  const count = rows * columns;
  const binary: f32 = areBinary(count, targetsPtr) ? 1 : 0;
  return meanLoss(Loss.Hinge, rows, columns, <f64>count, yPtr, targetsPtr, weightsPtr, gradPtr, binary);
}

/**
 * Mean over the rows of Σ t·log(t / y) for probabilities, each taken from 1e-7 to 1; gradient: −t/y where y is in that
 * range, else 0, times fl(1/rows).
 *
 * Source: Keras 3's KLDivergence.
 */
export function kl_divergence_f32(
  rows: usize, columns: usize, yPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize,
): f32 {
  return meanLoss(Loss.KlDivergence, rows, columns, <f64>rows, yPtr, targetsPtr, weightsPtr, gradPtr, 0);
}

/**
 * Mean of (1 − t)·z + (1 + (p − 1)·t)·−log σ(z) for logits z: binary cross-entropy whose positive examples count
 * `positiveWeight` = p times.
 *
 * Numerics: as `binary_cross_entropy_f32`; the gradient is w·σ(−|z|) − p·t where z < 0, else (1 − t) − w·σ(−|z|), with
 * w = 1 + (p − 1)·t.
 * Source: PyTorch's BCEWithLogitsLoss, pos_weight.
 */
export function weighted_binary_cross_entropy_f32(
  rows: usize, columns: usize, logitsPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize,
  positiveWeight: f32,
): f32 {
  const count = <f64>(rows * columns);
  const kind = Loss.WeightedBinaryCrossEntropy;
  return meanLoss(kind, rows, columns, count, logitsPtr, targetsPtr, weightsPtr, gradPtr, positiveWeight);
}

/**
 * out[i, j] = t[i, j]·kept + share, for rows of targets, or with `targetsAreIndices` for rows that are 1 at the target's
 * index and 0 elsewhere. An index out of range gives NaN.
 *
 * Requires: `outPtr` equals `targetsPtr`, which are no indices then, or the two do not overlap.
 */
export function smooth_labels_f32(
  rows: usize, columns: usize, targetsPtr: usize, targetsAreIndices: i32, kept: f32, share: f32, outPtr: usize,
): void {
  assert(!((targetsPtr | outPtr) & 3), "operands are 4-byte aligned");
  if (!targetsAreIndices) {
    for (let count = rows * columns; count; count--, targetsPtr += 4, outPtr += 4) {
      store<f32>(outPtr, load<f32>(targetsPtr) * kept + share);
    }
    return;
  }
  for (; rows; rows--, targetsPtr += 4) {
    const index = indexOf(load<f32>(targetsPtr), columns);
    for (let j: usize = 0; j < columns; j++, outPtr += 4) {
      store<f32>(outPtr, index < 0 ? NaN : (<usize>index == j ? kept : 0) + share);
    }
  }
}

/**
 * out[i] = w[c] · weights[i] for the class c of row i: its target's index, the first largest of its probabilities, or
 * with one column the target itself, 0 or 1. `weightsPtr` may be 0: absent. What is no class gives NaN.
 *
 * Requires: `outPtr` equals `weightsPtr`, or overlaps nothing.
 */
export function class_weights_f32(
  rows: usize, columns: usize, targetsPtr: usize, targetsAreIndices: i32, classes: usize, classWeightsPtr: usize,
  weightsPtr: usize, outPtr: usize,
): void {
  assert(!((targetsPtr | classWeightsPtr | weightsPtr | outPtr) & 3), "operands are 4-byte aligned");
  const single = targetsAreIndices || columns == 1;
  const rowBytes: usize = single ? 4 : columns << 2;
  for (; rows; rows--, targetsPtr += rowBytes, outPtr += 4) {
    const index = single ? indexOf(load<f32>(targetsPtr), classes) : argMax(targetsPtr, columns);
    let weight: f32 = index < 0 || <usize>index >= classes ? NaN : load<f32>(classWeightsPtr + (<usize>index << 2));
    if (weightsPtr) {
      weight *= load<f32>(weightsPtr);
      weightsPtr += 4;
    }
    store<f32>(outPtr, weight);
  }
}
