import { MODE_RESCALE } from "../../abi/step-table.js";
import type { KernelFamily, StepKernel } from "../family.js";
import { adafactorKernels } from "../js/optim/adafactor.js";
import { binary } from "../wasm/binaries/adafactor.js";

/** The step of Adafactor, in a binary of its own: a program that does not use it does not load it. */
export interface AdafactorKernels {
  adafactor_f32: StepKernel;
  /** Bytes of scratch of `adafactor_f32` for a parameter. */
  adafactor_scratch_bytes(count: number, rows: number, columns: number): number;
}

export const adafactorFamily: KernelFamily<AdafactorKernels> = {
  name: "adafactor",
  binary,
  js: adafactorKernels,
  steps: {
    adafactor_f32: {
      cut: "parameters",
      variants: [{ states: 2 }, { states: 3 }, { states: 2, mode: MODE_RESCALE }],
      factored: true,
      scratch: "adafactor_scratch_bytes",
    },
  },
};
