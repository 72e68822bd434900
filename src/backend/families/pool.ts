import type { CallNumber, KernelFamily } from "../family.js";
import { poolKernels } from "../js/pool/pool.js";
import { resizeKernels } from "../js/pool/resize.js";
import { binary } from "../wasm/binaries/pool.js";
import { windowNumber as named, windowOperands, writeWindow } from "../window.js";

/**
 * Pooling and resizing of NHWC images, and their gradients. `windowPtr` is the address of a window (window.ts); resizing
 * reads its sizes only. `first` and `count` are what a call computes: rows of y, of batch·outHeight, or images of dx.
 */
export interface PoolKernels {
  /** Rows of y: the largest element of each window; NaN is passed over. */
  max_pool_f32(windowPtr: number, first: number, count: number, xPtr: number, yPtr: number): void;
  /** Images of dx: dy of each window to its first largest element; y is what `max_pool_f32` returned. */
  max_pool_backward_f32(
    windowPtr: number,
    first: number,
    count: number,
    xPtr: number,
    yPtr: number,
    dyPtr: number,
    dxPtr: number,
  ): void;
  /** Rows of y: the mean of each window, of what is inside the image. */
  average_pool_f32(windowPtr: number, first: number, count: number, xPtr: number, yPtr: number): void;
  /** Images of dx. */
  average_pool_backward_f32(windowPtr: number, first: number, count: number, dyPtr: number, dxPtr: number): void;
  /** Rows of y: the nearest element of x, with TensorFlow's options. */
  resize_nearest_f32(
    windowPtr: number,
    first: number,
    count: number,
    alignCorners: number,
    halfPixelCenters: number,
    xPtr: number,
    yPtr: number,
  ): void;
  /** Images of dx. */
  resize_nearest_backward_f32(
    windowPtr: number,
    first: number,
    count: number,
    alignCorners: number,
    halfPixelCenters: number,
    dyPtr: number,
    dxPtr: number,
  ): void;
  /** Rows of y: between the four elements around each output, with TensorFlow's options. */
  resize_bilinear_f32(
    windowPtr: number,
    first: number,
    count: number,
    alignCorners: number,
    halfPixelCenters: number,
    xPtr: number,
    yPtr: number,
  ): void;
  /** Images of dx. */
  resize_bilinear_backward_f32(
    windowPtr: number,
    first: number,
    count: number,
    alignCorners: number,
    halfPixelCenters: number,
    dyPtr: number,
    dxPtr: number,
  ): void;
}

/** Elements of a row of y. */
const rowOfY: CallNumber = (args, words) => named(args, words, "outWidth") * named(args, words, "outChannels");
/** Elements of an image of dx. */
const imageOfX: CallNumber = (args, words) =>
  named(args, words, "inHeight") * named(args, words, "inWidth") * named(args, words, "inChannels");

/** Every kernel is cut along what argument 1 is the first of and argument 2 counts. */
const rowsOfY = (y: number) => ({
  count: 2,
  steps: { 1: 1 },
  operands: windowOperands(y, rowOfY),
  work: row,
});
const imagesOfX = (dx: number) => ({
  count: 2,
  steps: { 1: 1 },
  operands: windowOperands(dx, imageOfX),
  work: image,
});

/** Elements that a row of y looks at. */
const row: CallNumber = (args, words) =>
  args[2]! *
  named(args, words, "outWidth") *
  named(args, words, "inChannels") *
  named(args, words, "kernelHeight") *
  named(args, words, "kernelWidth");

const image: CallNumber = (args, words) => row(args, words) * named(args, words, "outHeight");

export const poolFamily: KernelFamily<PoolKernels> = {
  name: "pool",
  binary,
  js: (views) => ({ ...poolKernels(views), ...resizeKernels(views) }),
  warmUp(kernels, memory) {
    const [window, x, y, dy, dx] = [64, 1024, 65536, 131072, 196608];
    const kernel = { kernelHeight: 2, kernelWidth: 2, strideHeight: 2, strideWidth: 2, padTop: 0, padLeft: 0 };
    const size = { batch: 2, inHeight: 12, inWidth: 12, inChannels: 12, outHeight: 6, outWidth: 6, outChannels: 12 };
    const others = { dilationHeight: 1, dilationWidth: 1, groups: 1 };
    writeWindow(new Int32Array(memory.buffer), window, { ...size, ...kernel, ...others });
    kernels.max_pool_f32(window, 0, 12, x, y);
    kernels.max_pool_backward_f32(window, 0, 2, x, y, dy, dx);
    kernels.average_pool_f32(window, 0, 12, x, y);
    kernels.average_pool_backward_f32(window, 0, 2, dy, dx);
    kernels.resize_nearest_f32(window, 0, 12, 0, 0, x, y);
    kernels.resize_nearest_backward_f32(window, 0, 2, 0, 0, dy, dx);
    kernels.resize_bilinear_f32(window, 0, 12, 0, 0, x, y);
    kernels.resize_bilinear_backward_f32(window, 0, 2, 0, 0, dy, dx);
  },
  shared: {
    max_pool_f32: rowsOfY(4),
    max_pool_backward_f32: imagesOfX(6),
    average_pool_f32: rowsOfY(4),
    average_pool_backward_f32: imagesOfX(4),
    resize_nearest_f32: rowsOfY(6),
    resize_nearest_backward_f32: imagesOfX(6),
    resize_bilinear_f32: rowsOfY(6),
    resize_bilinear_backward_f32: imagesOfX(6),
  },
};
