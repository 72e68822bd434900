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
 * Σ t·log(t / y) / answers for probabilities, each taken from 1e-7 to 1; gradient: −t/y where y is in that range, else 0,
 * times fl(1/answers). A row has one answer or several.
 *
 * Source: Keras 3's KLDivergence.
 */
export function kl_divergence_f32(
  rows: usize, columns: usize, yPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize,
  answers: usize,
): f32 {
  return meanLoss(Loss.KlDivergence, rows, columns, <f64>answers, yPtr, targetsPtr, weightsPtr, gradPtr, 0);
}
