import type { KernelFamily } from "../family.js";
import { regressionKernels } from "../js/regression/regression.js";
import { binary } from "../wasm/binaries/regression.js";

/** A loss of elements; `weightsPtr` has one weight for each row, or is 0. */
export type ElementLossKernel = (
  rows: number,
  columns: number,
  yPtr: number,
  targetsPtr: number,
  weightsPtr: number,
  gradPtr: number,
) => number;

/** Losses of the distance between output and target: means over the elements. They write its gradient unless `gradPtr` is 0. */
export interface RegressionKernels {
  /** Mean of (y − t)². */
  mean_squared_error_f32: ElementLossKernel;
  /** Mean of |y − t|. */
  mean_absolute_error_f32: ElementLossKernel;
  /** Mean of ½·d² where |d| = |y − t| < delta, else delta·(|d| − ½·delta). */
  huber_f32(
    rows: number,
    columns: number,
    yPtr: number,
    targetsPtr: number,
    weightsPtr: number,
    gradPtr: number,
    delta: number,
  ): number;
}

export const regressionFamily: KernelFamily<RegressionKernels> = {
  name: "regression",
  binary,
  js: regressionKernels,
  warmUp(kernels) {
    const [x, y, z, rows, columns] = [1024, 65536, 131072, 128, 64];
    kernels.mean_squared_error_f32(rows, columns, x, y, 0, z);
    kernels.mean_absolute_error_f32(rows, columns, x, y, 0, z);
    kernels.huber_f32(rows, columns, x, y, 0, z, 1);
  },
};
