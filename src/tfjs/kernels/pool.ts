import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { KernelContext, TfKernel } from "./kernel.js";
import { isFloat32, sizeOf } from "./shapes.js";
import { isOutput, type PlannedWindow, type WindowAttributes } from "./window.js";

type PoolAttributes = WindowAttributes & { filterSize: number | [number, number] };

/** The window of a pooling of x, unless something about it is empty. */
function windowOf(x: TensorInfo, attrs: object, { windows }: KernelContext): PlannedWindow | undefined {
  const window = windows.pooling(x.shape, attrs as PoolAttributes);
  return sizeOf(x.shape) * sizeOf(window.outShape) === 0 ? undefined : window;
}

/** One number of each window. */
function pooling(name: "MaxPool" | "AvgPool", kernel: "max_pool_f32" | "average_pool_f32"): TfKernel {
  return {
    name,
    run({ x }, attrs, context) {
      if (!isFloat32(x)) return undefined;
      const window = windowOf(x, attrs, context);
      if (window === undefined) return undefined;
      const { heap, pool } = context;
      const y = heap.output([...window.outShape]);
      pool[kernel](window.ptr, 0, window.batch * window.outHeight, heap.address(x), heap.address(y));
      return y;
    },
  };
}

/** The largest element of each window. */
export const maxPool = pooling("MaxPool", "max_pool_f32");

/** The mean of each window. */
export const avgPool = pooling("AvgPool", "average_pool_f32");

/** Its gradient. TensorFlow.js's loses that of windows whose elements are all below 0. */
export const maxPoolGrad: TfKernel = {
  name: "MaxPoolGrad",
  run({ dy, input, output }, attrs, context) {
    if (!isFloat32(dy) || !isFloat32(input) || !isFloat32(output)) return undefined;
    const window = windowOf(input, attrs, context);
    if (window === undefined || !isOutput(dy, window) || !isOutput(output, window)) return undefined;
    const { heap, pool } = context;
    const dx = heap.output(input.shape.slice());
    const [x, y, by, to] = [heap.address(input), heap.address(output), heap.address(dy), heap.address(dx)];
    pool.max_pool_backward_f32(window.ptr, 0, window.batch, x, y, by, to);
    return dx;
  },
};

/** Whether every window is inside the image. */
const isInside = (w: PlannedWindow): boolean =>
  w.padTop <= 0 &&
  w.padLeft <= 0 &&
  (w.outHeight - 1) * w.strideHeight + w.kernelHeight - w.padTop <= w.inHeight &&
  (w.outWidth - 1) * w.strideWidth + w.kernelWidth - w.padLeft <= w.inWidth;

/**
 * Its gradient. Where a window leaves the image TensorFlow.js divides by all of the window's elements, not by those in
 * the image, on every backend: that is left to it.
 */
export const avgPoolGrad: TfKernel = {
  name: "AvgPoolGrad",
  run({ dy, input }, attrs, context) {
    if (!isFloat32(dy) || !isFloat32(input)) return undefined;
    const window = windowOf(input, attrs, context);
    if (window === undefined || !isOutput(dy, window) || !isInside(window)) return undefined;
    const { heap, pool } = context;
    const dx = heap.output(input.shape.slice());
    pool.average_pool_backward_f32(window.ptr, 0, window.batch, heap.address(dy), heap.address(dx));
    return dx;
  },
};
