import type { KernelFamily } from "../family.js";
import { dropoutKernels } from "../js/dropout/dropout.js";
import { binary } from "../wasm/binaries/dropout.js";

/** Dropout, in a binary of its own: a program that does not use it does not load it. */
export interface DropoutKernels {
  /** y = x · mask / (1 − rate); the mask is a function of seed and element index alone. */
  dropout_f32(count: number, xPtr: number, yPtr: number, seed: number, threshold: number, scale: number): void;
}

export const dropoutFamily: KernelFamily<DropoutKernels> = {
  name: "dropout",
  binary,
  js: dropoutKernels,
  warmUp: (kernels) => kernels.dropout_f32(8192, 1024, 65536, 1, 1 << 30, 2),
};
