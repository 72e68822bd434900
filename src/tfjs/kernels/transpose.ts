import type { TfKernel } from "./kernel.js";
import { sizeOf } from "./shapes.js";

/**
 * A permutation of axes. One that moves no elements shares them, where TensorFlow.js copies; one that exchanges two
 * neighboring blocks of axes is a transposition of matrices; others are left to TensorFlow.js.
 */
export const transpose: TfKernel = {
  name: "Transpose",
  run({ x }, attrs, { heap, reduce }) {
    if (x == null || (x.dtype !== "float32" && x.dtype !== "int32")) return undefined;
    const { perm } = attrs as { perm: readonly number[] };
    const shape = perm.map((axis) => x.shape[axis]!);
    // Axes of 1 can be anywhere.
    const order = perm.filter((axis) => x.shape[axis] !== 1);
    const sorted = order.slice().sort((a, b) => a - b);
    let begin = 0;
    while (begin < order.length && order[begin] === sorted[begin]) begin++;
    if (begin === order.length) return heap.share(x, shape);
    let end = order.length;
    while (order[end - 1] === sorted[end - 1]) end--;
    // [a …, b …] → [b …, a …] within begin to end.
    const split = sorted.indexOf(order[begin]!);
    const length = end - begin;
    for (let i = 0; i < length; i++) {
      if (order[begin + i] !== sorted[begin + ((split - begin + i) % length)]) return undefined;
    }
    const size = (from: number, to: number) =>
      sorted.slice(from, to).reduce((product, axis) => product * x.shape[axis]!, 1);
    const y = heap.output(shape, x.dtype);
    const [from, to] = [heap.address(x), heap.address(y)];
    const inner = size(end, sorted.length);
    if (sizeOf(shape) > 0) reduce.transpose_f32(size(0, begin), size(begin, split), size(split, end), inner, from, to);
    return y;
  },
};
