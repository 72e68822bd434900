import type { TfKernel } from "./kernel.js";
import { sizeOf } from "./shapes.js";

/** Slices of x by index along an axis. Any elements of four bytes. TensorFlow.js's copies element by element. */
export const gatherV2: TfKernel = {
  name: "GatherV2",
  run({ x, indices }, attrs, context) {
    const { axis, batchDims } = attrs as { axis: number; batchDims: number };
    if (x == null || indices?.dtype !== "int32" || batchDims !== 0) return undefined;
    if ((x.dtype !== "float32" && x.dtype !== "int32") || sizeOf(x.shape) === 0) return undefined;
    const { heap, embedding } = context;
    const at = axis < 0 ? axis + x.shape.length : axis;
    const rows = x.shape[at]!;
    const count = sizeOf(indices.shape);
    const indicesPtr = heap.address(indices);
    // TensorFlow.js's own kernel throws, with the index.
    if (embedding.check_indices(count, rows, indicesPtr, 1) >= 0) return undefined;
    const shape = x.shape.slice(0, at);
    for (const size of indices.shape) shape.push(size);
    for (let i = at + 1; i < x.shape.length; i++) shape.push(x.shape[i]!);
    const y = heap.output(shape, x.dtype);
    const outer = sizeOf(x.shape, 0, at);
    const inner = sizeOf(x.shape, at + 1);
    const [from, to] = [heap.address(x), heap.address(y)];
    embedding.gather_f32(outer, count, inner, rows, indicesPtr, 1, from, to, count * inner);
    return y;
  },
};
