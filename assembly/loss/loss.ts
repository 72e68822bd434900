import { Loss, meanLoss } from "../mean-loss";

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
