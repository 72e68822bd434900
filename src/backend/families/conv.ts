import { ACTIVATION } from "../backend.js";
import type { CallNumber, KernelArguments, KernelFamily } from "../family.js";
import { conv2dKernels } from "../js/conv/conv2d.js";
import { binary } from "../wasm/binaries/conv.js";
import { WINDOW, WINDOW_SCRATCH, writeWindow } from "../window.js";

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
}

/** A word of the window that argument 0 is the address of. */
const word = (args: KernelArguments, words: Int32Array, index: number) => words[(args[0]! >>> 2) + index]!;

/** Multiply-adds of all taps, in units of one row of y. */
const tapWork: CallNumber = (args, words) => {
  const at = (name: keyof typeof WINDOW) => word(args, words, WINDOW[name]);
  return (at("kernelHeight") * at("kernelWidth") * at("inChannels") * at("outChannels")) / at("groups");
};

const scratch = (argument: number, index: number) => ({
  argument,
  bytes: (args: KernelArguments, words: Int32Array) => word(args, words, index),
});

export const convFamily: KernelFamily<ConvKernels> = {
  name: "conv",
  binary,
  js: (views) => ({ ...conv2dKernels(views) }),
  warmUp(kernels, memory) {
    const words = new Int32Array(memory.buffer);
    for (const [inChannels, outChannels] of CHANNELS) warmUpConv2d(kernels, words, inChannels!, outChannels!);
  },
  shared: {
    conv2d_f32: {
      count: 2,
      steps: { 1: 1 },
      work: (args, words) => args[2]! * word(args, words, WINDOW.outWidth) * tapWork(args, words),
      scratch: scratch(8, WINDOW_SCRATCH.forward),
    },
    conv2d_backward_input_f32: {
      count: 2,
      steps: { 1: 1 },
      work: (args, words) =>
        (args[2]! * word(args, words, WINDOW.inWidth) * tapWork(args, words)) /
        (word(args, words, WINDOW.strideHeight) * word(args, words, WINDOW.strideWidth)),
      scratch: scratch(8, WINDOW_SCRATCH.input),
    },
    conv2d_backward_weight_f32: {
      count: 2,
      steps: { 1: 1 },
      grain: 4,
      work: (args, words) => {
        const at = (name: keyof typeof WINDOW) => word(args, words, WINDOW[name]);
        return args[2]! * at("outChannels") * at("batch") * at("outHeight") * at("outWidth");
      },
      scratch: scratch(6, WINDOW_SCRATCH.weight),
    },
  },
  scratchBytes: ["conv2d_scratch_bytes", "conv2d_backward_input_scratch_bytes", "conv2d_backward_weight_scratch_bytes"],
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
  kernels.conv2d_f32(window, 0, 6, x, weight, 0, ACTIVATION.relu, y, scratch);
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
