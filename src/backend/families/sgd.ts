import type { KernelFamily, StepKernel } from "../family.js";
import { sgdKernels } from "../js/optim/sgd.js";
import { binary } from "../wasm/binaries/sgd.js";
import { SGD_STEPS } from "./core-steps.js";

/** The step of SGD, in a binary of its own: a program that does not use it does not load it. */
export interface SGDKernels {
  sgd_f32: StepKernel;
}

export const sgdFamily: KernelFamily<SGDKernels> = {
  name: "sgd",
  binary,
  js: sgdKernels,
  steps: SGD_STEPS,
};
