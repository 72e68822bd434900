import { MODE_RESCALE } from "../../abi/step-table.js";
import type { KernelFamily, StepKernel } from "../family.js";
import { lionKernels } from "../js/optim/lion.js";
import { binary } from "../wasm/binaries/lion.js";

/** The step of Lion, in a binary of its own: a program that does not use it does not load it. */
export interface LionKernels {
  lion_f32: StepKernel;
}

export const lionFamily: KernelFamily<LionKernels> = {
  name: "lion",
  binary,
  js: lionKernels,
  steps: {
    lion_f32: {
      cut: "elements",
      variants: [{}, { mode: MODE_RESCALE }],
      signedState: true,
    },
  },
};
