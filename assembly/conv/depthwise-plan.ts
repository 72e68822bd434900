// What the kernels of depthwise convolutions share: where their operands are, and the table of taps.

import { TABLE_ROW } from "../gemm/microkernel";
import { backwardColumns, backwardRows, forwardColumns, forwardRows } from "./axis";
import { clear, layOut, Patches, patchesAt, PLAIN, REPEATED, SPLIT, tapOffset } from "./patches";
import { check, HEAD_BYTES, Window, WINDOW_BYTES, windowAt } from "./window";

/** Bytes of a row of the table of taps: from a pixel to its tap, and from the kernel's start to the tap's weights. */
export const TAP_ROW: usize = 8;
/** Neighboring pixels that are computed together where windows have three columns. */
export const PIXELS_A_PASS: usize = 4;

@unmanaged
export class Depthwise {
  patches: Patches;
  /** Channels of the output, and how many elements of a tap each is the sum of. */
  channels: usize;
  copies: usize;
  taps: usize;
  tapsEnd: usize;
  kernel: usize;
  kernelWidth: i32;
  /** Bytes of a tap's weights. */
  tapBytes: usize;
  /** A copy of the kernel whose channels are arranged as those of dy, or as they are read for windows of three columns. */
  split: usize;
  /** For those: where each element of a row of windows is, and a pixel of zeros. */
  columns: usize;
  zeros: usize;
  bias: usize;
  floor: f32;
  /** For windows that slide: their rows and columns, the bytes between them in what is read, and in the kernel. */
  rowTaps: i32;
  columnTaps: i32;
  xRow: usize;
  xStep: usize;
  firstWeights: usize;
  weightsRow: usize;
  weightsStep: usize;
  outStep: usize;
}

export function depthwiseAt(scratch: usize): Depthwise {
  const d = changetype<Depthwise>(scratch);
  d.patches = patchesAt(scratch + 128);
  return d;
}

export function setForward(d: Depthwise, w: Window): void {
  const patches = d.patches;
  forwardRows(patches.rows, w);
  forwardColumns(patches.columns, w);
  patches.channels = w.inChannels;
  patches.copies = w.outChannels / w.inChannels;
  patches.arrangement = patches.copies == 1 ? PLAIN : REPEATED;
  patches.outHeight = w.outHeight;
  patches.outWidth = w.outWidth;
  patches.outPixelBytes = <usize>w.outChannels * 4;
  d.channels = w.outChannels;
  d.copies = 1;
  d.kernelWidth = w.kernelWidth;
  d.tapBytes = patches.outPixelBytes;
}

export function setBackward(d: Depthwise, w: Window, rowResidue: i32, columnResidue: i32): void {
  const patches = d.patches;
  backwardRows(patches.rows, w, rowResidue);
  backwardColumns(patches.columns, w, columnResidue);
  patches.channels = w.outChannels;
  patches.copies = w.outChannels / w.inChannels;
  patches.arrangement = patches.copies == 1 ? PLAIN : SPLIT;
  patches.outHeight = w.inHeight;
  patches.outWidth = w.inWidth;
  patches.outPixelBytes = <usize>w.inChannels * 4;
  d.channels = w.inChannels;
  d.copies = patches.copies;
  d.kernelWidth = w.kernelWidth;
  d.tapBytes = <usize>w.outChannels * 4;
}

/** Where everything is in scratch, and how many bytes that takes. */
export function layOutDepthwise(d: Depthwise, scratch: usize): usize {
  const patches = d.patches;
  const taps = <usize>patches.rows.taps * patches.columns.taps;
  let bytes = layOut(patches, d.tapBytes >> 2);
  const byRows = hasThreeColumns(d);
  d.taps = scratch + HEAD_BYTES;
  d.tapsEnd = d.taps + taps * d.copies * TAP_ROW;
  d.split = d.tapsEnd;
  patches.table = d.split + (d.copies > 1 || byRows ? taps * d.tapBytes : 0);
  patches.copy = patches.table + <usize>patches.tablePixels * TABLE_ROW;
  if (byRows) {
    d.columns = patches.table;
    d.zeros = d.columns + <usize>(patches.rows.taps * (patches.columns.count + 2)) * 4;
    bytes = max(bytes, d.zeros + d.tapBytes - d.columns);
  }
  return patches.table + bytes - scratch;
}

/** Writes the table of taps, and empties that of pixels. */
export function begin(d: Depthwise): void {
  const patches = d.patches;
  const rows = patches.rows;
  const columns = patches.columns;
  let entry = d.taps;
  let split = d.split;
  const kernel = d.kernel;
  const isSplit = d.copies > 1;
  if (isSplit) d.kernel = d.split;
  for (let i = 0; i < rows.taps; i++) {
    for (let j = 0; j < columns.taps; j++) {
      const ky = rows.kernel + i * rows.kernelStep;
      const kx = columns.kernel + j * columns.kernelStep;
      const offset = tapOffset(patches, i, j);
      const weights = kernel + <usize>(ky * d.kernelWidth + kx) * d.tapBytes;
      for (let q: usize = 0; q < d.copies; q++) {
        store<u32>(entry, <u32>(offset + q * d.channels * 4));
        store<u32>(entry, <u32>((isSplit ? split : weights) - d.kernel), 4);
        entry += TAP_ROW;
        if (!isSplit) continue;
        for (let c: usize = 0; c < d.channels; c++, split += 4) {
          store<f32>(split, load<f32>(weights + (c * d.copies + q) * 4));
        }
      }
    }
  }
  d.rowTaps = rows.taps;
  d.columnTaps = columns.taps;
  d.xRow = tapOffset(patches, 1, 0);
  d.xStep = tapOffset(patches, 0, 1);
  d.firstWeights = kernel + <usize>(rows.kernel * d.kernelWidth + columns.kernel) * d.tapBytes;
  d.weightsRow = <usize>(rows.kernelStep * d.kernelWidth) * d.tapBytes;
  d.weightsStep = <usize>columns.kernelStep * d.tapBytes;
  d.outStep = <usize>columns.outStep * patches.outPixelBytes;
  clear(patches);
}

/** Whether rows of windows are computed by three-columns.ts. */
export function hasThreeColumns(d: Depthwise): bool {
  const rows = d.patches.rows;
  const columns = d.patches.columns;
  return d.patches.arrangement == PLAIN && columns.taps == 3 && columns.step == columns.tapStep && rows.taps > 0 &&
    columns.count >= <i32>PIXELS_A_PASS;
}

/** Whether neighboring pixels' windows are neighbors, so that three of them can slide. */
// @ts-ignore: decorator
@inline export function slides(d: Depthwise): bool {
  const columns = d.patches.columns;
  return columns.step == columns.tapStep && d.copies == 1 && columns.taps > 0 && d.patches.rows.taps > 0;
}

export function checkDepthwise(w: Window): void {
  check(w);
  assert(w.inChannels && !(w.outChannels % w.inChannels), "a multiplier for each channel");
}

/** Bytes of scratch for depthwise_conv2d_f32 and its gradient by the weight; writes them into the window. */
export function depthwise_conv2d_scratch_bytes(windowPtr: usize): usize {
  const w = windowAt(windowPtr);
  const d = depthwiseAt(windowPtr + WINDOW_BYTES);
  setForward(d, w);
  const bytes = layOutDepthwise(d, 0);
  w.forwardScratch = <u32>bytes;
  w.weightScratch = <u32>bytes;
  return bytes;
}

/** Bytes of scratch for depthwise_conv2d_backward_input_f32; writes them into the window. */
export function depthwise_conv2d_backward_input_scratch_bytes(windowPtr: usize): usize {
  const w = windowAt(windowPtr);
  const d = depthwiseAt(windowPtr + WINDOW_BYTES);
  let bytes: usize = 0;
  for (let i = 0; i < w.strideHeight; i++) {
    for (let j = 0; j < w.strideWidth; j++) {
      setBackward(d, w, i, j);
      bytes = max(bytes, layOutDepthwise(d, 0));
    }
  }
  w.inputScratch = <u32>bytes;
  return bytes;
}
