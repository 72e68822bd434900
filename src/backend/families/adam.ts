import type { KernelFamily, StepKernel } from "../family.js";
import { adamKernels } from "../js/optim/adam.js";
import { binary } from "../wasm/binaries/adam.js";
import { ADAM_STEPS } from "./core-steps.js";

/** The step of Adam, in a binary of its own: a program that does not use it does not load it. */
export interface AdamKernels {
  adam_f32: StepKernel;
}

export const adamFamily: KernelFamily<AdamKernels> = {
  name: "adam",
  binary,
  js: adamKernels,
  steps: ADAM_STEPS,
};
