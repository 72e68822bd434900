import { FORM_MEAN_FROM_GRADIENT, MODE_RESCALE } from "../../abi/step-table.js";
import type { KernelFamily, StepKernel } from "../family.js";
import { nadamKernels } from "../js/optim/nadam.js";
import { binary } from "../wasm/binaries/nadam.js";

/** The step of NAdam, in a binary of its own: a program that does not use it does not load it. */
export interface NAdamKernels {
  nadam_f32: StepKernel;
}

export const nadamFamily: KernelFamily<NAdamKernels> = {
  name: "nadam",
  binary,
  js: nadamKernels,
  steps: {
    nadam_f32: {
      cut: "elements",
      variants: [{}, { mode: MODE_RESCALE }, { form: FORM_MEAN_FROM_GRADIENT }],
    },
  },
};
