import type { TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";

/**
 * x where x > 0, else alpha·x, with alpha broadcast. TensorFlow.js's takes the wrong slopes where an axis of alpha before
 * its last is broadcast and a later one is not, or the other way round.
 */
export const prelu: TfKernel = {
  name: "Prelu",
  run({ x, alpha }, _, { heap }) {
    if (!isFloat32(x) || !isFloat32(alpha)) return undefined;
    const size = sizeOf(alpha.shape);
    const isSuffix = alpha.shape.slice(firstAxis(alpha.shape)).every((length, i, { length: rank }) => {
      return length === x.shape[x.shape.length - rank + i];
    });
    if (size === 1 || isSuffix) return undefined;
    // y = relu(x) − alpha·relu(−x)
    const opposite = heap.call("Neg", { x });
    const below = heap.call("Relu", { x: opposite });
    heap.dispose(opposite);
    const sloped = heap.call("Multiply", { a: alpha, b: below });
    heap.dispose(below);
    const above = heap.call("Relu", { x });
    const y = heap.call("Sub", { a: above, b: sloped });
    heap.dispose(above);
    heap.dispose(sloped);
    return y;
  },
};

/** The first axis that is not 1. */
function firstAxis(shape: readonly number[]): number {
  let axis = 0;
  while (axis < shape.length && shape[axis] === 1) axis++;
  return axis;
}
