import { activation_f32 } from "../nn/activation";
import { backwardColumns, backwardRows, forwardColumns, forwardRows, gridAt } from "./axis";
import { PLAIN } from "./patches";
import { begin, flush, layOutProduct, Product, productAt, run } from "./product";
import { check, Window, WINDOW_BYTES, windowAt } from "./window";

const RELU: i32 = 1;

/** y from x: the axes, channels and kernel of the product. */
function setForward(p: Product, w: Window): void {
  const patches = p.patches;
  forwardRows(patches.rows, w);
  forwardColumns(patches.columns, w);
  patches.channels = w.inChannels;
  patches.arrangement = PLAIN;
  p.groups = w.groups;
  p.depth = w.inChannels / w.groups;
  p.columns = w.outChannels / w.groups;
  p.kernelWidth = w.kernelWidth;
  p.stepBytes = <usize>w.outChannels * 4;
  p.lineBytes = 4;
  p.tapBytes = p.depth * p.stepBytes;
  p.groupBytes = p.columns * 4;
}

/** dx from dy, for the residues of its row and column. */
function setBackward(p: Product, w: Window, rowResidue: i32, columnResidue: i32): void {
  const patches = p.patches;
  backwardRows(patches.rows, w, rowResidue);
  backwardColumns(patches.columns, w, columnResidue);
  patches.channels = w.outChannels;
  patches.arrangement = PLAIN;
  p.groups = w.groups;
  p.depth = w.outChannels / w.groups;
  p.columns = w.inChannels / w.groups;
  p.kernelWidth = w.kernelWidth;
  p.stepBytes = 4;
  p.lineBytes = <usize>w.outChannels * 4;
  p.tapBytes = p.columns * p.lineBytes;
  p.groupBytes = p.depth * 4;
}

/** Computes rows first … first + count − 1 of all images of the output, as far as they are on the grid. */
function runRows(p: Product, height: i32, first: u32, count: u32): void {
  const rows = p.patches.rows;
  const end = first + count;
  for (let b = <i32>first / height; <u32>(b * height) < end; b++) {
    run(p, b, gridAt(rows, <i32>first - b * height), gridAt(rows, <i32>end - b * height));
  }
  flush(p);
}

/**
 * y = activation(x ∗ weight + bias): rows first … first + count − 1 of the batch·outHeight rows of y. weight is
 * [kernelHeight, kernelWidth, inChannels / groups, outChannels]; bias (outChannels) may be 0: absent.
 *
 * Numerics: an element starts at +0 and adds its products in ascending (ky, kx, channel), every product and every sum
 * rounded to float32; where the window leaves x, the product of +0 and the weight. |error| ≤ γ·Σ|x·w|, as in gemm_f32.
 * Requires: y overlaps nothing else; `scratch` holds `conv2d_scratch_bytes`. Touches: x, weight, bias, those rows of y.
 * Memory: scratch = | structs | zeros | offsets of the runs | panels of the kernel | packed pixels | a table of pixels |
 * rows of x with zeros around them |; the last only where a window leaves x, packed pixels only from 48 columns on.
 * Measured: 0.86 to 1.0 of the 128-bit peak from 32 channels on, 0.81 to 0.94 with 8 or 16; losers in
 * docs/decisions/0014-convolutions.md. Source: the virtual im2col of rten-gemm (im2col.rs) and the indirection buffer of XNNPACK (Dukhan, 2019).
 */
export function conv2d_f32(
  windowPtr: usize, first: u32, count: u32, x: usize, weight: usize, bias: usize, activation: i32, y: usize,
  scratch: usize,
): void {
  const w = windowAt(windowPtr);
  check(w);
  assert(!((windowPtr | x | weight | bias | y | scratch) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch * <u32>w.outHeight, "rows are those of y");
  const p = productAt(scratch);
  setForward(p, w);
  const patches = p.patches;
  patches.source = x;
  patches.out = y;
  patches.outHeight = w.outHeight;
  patches.outWidth = w.outWidth;
  patches.outPixelBytes = <usize>w.outChannels * 4;
  p.kernel = weight;
  p.bias = bias;
  p.relu = activation == RELU;
  if (!count || !w.outWidth || !w.outChannels) return;
  layOutProduct(p, scratch);
  begin(p);
  runRows(p, w.outHeight, first, count);
  activateRows(activation, y, <usize>w.outWidth * w.outChannels, first, count);
}

/**
 * dx = activation(the gradient of x by dy + bias): rows first … first + count − 1 of the batch·inHeight rows of dx. With
 * a bias (inChannels) and an activation it is a transposed convolution from dy to dx, whose weight is [kernelHeight,
 * kernelWidth, outputs, inputs].
 *
 * Every element gathers what it is the sum of. Rows and columns of dx that are the same modulo the stride read the same
 * elements of the kernel: each such class is a convolution of dy with stride 1 and no product by zero between.
 * Numerics: as conv2d_f32, in ascending position in dy (so descending ky and kx), then channel of dy.
 */
export function conv2d_backward_input_f32(
  windowPtr: usize, first: u32, count: u32, dy: usize, weight: usize, bias: usize, activation: i32, dx: usize,
  scratch: usize,
): void {
  const w = windowAt(windowPtr);
  check(w);
  assert(!((windowPtr | dy | weight | bias | dx | scratch) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch * <u32>w.inHeight, "rows are those of dx");
  if (!count || !w.inWidth || !w.inChannels) return;
  const p = productAt(scratch);
  const patches = p.patches;
  patches.source = dy;
  patches.out = dx;
  patches.outHeight = w.inHeight;
  patches.outWidth = w.inWidth;
  patches.outPixelBytes = <usize>w.inChannels * 4;
  p.kernel = weight;
  p.bias = bias;
  p.relu = activation == RELU;
  for (let i = 0; i < w.strideHeight; i++) {
    for (let j = 0; j < w.strideWidth; j++) {
      setBackward(p, w, i, j);
      layOutProduct(p, scratch);
      begin(p);
      runRows(p, w.inHeight, first, count);
    }
  }
  activateRows(activation, dx, <usize>w.inWidth * w.inChannels, first, count);
}

function activateRows(activation: i32, y: usize, rowFloats: usize, first: u32, count: u32): void {
  if (activation <= RELU) return;
  const at = y + <usize>first * rowFloats * 4;
  activation_f32(activation, <usize>count * rowFloats, at, at);
}

/** Bytes of scratch for conv2d_f32; writes it and its working space into the window. */
export function conv2d_scratch_bytes(windowPtr: usize): usize {
  const w = windowAt(windowPtr);
  const p = productAt(windowPtr + WINDOW_BYTES);
  setForward(p, w);
  const bytes = layOutProduct(p, 0);
  w.forwardScratch = <u32>bytes;
  return bytes;
}

/** Bytes of scratch for conv2d_backward_input_f32; writes it and its working space into the window. */
export function conv2d_backward_input_scratch_bytes(windowPtr: usize): usize {
  const w = windowAt(windowPtr);
  const p = productAt(windowPtr + WINDOW_BYTES);
  let bytes: usize = 0;
  for (let i = 0; i < w.strideHeight; i++) {
    for (let j = 0; j < w.strideWidth; j++) {
      setBackward(p, w, i, j);
      bytes = max(bytes, layOutProduct(p, 0));
    }
  }
  w.inputScratch = <u32>bytes;
  return bytes;
}
