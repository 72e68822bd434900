import { ACTIVATION } from "../backend.js";
import type { CallNumber, KernelArguments, KernelFamily } from "../family.js";
import { conv2dKernels } from "../js/conv/conv2d.js";
import { depthwiseKernels } from "../js/conv/depthwise.js";
import { binary } from "../wasm/binaries/conv.js";
import { windowNumber as named, WINDOW_SCRATCH, windowOperands, windowWord as word, writeWindow } from "../window.js";

/**
 * Convolutions over NHWC images, and their gradients. `windowPtr` is the address of a window (window.ts), whose words say
 * shapes, strides, dilation, padding and groups. `first` and `count` are the rows of the output that a call computes:
 * all of them for a whole one.
 */
export interface ConvKernels {
  /** Rows of y = activation(x ∗ weight + bias), of batch·outHeight. */
  conv2d_f32(
    windowPtr: number,
    first: number,
    count: number,
    xPtr: number,
    weightPtr: number,
    biasPtr: number,
    activation: number,
    yPtr: number,
    scratchPtr: number,
  ): void;
  /** Rows of dx, of batch·inHeight; with a bias and an activation a transposed convolution. */
  conv2d_backward_input_f32(
    windowPtr: number,
    first: number,
    count: number,
    dyPtr: number,
    weightPtr: number,
    biasPtr: number,
    activation: number,
    dxPtr: number,
    scratchPtr: number,
  ): void;
  /** Rows of dw, of kernelHeight·kernelWidth·inChannels / groups. */
  conv2d_backward_weight_f32(
    windowPtr: number,
    first: number,
    count: number,
    xPtr: number,
    dyPtr: number,
    dwPtr: number,
    scratchPtr: number,
  ): void;
  /** Bytes of scratch that the kernels need for this window. To be asked once before the first call. */
  conv2d_scratch_bytes(windowPtr: number): number;
  conv2d_backward_input_scratch_bytes(windowPtr: number): number;
  conv2d_backward_weight_scratch_bytes(windowPtr: number): number;

  /** Rows of y = activation(x ∗ weight + bias), each channel by itself; channel c makes c·multiplier + m. */
  depthwise_conv2d_f32(
    windowPtr: number,
    first: number,
    count: number,
    xPtr: number,
    weightPtr: number,
    biasPtr: number,
    activation: number,
    yPtr: number,
    scratchPtr: number,
  ): void;
  /** Rows of dx, of batch·inHeight. */
  depthwise_conv2d_backward_input_f32(
    windowPtr: number,
    first: number,
    count: number,
    dyPtr: number,
    weightPtr: number,
    dxPtr: number,
    scratchPtr: number,
  ): void;
  /** Channels first … first + count − 1, of outChannels, of every tap of dw. */
  depthwise_conv2d_backward_weight_f32(
    windowPtr: number,
    first: number,
    count: number,
    xPtr: number,
    dyPtr: number,
    dwPtr: number,
    scratchPtr: number,
  ): void;
  /** Bytes of scratch for `depthwise_conv2d_f32` and its gradient by the weight. To be asked once before the first call. */
  depthwise_conv2d_scratch_bytes(windowPtr: number): number;
  depthwise_conv2d_backward_input_scratch_bytes(windowPtr: number): number;
}

/** Multiply-adds of one pixel of y. */
const pixelWork: CallNumber = (args, words) => {
  const taps = named(args, words, "kernelHeight") * named(args, words, "kernelWidth");
  return (taps * named(args, words, "inChannels") * named(args, words, "outChannels")) / named(args, words, "groups");
};

/** The same where every channel is by itself. */
const depthwisePixelWork: CallNumber = (args, words) =>
  named(args, words, "kernelHeight") * named(args, words, "kernelWidth") * named(args, words, "outChannels");

/** Multiply-adds of `count` rows of y, or of dx. */
const rowsWork =
  (ofPixel: CallNumber): CallNumber =>
  (args, words) =>
    args[2]! * named(args, words, "outWidth") * ofPixel(args, words);
const inputWork =
  (ofPixel: CallNumber): CallNumber =>
  (args, words) =>
    (args[2]! * named(args, words, "inWidth") * ofPixel(args, words)) /
    (named(args, words, "strideHeight") * named(args, words, "strideWidth"));

/** The same for one element of dw. */
const elementWork: CallNumber = (args, words) =>
  named(args, words, "batch") * named(args, words, "outHeight") * named(args, words, "outWidth");

/** The scratch of one thread: what the kernel's `…_scratch_bytes` left in the window. */
const scratch = (argument: number, index: number) => ({
  argument,
  bytes(args: KernelArguments, words: Int32Array) {
    const bytes = word(args, words, index);
    if (bytes === 0) throw new Error("a window's scratch was not asked for before its first call");
    return bytes;
  },
});

/** Every kernel is cut along the rows that argument 1 is the first of and argument 2 counts. */
const ROWS = { count: 2, steps: { 1: 1 } } as const;

/** Elements of a row of y, of dx and of dw. */
const rowOfY: CallNumber = (args, words) => named(args, words, "outWidth") * named(args, words, "outChannels");
const rowOfX: CallNumber = (args, words) => named(args, words, "inWidth") * named(args, words, "inChannels");
const rowOfWeight: CallNumber = (args, words) => named(args, words, "outChannels");

export const convFamily: KernelFamily<ConvKernels> = {
  name: "conv",
  binary,
  js: (views) => ({ ...conv2dKernels(views), ...depthwiseKernels(views) }),
  warmUp(kernels, memory) {
    const words = new Int32Array(memory.buffer);
    for (const [inChannels, outChannels] of CHANNELS) warmUpConv2d(kernels, words, inChannels, outChannels);
    for (const [channels, multiplier] of DEPTHWISE) warmUpDepthwise(kernels, words, channels, multiplier);
  },
  shared: {
    conv2d_f32: {
      ...ROWS,
      operands: windowOperands(7, rowOfY),
      work: rowsWork(pixelWork),
      scratch: scratch(8, WINDOW_SCRATCH.forward),
    },
    conv2d_backward_input_f32: {
      ...ROWS,
      operands: windowOperands(7, rowOfX),
      work: inputWork(pixelWork),
      scratch: scratch(8, WINDOW_SCRATCH.input),
    },
    conv2d_backward_weight_f32: {
      ...ROWS,
      grain: 4,
      operands: windowOperands(5, rowOfWeight),
      work: (args, words) => args[2]! * named(args, words, "outChannels") * elementWork(args, words),
      scratch: scratch(6, WINDOW_SCRATCH.weight),
    },
    depthwise_conv2d_f32: {
      ...ROWS,
      operands: windowOperands(7, rowOfY),
      work: rowsWork(depthwisePixelWork),
      scratch: scratch(8, WINDOW_SCRATCH.forward),
    },
    depthwise_conv2d_backward_input_f32: {
      ...ROWS,
      operands: windowOperands(5, rowOfX),
      work: inputWork(depthwisePixelWork),
      scratch: scratch(6, WINDOW_SCRATCH.input),
    },
    depthwise_conv2d_backward_weight_f32: {
      ...ROWS,
      grain: 8,
      operands: [
        windowOperands(5, rowOfWeight)[0]!,
        {
          argument: 5,
          use: "write",
          offset: (args) => 4 * args[1]!,
          rows: (args, words) => named(args, words, "kernelHeight") * named(args, words, "kernelWidth"),
          stride: (args, words) => 4 * rowOfWeight(args, words),
          bytes: (args) => 4 * args[2]!,
        },
      ],
      work: (args, words) =>
        args[2]! * named(args, words, "kernelHeight") * named(args, words, "kernelWidth") * elementWork(args, words),
      scratch: scratch(6, WINDOW_SCRATCH.weight),
    },
  },
};

/** Channels whose strips and panels enter every tile of the 128-bit and the wide binary. */
const CHANNELS = [
  [8, 60],
  [8, 108],
  [3, 7],
] as const;

/** Forward and both gradients of a 3 × 3 window over 6 × 6 images. */
function warmUpConv2d(kernels: ConvKernels, words: Int32Array, inChannels: number, outChannels: number): void {
  const [window, x, y, weight, dw] = [64, 1024, 8192, 32768, 73728];
  const scratch = 131072;
  const size = { inHeight: 6, inWidth: 6, outHeight: 6, outWidth: 6, kernelHeight: 3, kernelWidth: 3 };
  const steps = { strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1, padTop: 1, padLeft: 1 };
  writeWindow(words, window, { batch: 1, inChannels, outChannels, groups: 1, ...size, ...steps });
  for (const activation of Object.values(ACTIVATION)) {
    kernels.conv2d_f32(window, 0, 6, x, weight, 0, activation, y, scratch);
  }
  kernels.conv2d_backward_weight_f32(window, 0, 9 * inChannels, x, y, dw, scratch);
  kernels.conv2d_backward_input_f32(window, 0, 6, y, weight, 0, 0, x, scratch);
  writeWindow(words, window, {
    batch: 1,
    inChannels: outChannels,
    outChannels: inChannels,
    groups: 1,
    ...size,
    ...steps,
  });
  kernels.conv2d_backward_input_f32(window, 0, 6, x, weight, 0, 0, y, scratch);
}

/** Channels and multipliers of depthwise convolutions that enter every loop over vectors. */
const DEPTHWISE = [
  [12, 1],
  [6, 2],
] as const;

/** Forward and both gradients of 3 × 3 windows whose strides are 1, whose pixels slide, and 2. */
function warmUpDepthwise(kernels: ConvKernels, words: Int32Array, inChannels: number, multiplier: number): void {
  const [window, x, y, weight, dw, scratch] = [64, 1024, 8192, 32768, 73728, 131072];
  const outChannels = inChannels * multiplier;
  for (const stride of [1, 2]) {
    const size = { inHeight: 6, inWidth: 6, outHeight: 6 / stride, outWidth: 6 / stride };
    const kernel = { kernelHeight: 3, kernelWidth: 3, strideHeight: stride, strideWidth: stride };
    const steps = { dilationHeight: 1, dilationWidth: 1, padTop: 1, padLeft: 1 };
    writeWindow(words, window, { batch: 1, inChannels, outChannels, groups: 1, ...size, ...kernel, ...steps });
    kernels.depthwise_conv2d_f32(window, 0, 6 / stride, x, weight, 0, ACTIVATION.relu, y, scratch);
    kernels.depthwise_conv2d_backward_weight_f32(window, 0, outChannels, x, y, dw, scratch);
    kernels.depthwise_conv2d_backward_input_f32(window, 0, 6, y, weight, x, scratch);
  }
}
