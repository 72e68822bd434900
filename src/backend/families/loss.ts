import type { KernelFamily } from "../family.js";
import { moreLossKernels } from "../js/loss/loss.js";
import { binary } from "../wasm/binaries/loss.js";
import type { ElementLossKernel } from "./nn.js";

/** The losses beyond those of the nn family. `weightsPtr` has one weight for each row, or is 0. */
export interface LossKernels {
  /** Mean of |y − t| over the elements; writes the gradient of the mean unless `gradPtr` is 0, as the others do. */
  mean_absolute_error_f32: ElementLossKernel;
  /** Mean of max(1 − t·y, 0) over the elements; labels −1 and 1, or 0 and 1. */
  hinge_f32: ElementLossKernel;
  /** Σ t·log(t / y) / answers, probabilities taken from 1e-7 to 1. */
  kl_divergence_f32(
    rows: number,
    columns: number,
    yPtr: number,
    targetsPtr: number,
    weightsPtr: number,
    gradPtr: number,
    answers: number,
  ): number;
}

export const lossFamily: KernelFamily<LossKernels> = {
  name: "loss",
  binary,
  js: moreLossKernels,
  warmUp(kernels) {
    const [x, y, z, rows, columns] = [1024, 65536, 131072, 128, 64];
    kernels.mean_absolute_error_f32(rows, columns, x, y, 0, z);
    kernels.hinge_f32(rows, columns, x, y, 0, z);
    kernels.kl_divergence_f32(rows, columns, x, y, 0, z, rows);
  },
};
