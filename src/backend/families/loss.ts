import type { KernelFamily } from "../family.js";
import { moreLossKernels } from "../js/loss/loss.js";
import { binary } from "../wasm/binaries/loss.js";
import type { ElementLossKernel } from "./nn.js";

/** The losses beyond those of the nn family, and what changes targets and weights. `weightsPtr` may be 0: absent. */
export interface LossKernels {
  /** Mean of |y − t| over the elements; writes the gradient of the mean unless `gradPtr` is 0, as the others do. */
  mean_absolute_error_f32: ElementLossKernel;
  /** Mean of max(1 − t·y, 0) over the elements; labels −1 and 1, or 0 and 1. */
  hinge_f32: ElementLossKernel;
  /** Mean over the rows of Σ t·log(t / y), probabilities taken from 1e-7 to 1. */
  kl_divergence_f32: ElementLossKernel;
  /** Binary cross-entropy of logits whose positive examples count `positiveWeight` times. */
  weighted_binary_cross_entropy_f32(
    rows: number,
    columns: number,
    yPtr: number,
    targetsPtr: number,
    weightsPtr: number,
    gradPtr: number,
    positiveWeight: number,
  ): number;
  /** out = t·kept + share, for rows of targets or, from indices, rows that are 1 there and 0 elsewhere. */
  smooth_labels_f32(
    rows: number,
    columns: number,
    targetsPtr: number,
    targetsAreIndices: number,
    kept: number,
    share: number,
    outPtr: number,
  ): void;
  /** out[i] = classWeights[class of row i] · weights[i]. */
  class_weights_f32(
    rows: number,
    columns: number,
    targetsPtr: number,
    targetsAreIndices: number,
    classes: number,
    classWeightsPtr: number,
    weightsPtr: number,
    outPtr: number,
  ): void;
}

export const lossFamily: KernelFamily<LossKernels> = {
  name: "loss",
  binary,
  js: moreLossKernels,
  warmUp(kernels) {
    const [x, y, z, rows, columns] = [1024, 65536, 131072, 128, 64];
    kernels.mean_absolute_error_f32(rows, columns, x, y, 0, z);
    kernels.hinge_f32(rows, columns, x, y, 0, z);
    kernels.kl_divergence_f32(rows, columns, x, y, 0, z);
    kernels.weighted_binary_cross_entropy_f32(rows, columns, x, y, 0, z, 2);
  },
};
