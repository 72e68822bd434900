// Depthwise convolutions: every channel of x has kernels of its own, `multiplier` of them. Vectors are along channels. With
// a multiplier the image's channels are copied so that element o of a tap is always multiplied by element o of the kernel;
// the loops are those of multiplier 1.

import { TABLE_ROW } from "../gemm/microkernel";
import { activation_f32 } from "../nn/activation";
import { add, loadLanes, loadSecond, mul, pmax, splat, storeLanes, storeSecond } from "../simd";
import { gridAt } from "./axis";
import {
  begin, checkDepthwise, Depthwise, depthwiseAt, hasThreeColumns, layOutDepthwise, setBackward, setForward, slides,
  TAP_ROW,
} from "./depthwise-plan";
import { append, clear, hasRoom } from "./patches";
import { slide } from "./slide";
import { beginRows, computeRow } from "./three-columns";
import { windowAt } from "./window";

const RELU: i32 = 1;
/** Pixels of a tile. */
const PIXELS: usize = 4;

/** Computes rows first … first + count − 1 of all images of the output, as far as they are on the grid. */
function runRows(d: Depthwise, height: i32, first: u32, count: u32): void {
  const patches = d.patches;
  const rows = patches.rows;
  if (!patches.columns.count) return;
  const end = first + count;
  const byRows = hasThreeColumns(d);
  if (byRows) beginRows(d);
  for (let b = <i32>first / height; <u32>(b * height) < end; b++) {
    const to = gridAt(rows, <i32>end - b * height);
    let t = gridAt(rows, <i32>first - b * height);
    if (byRows) {
      for (; t < to; t++) computeRow(d, b, t);
      continue;
    }
    for (; t < to; t += patches.partRows) {
      const part = min(to - t, patches.partRows);
      if (!hasRoom(patches, part)) flush(d);
      append(patches, b, t, part);
    }
  }
  flush(d);
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
 * Measured: 0.50 to 0.66 of the 128-bit peak where neighboring windows overlap, 0.2 to 0.34 where they do not
 * (docs/decisions/0014-convolutions.md).
 */
export function depthwise_conv2d_f32(
  windowPtr: usize, first: u32, count: u32, x: usize, weight: usize, bias: usize, activation: i32, y: usize,
  scratch: usize,
): void {
  const w = windowAt(windowPtr);
  checkDepthwise(w);
  assert(!((windowPtr | x | weight | bias | y | scratch) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch * <u32>w.outHeight, "rows are those of y");
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
  assert(first + count <= w.batch * <u32>w.inHeight, "rows are those of dx");
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
