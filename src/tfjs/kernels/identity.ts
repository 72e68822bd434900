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

/** The elements as another type; of the same type they are shared, where TensorFlow.js copies them. */
export const cast: TfKernel = {
  name: "Cast",
  run({ x }, attrs, { heap }) {
    const { dtype } = attrs as { dtype: string };
    if (x == null || x.dtype !== dtype || x.dtype === "string" || x.dtype === "complex64") return undefined;
    return heap.share(x, x.shape);
  },
};
