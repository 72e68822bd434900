import { MODE_RESCALE } from "../../abi/step-table.js";
import type { KernelFamily, StepKernel } from "../family.js";
import { adamKernels } from "../js/optim/adam.js";
import { binary } from "../wasm/binaries/adam.js";

/** The step of Adam, in a binary of its own: a program that does not use it does not load it. */
export interface AdamKernels {
  adam_f32: StepKernel;
}

export const adamFamily: KernelFamily<AdamKernels> = {
  name: "adam",
  binary,
  js: adamKernels,
  steps: {
    adam_f32: { cut: "elements", variants: [{ states: 2 }, { states: 3 }, { states: 2, mode: MODE_RESCALE }] },
  },
};
