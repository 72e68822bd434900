import type { KernelFamily } from "../family.js";
import { binaryCrossEntropyKernels } from "../js/binary-cross-entropy/binary-cross-entropy.js";
import { binary } from "../wasm/binaries/binary-cross-entropy.js";
import type { ElementLossKernel } from "./regression.js";

/** Binary cross-entropy of logits, and what its option makes of targets and weights. */
export interface BinaryCrossEntropyKernels {
  /** Mean loss over the elements; writes the gradient of the mean unless `gradPtr` is 0. */
  binary_cross_entropy_f32: ElementLossKernel;
  /** What makes a binary cross-entropy count positive examples `factor` times: targets and weights of elements. */
  positive_weights_f32(
    count: number,
    targetsPtr: number,
    factor: number,
    weightsPtr: number,
    repeat: number,
    outPtr: number,
    outWeightsPtr: number,
  ): void;
}

export const binaryCrossEntropyFamily: KernelFamily<BinaryCrossEntropyKernels> = {
  name: "binary-cross-entropy",
  binary,
  js: binaryCrossEntropyKernels,
  warmUp: (kernels) => kernels.binary_cross_entropy_f32(128, 64, 1024, 65536, 0, 131072),
};
