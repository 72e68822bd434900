import { FORM_NESTEROV, MODE_RESCALE } from "../../abi/step-table.js";
import type { KernelFamily, StepKernel } from "../family.js";
import { muonKernels } from "../js/optim/muon.js";
import { binary } from "../wasm/binaries/muon.js";

/** The step of Muon, in a binary of its own: a program that does not use it does not load it. */
export interface MuonKernels {
  muon_f32: StepKernel;
  /** Bytes of scratch of `muon_f32` for a parameter. */
  muon_scratch_bytes(count: number, rows: number, columns: number): number;
}

export const muonFamily: KernelFamily<MuonKernels> = {
  name: "muon",
  binary,
  js: muonKernels,
  steps: {
    muon_f32: {
      cut: "parameters",
      variants: [{}, { form: FORM_NESTEROV }, { mode: MODE_RESCALE }],
      signedState: true,
      scratch: "muon_scratch_bytes",
    },
  },
};
