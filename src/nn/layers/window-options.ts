import { WINDOW_BYTES, type Window, writeWindow } from "../../backend/window.js";
import { checkInteger, describe } from "../../checks.js";
import { OptionError, ShapeError } from "../../errors.js";
import type { Shape, Tensor } from "../../tensor.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";

/** Height and width, or one number for both. In one dimension: a number. */
export type Size = number | readonly [number, number];

/**
 * What is added around an image: nothing ("valid"); so much that a stride of 1 keeps its size, and below and right what
 * cannot be even ("same"); or rows above and below, and columns left and right. In one dimension a pair.
 */
export type Padding = "valid" | "same" | readonly [readonly [number, number], readonly [number, number]];

/** The same in one dimension. "causal": only before, so that no output sees a later element. */
export type Padding1d = "valid" | "same" | "causal" | readonly [number, number];

/** The options of a window along one axis. */
export interface AxisOptions {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: "valid" | "same" | "causal" | readonly [number, number];
}

/** A window along two axes. One of one dimension has an axis of length 1 before its own. */
export type AxesOptions = readonly [AxisOptions, AxisOptions];

/** What a window over one dimension is along the axis that it has not. */
const SINGLE: AxisOptions = { kernel: 1, stride: 1, dilation: 1, padding: "valid" };

/** The numbers of an option that is one number or a pair. */
export function checkSize(name: string, value: unknown, rank: 1 | 2): readonly [number, number] {
  if (rank === 2 && Array.isArray(value)) {
    if (value.length !== 2) throw new OptionError(`${name} has ${value.length} numbers, expected height and width`);
    checkInteger(`${name}[0]`, value[0], 1);
    checkInteger(`${name}[1]`, value[1], 1);
    return [value[0], value[1]];
  }
  checkInteger(name, value, 1);
  return [value as number, value as number];
}

/** Checks a padding option, and returns that of each axis. */
function checkPadding(value: unknown, rank: 1 | 2): readonly [AxisOptions["padding"], AxisOptions["padding"]] {
  if (value === "valid" || value === "same" || (rank === 1 && value === "causal")) return [value, value];
  const isPair = (pair: unknown): pair is [number, number] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((n) => Number.isInteger(n) && n >= 0);
  if (rank === 1 && isPair(value)) return [value, value];
  if (rank === 2 && Array.isArray(value) && value.length === 2 && value.every(isPair)) return [value[0]!, value[1]!];
  const pairs = rank === 1 ? `"causal", or [before, after]` : `or [[top, bottom], [left, right]]`;
  throw new OptionError(`padding is ${describe(value)}, expected "valid", "same", ${pairs} in whole numbers >= 0`);
}

/** Checks the options of a window, and returns them by axis. */
export function checkAxes(
  rank: 1 | 2,
  options: { kernelSize: unknown; strides: unknown; dilation?: unknown; padding: unknown },
  kernelName = "kernelSize",
): AxesOptions {
  const kernel = checkSize(kernelName, options.kernelSize, rank);
  const stride = checkSize("strides", options.strides, rank);
  const dilation = checkSize("dilation", options.dilation ?? 1, rank);
  const padding = checkPadding(options.padding, rank);
  const axis = (i: 0 | 1): AxisOptions => ({
    kernel: kernel[i],
    stride: stride[i],
    dilation: dilation[i],
    padding: padding[i],
  });
  return rank === 1 ? [SINGLE, axis(1)] : [axis(0), axis(1)];
}

/** From the first element that a window sees to its last. */
export function extent({ kernel, dilation }: AxisOptions): number {
  return (kernel - 1) * dilation + 1;
}

/** Length of the output along an axis, and elements of padding before the input. */
export function outputAlong(axis: AxisOptions, size: number): { size: number; before: number } {
  const { stride, padding } = axis;
  if (padding === "same") {
    const out = Math.ceil(size / stride);
    return { size: out, before: Math.max(Math.floor(((out - 1) * stride + extent(axis) - size) / 2), 0) };
  }
  const [before, after] = padding === "valid" ? [0, 0] : padding === "causal" ? [extent(axis) - 1, 0] : padding;
  const steps = Math.floor((size + before + after - extent(axis)) / stride);
  return { size: Math.max(steps + 1, 0), before };
}

/** Height, width and channels of a layer's input; a sequence has height 1. */
export function imageShape(kind: string, shape: Shape, rank: 1 | 2): readonly [number, number, number] {
  if (shape.length !== rank + 1) {
    const expected = rank === 1 ? "[steps, channels]" : "[height, width, channels]";
    throw new ShapeError(`${kind} was applied to shape [${shape}], expected ${expected}`);
  }
  return rank === 1 ? [1, shape[0]!, shape[1]!] : [shape[0]!, shape[1]!, shape[2]!];
}

/** A shape of an output, which must have elements. */
export function outputImage(kind: string, input: Shape, output: readonly [number, number, number], rank: 1 | 2): Shape {
  if (output[0] < 1 || output[1] < 1) {
    throw new ShapeError(`${kind} was applied to shape [${input}], which is smaller than its window`);
  }
  return rank === 1 ? [output[1], output[2]] : output;
}

/** The window of a convolution or pooling from x to y; `images` is the batch. */
export function windowOf(
  axes: AxesOptions,
  images: number,
  x: readonly [number, number, number],
  y: readonly [number, number, number],
  before: readonly [number, number],
  groups = 1,
): Window {
  const [rows, columns] = axes;
  return {
    batch: images,
    inHeight: x[0],
    inWidth: x[1],
    inChannels: x[2],
    outHeight: y[0],
    outWidth: y[1],
    outChannels: y[2],
    kernelHeight: rows.kernel,
    kernelWidth: columns.kernel,
    strideHeight: rows.stride,
    strideWidth: columns.stride,
    dilationHeight: rows.dilation,
    dilationWidth: columns.dilation,
    padTop: before[0],
    padLeft: before[1],
    groups,
  };
}

/** A window among a plan's constants, and its address for `…_scratch_bytes`. */
export function planWindow(builder: PlanBuilder, window: Window): { value: Value; ptr: number } {
  const words = new Int32Array(WINDOW_BYTES / 4);
  writeWindow(words, 0, window);
  const value = builder.constant(words);
  return { value, ptr: (value.place as Tensor).ptr };
}
