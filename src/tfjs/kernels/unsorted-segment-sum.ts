import type { TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";

/**
 * Sums of the rows of x that have the same segment, in ascending order; rows of other segments are left out. The gradient
 * of gather and with it of embedding layers, which the wasm backend lacks.
 */
export const unsortedSegmentSum: TfKernel = {
  name: "UnsortedSegmentSum",
  run({ x, segmentIds }, attrs, { heap, embedding }) {
    if (!isFloat32(x) || segmentIds?.dtype !== "int32") return undefined;
    const { numSegments } = attrs as { numSegments: number };
    const rank = segmentIds.shape.length;
    const count = sizeOf(segmentIds.shape);
    const columns = sizeOf(x.shape, rank);
    const y = heap.output([numSegments, ...x.shape.slice(rank)]);
    const [ids, from, to] = [heap.address(segmentIds), heap.address(x), heap.address(y)];
    embedding.scatter_add_f32(count, columns, numSegments, columns, ids, 1, 0, from, to);
    return y;
  },
};
