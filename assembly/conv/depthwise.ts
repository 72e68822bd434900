// Depthwise convolutions: every channel of x has kernels of its own, `multiplier` of them. Vectors are along channels. With
// a multiplier the image's channels are copied so that element o of a tap is always multiplied by element o of the kernel;
// the loops are those of multiplier 1.

import { TABLE_ROW } from "../gemm/microkernel";
import { activation_f32 } from "../nn/activation";
import { add, loadLanes, loadSecond, mul, pmax, splat, storeLanes, storeSecond } from "../simd";
import { backwardColumns, backwardRows, forwardColumns, forwardRows, gridAt } from "./axis";
import { append, clear, hasRoom, layOut, Patches, patchesAt, PLAIN, REPEATED, SPLIT, tapOffset } from "./patches";
import { slide } from "./slide";
import { check, HEAD_BYTES, Window, WINDOW_BYTES, windowAt } from "./window";

const RELU: i32 = 1;
/** Pixels of a tile. */
const PIXELS: usize = 4;
/** Bytes of a row of the table of taps: from a pixel to its tap, and from the kernel's start to the tap's weights. */
const TAP_ROW: usize = 8;

@unmanaged
class Depthwise {
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
  /** A copy of the kernel whose channels are arranged as those of dy. */
  split: usize;
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

function depthwiseAt(scratch: usize): Depthwise {
  const d = changetype<Depthwise>(scratch);
  d.patches = patchesAt(scratch + 128);
  return d;
}

function setForward(d: Depthwise, w: Window): void {
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

function setBackward(d: Depthwise, w: Window, rowResidue: i32, columnResidue: i32): void {
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
function layOutDepthwise(d: Depthwise, scratch: usize): usize {
  const patches = d.patches;
  const taps = <usize>patches.rows.taps * patches.columns.taps;
  const copyBytes = layOut(patches, d.tapBytes >> 2);
  d.taps = scratch + HEAD_BYTES;
  d.tapsEnd = d.taps + taps * d.copies * TAP_ROW;
  d.split = d.tapsEnd;
  patches.table = d.split + (d.copies > 1 ? taps * d.tapBytes : 0);
  patches.copy = patches.table + <usize>patches.tablePixels * TABLE_ROW;
  return patches.table + copyBytes - scratch;
}

/** Writes the table of taps, and empties that of pixels. */
function begin(d: Depthwise): void {
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

/** Computes rows first … first + count − 1 of all images of the output, as far as they are on the grid. */
function runRows(d: Depthwise, height: i32, first: u32, count: u32): void {
  const patches = d.patches;
  const rows = patches.rows;
  if (!patches.columns.count) return;
  const end = first + count;
  for (let b = <i32>first / height; <u32>(b * height) < end; b++) {
    const to = gridAt(rows, <i32>end - b * height);
    for (let t = gridAt(rows, <i32>first - b * height); t < to; t += patches.partRows) {
      const part = min(to - t, patches.partRows);
      if (!hasRoom(patches, part)) flush(d);
      append(patches, b, t, part);
    }
  }
  flush(d);
}

/** Whether neighbouring pixels' windows are neighbours, so that three of them can slide. */
// @ts-ignore: decorator
@inline function slides(d: Depthwise): bool {
  const columns = d.patches.columns;
  return columns.step == columns.tapStep && d.copies == 1 && columns.taps > 0 && d.patches.rows.taps > 0;
}

function flush(d: Depthwise): void {
  const pixels = <usize>d.patches.pixels;
  const width = <usize>d.patches.columns.count;
  if (width >= 3 && slides(d)) {
    for (let i: usize = 0; i < pixels; i += width) slideRow(d, d.patches.table + i * TABLE_ROW, width);
    clear(d.patches);
    return;
  }
  for (let i: usize = 0; i < pixels; i += PIXELS) {
    const last = min(pixels - i, PIXELS) - 1;
    const row = d.patches.table + i * TABLE_ROW;
    let left = d.channels;
    let at: usize = 0;
    for (; left >= 8; left -= 8, at += 32) pairTile(d, last, row, at);
    for (; left >= 4; left -= 4, at += 16) quadTile(d, last, row, at);
    for (; left; left--, at += 4) singleTile(d, last, row, at);
  }
  clear(d.patches);
}

/** A row of the grid, three pixels after three; the last three may have been computed in part before. */
function slideRow(d: Depthwise, row: usize, width: usize): void {
  for (let u: usize = 0; u < width; u += 3) {
    const entry = row + min(u, width - 3) * TABLE_ROW;
    const x = <usize>load<u32>(entry);
    const y = <usize>load<u32>(entry, 4);
    let left = d.channels;
    let at: usize = 0;
    for (; left >= 8; left -= 8, at += 32) slidePair(d, x, y, at);
    for (; left >= 4; left -= 4, at += 16) slideQuad(d, x, y, at);
    for (; left; left--, at += 4) slideSingle(d, x, y, at);
  }
}

function slidePair(d: Depthwise, x: usize, y: usize, at: usize): void {
  slideWindow<v128>(2, d, x, y, at);
}

function slideQuad(d: Depthwise, x: usize, y: usize, at: usize): void {
  slideWindow<v128>(1, d, x, y, at);
}

function slideSingle(d: Depthwise, x: usize, y: usize, at: usize): void {
  slideWindow<f32>(1, d, x, y, at);
}

// @ts-ignore: decorator
@inline function slideWindow<T>(nv: usize, d: Depthwise, x: usize, y: usize, at: usize): void {
  slide<T>(
    nv, d.rowTaps, d.columnTaps, x + at, d.xRow, d.xStep, d.firstWeights + at, d.weightsRow, d.weightsStep,
    0, d.bias ? d.bias + at : 0, d.floor, y + at, d.outStep,
  );
}

function pairTile(d: Depthwise, last: usize, row: usize, at: usize): void {
  tile<v128>(2, d.taps, d.tapsEnd, d.kernel + at, last, row, at, d.bias, d.floor);
}

function quadTile(d: Depthwise, last: usize, row: usize, at: usize): void {
  tile<v128>(1, d.taps, d.tapsEnd, d.kernel + at, last, row, at, d.bias, d.floor);
}

function singleTile(d: Depthwise, last: usize, row: usize, at: usize): void {
  tile<f32>(1, d.taps, d.tapsEnd, d.kernel + at, last, row, at, d.bias, d.floor);
}

/** Word `word` of the table's row for pixel `i` of a tile; pixels that it has not are the last one again. */
// @ts-ignore: decorator
@inline function addressOf(i: usize, last: usize, row: usize, word: usize): usize {
  return load<u32>(row + min(i, last) * TABLE_ROW + word);
}

/** Four pixels × `nv` (1 or 2, a constant) Ts of channels: eight sums, two weights, two products. */
// @ts-ignore: decorator
@inline function tile<T>(
  nv: usize, taps: usize, tapsEnd: usize, kernel: usize, last: usize, row: usize, at: usize, bias: usize, floor: f32,
): void {
  const x0 = addressOf(0, last, row, 0) + at;
  const x1 = addressOf(1, last, row, 0) + at;
  const x2 = addressOf(2, last, row, 0) + at;
  const x3 = addressOf(3, last, row, 0) + at;
  let s00 = splat<T>(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  for (; taps != tapsEnd; taps += TAP_ROW) {
    const offset = <usize>load<u32>(taps);
    const weights = kernel + load<u32>(taps, 4);
    const w0 = loadLanes<T>(weights);
    const w1 = nv > 1 ? loadSecond<T>(weights) : w0;
    s00 = add<T>(s00, mul<T>(loadLanes<T>(x0 + offset), w0));
    if (nv > 1) s01 = add<T>(s01, mul<T>(loadSecond<T>(x0 + offset), w1));
    s10 = add<T>(s10, mul<T>(loadLanes<T>(x1 + offset), w0));
    if (nv > 1) s11 = add<T>(s11, mul<T>(loadSecond<T>(x1 + offset), w1));
    s20 = add<T>(s20, mul<T>(loadLanes<T>(x2 + offset), w0));
    if (nv > 1) s21 = add<T>(s21, mul<T>(loadSecond<T>(x2 + offset), w1));
    s30 = add<T>(s30, mul<T>(loadLanes<T>(x3 + offset), w0));
    if (nv > 1) s31 = add<T>(s31, mul<T>(loadSecond<T>(x3 + offset), w1));
  }
  let b0 = splat<T>(-0.0), b1 = b0;
  if (bias) {
    b0 = loadLanes<T>(bias + at);
    if (nv > 1) b1 = loadSecond<T>(bias + at);
  }
  const low = splat<T>(floor);
  const y0 = addressOf(0, last, row, 4) + at;
  const y1 = addressOf(1, last, row, 4) + at;
  const y2 = addressOf(2, last, row, 4) + at;
  const y3 = addressOf(3, last, row, 4) + at;
  storePair<T>(nv, y0, low, s00, b0, s01, b1);
  storePair<T>(nv, y1, low, s10, b0, s11, b1);
  storePair<T>(nv, y2, low, s20, b0, s21, b1);
  storePair<T>(nv, y3, low, s30, b0, s31, b1);
}

// @ts-ignore: decorator
@inline function storePair<T>(nv: usize, y: usize, low: T, s0: T, bias0: T, s1: T, bias1: T): void {
  storeLanes<T>(y, pmax<T>(add<T>(s0, bias0), low));
  if (nv > 1) storeSecond<T>(y, pmax<T>(add<T>(s1, bias1), low));
}

/**
 * y = activation(x ∗ weight + bias), each channel by itself: rows first … first + count − 1 of the batch·outHeight rows of
 * y. Channel c of x makes channels c·multiplier + m of y; weight is [kernelHeight, kernelWidth, inChannels, multiplier],
 * bias (outChannels) may be 0: absent. The window's groups are not read.
 *
 * Numerics: an element starts at +0 and adds its products in ascending (ky, kx), every product and every sum rounded to
 * float32; where the window leaves x, the product of +0 and the weight.
 * Requires: y overlaps nothing else; `scratch` holds `depthwise_conv2d_scratch_bytes`.
 * Remainder: two vectors of channels, then one, then single ones.
 * Measured: 0.50 to 0.66 of the 128-bit peak where windows slide, 0.2 to 0.34 where they do not
 * (docs/decisions/0014-convolutions.md).
 */
export function depthwise_conv2d_f32(
  windowPtr: usize, first: u32, count: u32, x: usize, weight: usize, bias: usize, activation: i32, y: usize,
  scratch: usize,
): void {
  const w = windowAt(windowPtr);
  checkDepthwise(w);
  assert(!((windowPtr | x | weight | bias | y | scratch) & 3), "operands are 4-byte aligned");
  if (!count || !w.outChannels) return;
  const d = depthwiseAt(scratch);
  setForward(d, w);
  d.patches.source = x;
  d.patches.out = y;
  d.kernel = weight;
  d.bias = bias;
  d.floor = activation == RELU ? 0 : -Infinity;
  layOutDepthwise(d, scratch);
  begin(d);
  runRows(d, w.outHeight, first, count);
  if (activation <= RELU) return;
  const rowFloats = <usize>w.outWidth * w.outChannels;
  const at = y + <usize>first * rowFloats * 4;
  activation_f32(activation, <usize>count * rowFloats, at, at);
}

/**
 * The gradient of x by dy: rows first … first + count − 1 of the batch·inHeight rows of dx.
 *
 * Numerics: an element starts at +0 and adds its products in ascending position in dy (so descending ky and kx), then
 * ascending m, every product and every sum rounded to float32; where that leaves dy, the product of +0 and the weight.
 * Requires: dx overlaps nothing else; `scratch` holds `depthwise_conv2d_backward_input_scratch_bytes`.
 */
export function depthwise_conv2d_backward_input_f32(
  windowPtr: usize, first: u32, count: u32, dy: usize, weight: usize, dx: usize, scratch: usize,
): void {
  const w = windowAt(windowPtr);
  checkDepthwise(w);
  assert(!((windowPtr | dy | weight | dx | scratch) & 3), "operands are 4-byte aligned");
  if (!count || !w.inChannels) return;
  const d = depthwiseAt(scratch);
  d.patches.source = dy;
  d.patches.out = dx;
  d.bias = 0;
  d.floor = -Infinity;
  for (let i = 0; i < w.strideHeight; i++) {
    for (let j = 0; j < w.strideWidth; j++) {
      setBackward(d, w, i, j);
      d.kernel = weight;
      layOutDepthwise(d, scratch);
      begin(d);
      runRows(d, w.inHeight, first, count);
    }
  }
}

/**
 * The gradient of the weight: channels first … first + count − 1 of every tap of dw, which has outChannels of them.
 *
 * Registers: three taps × two vectors of sums, two of dy. Numerics: an element starts at +0 and adds the products x·dy of
 * all pixels of dy in the order in which they are in memory, every product and every sum rounded to float32; where the
 * window leaves x, the product of +0 and dy.
 * Requires: dw overlaps neither x nor dy; `scratch` holds `depthwise_conv2d_scratch_bytes`.
 */
export function depthwise_conv2d_backward_weight_f32(
  windowPtr: usize, first: u32, count: u32, x: usize, dy: usize, dw: usize, scratch: usize,
): void {
  const w = windowAt(windowPtr);
  checkDepthwise(w);
  assert(!((windowPtr | x | dy | dw | scratch) & 3), "operands are 4-byte aligned");
  if (!count) return;
  const d = depthwiseAt(scratch);
  setForward(d, w);
  const patches = d.patches;
  patches.source = x;
  patches.out = dy;
  d.kernel = dw;
  layOutDepthwise(d, scratch);
  begin(d);
  for (let tap = d.taps; tap != d.tapsEnd; tap += TAP_ROW) {
    memory.fill(dw + load<u32>(tap, 4) + <usize>first * 4, 0, <usize>count * 4);
  }
  if (!patches.columns.count) return;
  for (let b = 0; b < <i32>w.batch; b++) {
    for (let t = 0; t < w.outHeight; t += patches.partRows) {
      const part = min(w.outHeight - t, patches.partRows);
      append(patches, b, t, part);
      addPixels(d, first, count, part);
    }
  }
}

/** Adds the products of the pixels in the table, which are of `rows` rows of one image, to dw, and empties it. */
function addPixels(d: Depthwise, first: usize, count: usize, rows: i32): void {
  const table = d.patches.table;
  const end = table + <usize>d.patches.pixels * TABLE_ROW;
  let at = first * 4;
  for (; count >= 8; count -= 8, at += 32) pairTaps(d, table, end, rows, at);
  for (; count >= 4; count -= 4, at += 16) quadTaps(d, table, end, rows, at);
  for (; count; count--, at += 4) singleTaps(d, table, end, rows, at);
  clear(d.patches);
}

function pairTaps(d: Depthwise, table: usize, end: usize, rows: i32, at: usize): void {
  taps<v128>(2, d, table, end, rows, at);
}

function quadTaps(d: Depthwise, table: usize, end: usize, rows: i32, at: usize): void {
  taps<v128>(1, d, table, end, rows, at);
}

function singleTaps(d: Depthwise, table: usize, end: usize, rows: i32, at: usize): void {
  taps<f32>(1, d, table, end, rows, at);
}

/** All taps: three of a row that slide, if they do; the others by three. */
// @ts-ignore: decorator
@inline function taps<T>(nv: usize, d: Depthwise, table: usize, end: usize, rows: i32, at: usize): void {
  const columns = d.patches.columns;
  const sliding = slides(d) ? d.columnTaps - d.columnTaps % 3 : 0;
  let tap = d.taps;
  for (let i = 0; i < d.rowTaps; i++) {
    let j = 0;
    for (; j < sliding; j += 3, tap += 3 * TAP_ROW) {
      const dw = d.kernel + load<u32>(tap, 4) + at;
      slide<T>(
        nv, rows, columns.count, load<u32>(table) + load<u32>(tap) + at, <usize>d.patches.rows.step * d.patches.rowBytes,
        d.xStep, load<u32>(table, 4) + at, <usize>columns.count * d.outStep, d.outStep, dw, 0, -Infinity, dw,
        d.tapBytes,
      );
    }
    for (; j < d.columnTaps; j += 3) tap = threeTaps<T>(nv, d, tap, tap + min(d.columnTaps - j, 3) * TAP_ROW, table, end, at);
  }
}

/** Three taps, or what is left of them (then the last one again): their sums over the pixels. Returns the next tap. */
// @ts-ignore: decorator
@inline function threeTaps<T>(
  nv: usize, d: Depthwise, tap: usize, tapsEnd: usize, table: usize, end: usize, at: usize,
): usize {
  const last = (tapsEnd - tap) / TAP_ROW - 1;
  const tap1 = tap + min(1, last) * TAP_ROW;
  const tap2 = tap + last * TAP_ROW;
  const o0 = at + load<u32>(tap);
  const o1 = at + load<u32>(tap1);
  const o2 = at + load<u32>(tap2);
  const dw0 = d.kernel + load<u32>(tap, 4) + at;
  const dw1 = d.kernel + load<u32>(tap1, 4) + at;
  const dw2 = d.kernel + load<u32>(tap2, 4) + at;
  let s00 = loadLanes<T>(dw0);
  let s01 = nv > 1 ? loadSecond<T>(dw0) : s00;
  let s10 = loadLanes<T>(dw1);
  let s11 = nv > 1 ? loadSecond<T>(dw1) : s00;
  let s20 = loadLanes<T>(dw2);
  let s21 = nv > 1 ? loadSecond<T>(dw2) : s00;
  for (; table != end; table += TABLE_ROW) {
    const x = <usize>load<u32>(table);
    const dy = at + load<u32>(table, 4);
    const g0 = loadLanes<T>(dy);
    const g1 = nv > 1 ? loadSecond<T>(dy) : g0;
    s00 = add<T>(s00, mul<T>(loadLanes<T>(x + o0), g0));
    if (nv > 1) s01 = add<T>(s01, mul<T>(loadSecond<T>(x + o0), g1));
    s10 = add<T>(s10, mul<T>(loadLanes<T>(x + o1), g0));
    if (nv > 1) s11 = add<T>(s11, mul<T>(loadSecond<T>(x + o1), g1));
    s20 = add<T>(s20, mul<T>(loadLanes<T>(x + o2), g0));
    if (nv > 1) s21 = add<T>(s21, mul<T>(loadSecond<T>(x + o2), g1));
  }
  storeSums<T>(nv, dw0, s00, s01);
  storeSums<T>(nv, dw1, s10, s11);
  storeSums<T>(nv, dw2, s20, s21);
  return tapsEnd;
}

// @ts-ignore: decorator
@inline function storeSums<T>(nv: usize, ptr: usize, s0: T, s1: T): void {
  storeLanes<T>(ptr, s0);
  if (nv > 1) storeSecond<T>(ptr, s1);
}

function checkDepthwise(w: Window): void {
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
