import type { TfKernel } from "./kernel.js";

/**
 * A tensor with the same elements. TensorFlow.js's copies them on the wasm backend, once for each operand that a gradient
 * needs; its other backends share them as this does.
 */
export const identity: TfKernel = {
  name: "Identity",
  run({ x }, _, { heap }) {
    if (x == null || x.dtype === "string" || x.dtype === "complex64") return undefined;
    return heap.share(x, x.shape);
  },
};
