import { Window } from "./window";

/**
 * One dimension of a gathering product: element t of a grid reads the source at t·step + offset + i·tapStep, with the
 * kernel's element kernel + i·kernelStep, for i = 0 … taps − 1. It is written to outFirst + t·outStep.
 */
@unmanaged
export class Axis {
  /** Elements of the grid. */
  count: i32;
  outFirst: i32;
  outStep: i32;
  /** Elements of the source. */
  size: i32;
  step: i32;
  offset: i32;
  taps: i32;
  tapStep: i32;
  kernel: i32;
  kernelStep: i32;
}

/** y from x. */
function forward(a: Axis, out: i32, size: i32, kernel: i32, stride: i32, dilation: i32, pad: i32): void {
  a.count = out;
  a.outFirst = 0;
  a.outStep = 1;
  a.size = size;
  a.step = stride;
  a.offset = -pad;
  a.taps = kernel;
  a.tapStep = dilation;
  a.kernel = 0;
  a.kernelStep = 1;
}

/**
 * dx from dy, for those elements of dx whose index is `residue` modulo the stride: all of them read the same elements of
 * the kernel, those with (residue + pad − k·dilation) divisible by the stride. Descending k is ascending position in dy.
 */
function backward(
  a: Axis, residue: i32, size: i32, out: i32, kernel: i32, stride: i32, dilation: i32, pad: i32,
): void {
  a.count = (size - residue + stride - 1) / stride;
  a.outFirst = residue;
  a.outStep = stride;
  a.size = out;
  a.step = 1;
  let period = 1;
  while (period * dilation % stride) period++;
  let k = kernel - 1;
  const lowest = max(kernel - period, 0);
  while (k >= lowest && (residue + pad - k * dilation) % stride) k--;
  a.taps = k < lowest ? 0 : k / period + 1;
  a.offset = (residue + pad - k * dilation) / stride;
  a.tapStep = period * dilation / stride;
  a.kernel = k;
  a.kernelStep = -period;
}

export function forwardRows(a: Axis, w: Window): void {
  forward(a, w.outHeight, w.inHeight, w.kernelHeight, w.strideHeight, w.dilationHeight, w.padTop);
}

export function forwardColumns(a: Axis, w: Window): void {
  forward(a, w.outWidth, w.inWidth, w.kernelWidth, w.strideWidth, w.dilationWidth, w.padLeft);
}

export function backwardRows(a: Axis, w: Window, residue: i32): void {
  backward(a, residue, w.inHeight, w.outHeight, w.kernelHeight, w.strideHeight, w.dilationHeight, w.padTop);
}

export function backwardColumns(a: Axis, w: Window, residue: i32): void {
  backward(a, residue, w.inWidth, w.outWidth, w.kernelWidth, w.strideWidth, w.dilationWidth, w.padLeft);
}

/** From the first element of the source that a grid of `count` reads to the last, and one further. */
// @ts-ignore: decorator
@inline export function span(a: Axis, count: i32): i32 {
  return (count - 1) * a.step + (a.taps - 1) * a.tapStep + 1;
}

/** Whether the grid reads nothing outside the source. Requires: taps. */
// @ts-ignore: decorator
@inline export function isInside(a: Axis): bool {
  return a.offset >= 0 && a.offset + span(a, a.count) <= a.size;
}

/** The first element of the grid that is written to y or behind. */
export function gridAt(a: Axis, y: i32): i32 {
  return y <= a.outFirst ? 0 : min((y - a.outFirst + a.outStep - 1) / a.outStep, a.count);
}
