import { Loss, meanLoss } from "../mean-loss";

/**
 * Mean of (y − t)² over count = rows·columns elements, and 2·(y − t)/count as (y − t)·fl(2/count). `weightsPtr`, one
 * weight for each row, may be 0: absent; see mean-loss.ts.
 *
 * Requires (as the two below): `gradPtr` is 0, equals `yPtr` or `targetsPtr`, or overlaps neither.
 */
export function mean_squared_error_f32(
  rows: usize, columns: usize, yPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize,
): f32 {
  const count = <f64>(rows * columns);
  return meanLoss(Loss.MeanSquaredError, rows, columns, count, yPtr, targetsPtr, weightsPtr, gradPtr, 0);
}

/** Mean of |y − t| over rows·columns elements; gradient: the sign of y − t, 0 where they are equal, times fl(1/count). */
export function mean_absolute_error_f32(
  rows: usize, columns: usize, yPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize,
): f32 {
  const count = <f64>(rows * columns);
  return meanLoss(Loss.MeanAbsoluteError, rows, columns, count, yPtr, targetsPtr, weightsPtr, gradPtr, 0);
}

/**
 * Mean of ½·d² where |d| < delta, else delta·(|d| − ½·delta), d = y − t; gradient: d, no further from 0 than delta,
 * times fl(1/count).
 *
 * Source: PyTorch's HuberLoss.
 */
export function huber_f32(
  rows: usize, columns: usize, yPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize, delta: f32,
): f32 {
  return meanLoss(Loss.Huber, rows, columns, <f64>(rows * columns), yPtr, targetsPtr, weightsPtr, gradPtr, delta);
}
