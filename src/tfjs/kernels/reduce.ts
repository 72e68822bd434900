import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { KernelContext, TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";

interface Attributes {
  axis: number | readonly number[] | null | undefined;
  keepDims?: boolean;
}

type Reduction = (outer: number, axis: number, inner: number, xPtr: number, yPtr: number) => void;

/** Sums over any axes, without the transposition that TensorFlow.js makes first. Numerics: float64 along an axis. */
export const sum: TfKernel = {
  name: "Sum",
  run: ({ x }, attrs, context) => reduce(x, attrs as Attributes, context.reduce.sum_f32, context),
};

/** Means over any axes. Numerics: float64 along an axis. */
export const mean: TfKernel = {
  name: "Mean",
  run: ({ x }, attrs, context) => reduce(x, attrs as Attributes, context.reduce.mean_f32, context),
};

function reduce(
  x: TensorInfo | null | undefined,
  { axis, keepDims = false }: Attributes,
  kernel: Reduction,
  context: KernelContext,
): TensorInfo | undefined {
  if (!isFloat32(x) || sizeOf(x.shape) === 0) return undefined;
  const axes = reducedAxes(axis, x.shape.length);
  if (!axes.includes(true)) return undefined;
  return reduceAxes(x, axes, keepDims, kernel, context);
}

function reduceAxes(
  x: TensorInfo,
  axes: readonly boolean[],
  keepDims: boolean,
  kernel: Reduction,
  context: KernelContext,
): TensorInfo {
  const { heap } = context;
  const { shape } = x;
  // The last run of axes to reduce. An axis of 1 does not interrupt it, and is nothing to do by itself.
  let end = shape.length;
  while (end > 1 && !(axes[end - 1] && shape[end - 1] !== 1)) end--;
  let begin = end;
  while (begin > 0 && (axes[begin - 1] || shape[begin - 1] === 1)) begin--;
  const isLast = !axes.some((isReduced, i) => isReduced && i < begin && shape[i] !== 1);
  const kept: number[] = [];
  for (let i = 0; i < shape.length; i++) {
    if (!axes[i] || (!isLast && i < begin)) kept.push(shape[i]!);
    else if (!isLast || keepDims) kept.push(1);
  }
  const out = heap.output(kept);
  const inner = sizeOf(shape, end);
  kernel(sizeOf(shape, 0, begin), sizeOf(shape, begin, end), inner, heap.address(x), heap.address(out));
  if (isLast) return out;
  // In `out` the reduced axes are 1: the next pass drops or keeps them.
  const result = reduceAxes(out, axes, keepDims, kernel, context);
  heap.dispose(out);
  return result;
}

/** Which axes are reduced; all if none are named. */
function reducedAxes(axis: Attributes["axis"], rank: number): boolean[] {
  const axes = new Array<boolean>(rank).fill(axis == null);
  if (axis == null) return axes;
  for (const i of typeof axis === "number" ? [axis] : axis) axes[i < 0 ? i + rank : i] = true;
  return axes;
}
