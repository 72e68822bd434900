import { Loss, meanLoss } from "../mean-loss";

/**
 * Mean of (max(z, 0) − z·t) + log(1 + e^−|z|) for logits z, and (σ(z) − t)/count, each times fl(1/count).
 *
 * Numerics: the logarithm keeps its relative accuracy (math.ts: log1p), so a confident and right logit has a tiny loss,
 * not 0. The gradient is formed from p = σ(−|z|) as p − t where z < 0, else (1 − t) − p, for the same reason.
 */
export function binary_cross_entropy_f32(
  rows: usize, columns: usize, logitsPtr: usize, targetsPtr: usize, weightsPtr: usize, gradPtr: usize,
): f32 {
  const count = <f64>(rows * columns);
  return meanLoss(Loss.BinaryCrossEntropy, rows, columns, count, logitsPtr, targetsPtr, weightsPtr, gradPtr, 0);
}

/**
 * What makes a binary cross-entropy count its positive examples `factor` = p times: for each target t the weight
 * w = 1 + (p − 1)·t and the target p·t / w. With t = 0 or 1 the target stays as it is. Element i's weight is also
 * multiplied by weights[⌊i / repeat⌋], unless `weightsPtr` is 0.
 *
 * Source: w·((1 − p·t/w)·z + log(1 + e^−z)) = (1 − t)·z + w·log(1 + e^−z), which is PyTorch's pos_weight.
 * Requires: `outPtr` equals `targetsPtr`, or the two do not overlap; `outWeightsPtr` equals `weightsPtr` with a
 * `repeat` of 1, or overlaps nothing.
 */
export function positive_weights_f32(
  count: usize, targetsPtr: usize, factor: f32, weightsPtr: usize, repeat: usize, outPtr: usize, outWeightsPtr: usize,
): void {
  assert(!((targetsPtr | weightsPtr | outPtr | outWeightsPtr) & 3), "operands are 4-byte aligned");
  for (let i: usize = 0; i < count; i++, targetsPtr += 4, outPtr += 4, outWeightsPtr += 4) {
    const target = load<f32>(targetsPtr);
    const weight: f32 = <f32>1 + (factor - 1) * target;
    const share: f32 = weightsPtr ? load<f32>(weightsPtr + ((i / repeat) << 2)) : 1;
    store<f32>(outPtr, factor * target / weight);
    store<f32>(outWeightsPtr, weight * share);
  }
}
