import { FORM_MOMENTUM, FORM_NESTEROV, MODE_RESCALE } from "../../abi/step-table.js";
import type { KernelFamily, StepKernel } from "../family.js";
import { sgdKernels } from "../js/optim/sgd.js";
import { binary } from "../wasm/binaries/sgd.js";

/** The step of SGD, in a binary of its own: a program that does not use it does not load it. */
export interface SGDKernels {
  sgd_f32: StepKernel;
}

export const sgdFamily: KernelFamily<SGDKernels> = {
  name: "sgd",
  binary,
  js: sgdKernels,
  steps: {
    sgd_f32: {
      cut: "elements",
      variants: [{}, { mode: MODE_RESCALE }, { form: FORM_MOMENTUM }, { form: FORM_MOMENTUM | FORM_NESTEROV }],
      signedState: true,
    },
  },
};
