import type { KernelFamily } from "../family.js";
import { lossKernels } from "../js/loss/loss.js";
import { binary } from "../wasm/binaries/loss.js";
import type { ElementLossKernel } from "./regression.js";

/** The losses that fewer networks need. `weightsPtr` has one weight for each row, or is 0. */
export interface LossKernels {
  /**
   * Mean of max(1 − t·y, 0) over the elements; labels −1 and 1, or 0 and 1. Writes the gradient of the mean unless
   * `gradPtr` is 0, as the other does.
   */
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
  js: lossKernels,
  warmUp(kernels) {
    const [x, y, z, rows, columns] = [1024, 65536, 131072, 128, 64];
    kernels.hinge_f32(rows, columns, x, y, 0, z);
    kernels.kl_divergence_f32(rows, columns, x, y, 0, z, rows);
  },
};
