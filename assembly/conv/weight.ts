// The gradient of a convolution by its weight: a product over the pixels of y. The left operand is packed from the image,
// its lines are the elements of the window; the right one is dy.

import { NR, NV } from "../gemm/config";
import { microkernel, Strided, TABLE_ROW } from "../gemm/microkernel";
import { packPanel } from "../gemm/pack";
import { forwardColumns, forwardRows } from "./axis";
import { append, clear, hasRoom, layOut, Patches, patchesAt, PLAIN, tapOffset, zero } from "./patches";
import { widthAt } from "./strips";
import { check, HEAD_BYTES, Window, WINDOW_BYTES, windowAt } from "./window";

const MR: usize = 4;
const ROW_BYTES: usize = NR * 4;

/** What is fixed for one call. */
@unmanaged
class Gradient {
  patches: Patches;
  /** Rows of dw that are computed: their first, and how many. */
  first: usize;
  count: usize;
  /** Channels of x and of y in one group, and of y in all. */
  depth: usize;
  columns: usize;
  outChannels: usize;
  groups: usize;
  zeros: usize;
  strip: usize;
  /** Bytes from a pixel to each line's element. */
  offsets: usize;
  lines: usize;
  panels: usize;
  dw: usize;
  /** Whether dw has sums of earlier pixels. */
  resumes: bool;
}

function gradientAt(scratch: usize): Gradient {
  const q = changetype<Gradient>(scratch);
  q.patches = patchesAt(scratch + 128);
  return q;
}

function set(q: Gradient, w: Window): void {
  const patches = q.patches;
  forwardRows(patches.rows, w);
  forwardColumns(patches.columns, w);
  patches.channels = w.inChannels;
  patches.arrangement = PLAIN;
  patches.outHeight = w.outHeight;
  patches.outWidth = w.outWidth;
  q.groups = w.groups;
  q.depth = w.inChannels / w.groups;
  q.columns = w.outChannels / w.groups;
  q.outChannels = w.outChannels;
  patches.outPixelBytes = q.outChannels * 4;
}

function layOutGradient(q: Gradient, scratch: usize): usize {
  const patches = q.patches;
  const copyBytes = layOut(patches, patches.channels);
  const pixels = <usize>patches.tablePixels;
  q.zeros = scratch + HEAD_BYTES;
  q.strip = q.zeros + 2 * ROW_BYTES;
  q.offsets = q.strip + MR * ROW_BYTES;
  q.lines = q.offsets + q.count * 4;
  q.panels = q.lines + pixels * (MR * 4);
  patches.table = q.panels + pixels * ((q.columns + NR - 1) / NR) * ROW_BYTES;
  patches.copy = patches.table + pixels * TABLE_ROW;
  return q.panels + pixels * ((q.columns + NR - 1) / NR) * ROW_BYTES + copyBytes - scratch;
}

/**
 * dw: rows first … first + count − 1 of the gradient by the weight, a matrix of kernelHeight·kernelWidth·inChannels /
 * groups rows of outChannels.
 *
 * Numerics: an element starts at +0 and adds the products x·dy of all pixels of dy in the order in which they are in
 * memory, every product and every sum rounded to float32; where the window leaves x, the product of +0 and dy.
 * |error| ≤ γ·Σ|x·dy| with k = batch·outHeight·outWidth.
 * Requires: dw overlaps neither x nor dy; `scratch` holds `conv2d_backward_weight_scratch_bytes`.
 * Touches: x, dy, those rows of dw. Memory: scratch = | structs | zeros | a tile | the lines' offsets | four packed lines |
 * panels of dy | a table of pixels | rows of x with zeros around them |.
 * Measured: 0.81 to 0.96 of the 128-bit peak from 8 channels on (docs/decisions/0014-convolutions.md).
 */
export function conv2d_backward_weight_f32(
  windowPtr: usize, first: u32, count: u32, x: usize, dy: usize, dw: usize, scratch: usize,
): void {
  const w = windowAt(windowPtr);
  check(w);
  assert(!((windowPtr | x | dy | dw | scratch) & 3), "operands are 4-byte aligned");
  assert(
    first + count <= <u32>(w.kernelHeight * w.kernelWidth) * (w.inChannels / w.groups), "rows are those of dw",
  );
  if (!count || !w.outChannels) return;
  const q = gradientAt(scratch);
  set(q, w);
  q.first = first;
  q.count = count;
  const patches = q.patches;
  patches.source = x;
  patches.out = dy;
  q.dw = dw;
  q.resumes = false;
  layOutGradient(q, scratch);
  begin(q, w);
  const height = w.outHeight;
  if (patches.columns.count) {
    for (let b: u32 = 0; b < w.batch; b++) {
      for (let t = 0; t < height; t += patches.partRows) {
        const rows = min(height - t, patches.partRows);
        if (!hasRoom(patches, rows)) add(q);
        append(patches, b, t, rows);
      }
    }
  }
  if (patches.pixels) add(q);
  if (!q.resumes) zero(dw + q.first * q.outChannels * 4, q.count * q.outChannels);
}

/** Bytes of scratch for conv2d_backward_weight_f32; writes it and its working space into the window. */
export function conv2d_backward_weight_scratch_bytes(windowPtr: usize): usize {
  const w = windowAt(windowPtr);
  const q = gradientAt(windowPtr + WINDOW_BYTES);
  set(q, w);
  q.count = <usize>w.kernelHeight * w.kernelWidth * q.depth;
  const bytes = layOutGradient(q, 0);
  w.weightScratch = <u32>bytes;
  return bytes;
}

function begin(q: Gradient, w: Window): void {
  for (let at: usize = 0; at < ROW_BYTES; at += 16) {
    v128.store(q.zeros + at, f32x4.splat(0));
    v128.store(q.zeros + at, f32x4.splat(-0.0), ROW_BYTES);
  }
  for (let i: usize = 0; i < q.count; i++) {
    const line = q.first + i;
    const tap = <i32>(line / q.depth);
    const offset = tapOffset(q.patches, tap / w.kernelWidth, tap % w.kernelWidth) + (line % q.depth) * 4;
    store<u32>(q.offsets + i * 4, <u32>offset);
  }
  clear(q.patches);
}

/** Adds the products of the pixels in the table, and empties it. */
function add(q: Gradient): void {
  const patches = q.patches;
  const pixels = <usize>patches.pixels;
  // Pixels of dy are neighbors: those in the table begin at its first.
  const dy = <usize>load<u32>(patches.table, 4);
  for (let g: usize = 0; g < q.groups; g++) {
    const firstColumn = g * q.columns;
    let panel = q.panels;
    for (let j: usize = 0; j < q.columns; ) {
      const width = widthAt(q.columns, j);
      const from = dy + (firstColumn + j) * 4;
      packPanel(width, min(q.columns - j, width), pixels, from, 4, q.outChannels * 4, panel);
      panel += pixels * width * 4;
      j += width;
    }
    for (let i: usize = 0; i < q.count; i += MR) {
      const last = min(q.count - i, MR) - 1;
      packLines(q.offsets + i * 4, last, g * q.depth * 4, patches.table, pixels, q.lines);
      computeRows(q, last, pixels, q.dw + ((q.first + i) * q.outChannels + firstColumn) * 4);
    }
  }
  q.resumes = true;
  clear(patches);
}

/** Four rows of dw, strip after strip. */
function computeRows(q: Gradient, last: usize, k: usize, c: usize): void {
  const cRow = q.outChannels * 4;
  const bias = q.zeros + ROW_BYTES;
  let b = q.panels;
  for (let j: usize = 0; j < q.columns; ) {
    const width = widthAt(q.columns, j);
    const nr = min(q.columns - j, width);
    const isWhole = nr == width;
    if (!isWhole && q.resumes) copyColumns(last, nr, c, cRow, q.strip, ROW_BYTES);
    const to = isWhole ? c : q.strip;
    const toRow = isWhole ? cRow : ROW_BYTES;
    const start = q.resumes ? to : q.zeros;
    const startRow = q.resumes ? toRow : 0;
    if (width == 4) quad(last, k, q.lines, b, start, startRow, bias, to, toRow);
    else if (NR == 16 && width == 8) pair(last, k, q.lines, b, start, startRow, bias, to, toRow);
    else whole(last, k, q.lines, b, start, startRow, bias, to, toRow);
    if (!isWhole) copyColumns(last, nr, q.strip, ROW_BYTES, c, cRow);
    b += k * width * 4;
    c += width * 4;
    j += width;
  }
}

function copyColumns(last: usize, columns: usize, src: usize, srcRow: usize, dst: usize, dstRow: usize): void {
  for (let i: usize = 0; i <= last; i++) {
    for (let n: usize = 0; n < columns; n++) store<f32>(dst + i * dstRow + n * 4, load<f32>(src + i * srcRow + n * 4));
  }
}

// The tiles, each in a function of its own, as in gemm.ts.

function whole(
  last: usize, k: usize, a: usize, b: usize, start: usize, startRow: usize, bias: usize, c: usize, cRow: usize,
): void {
  microkernel<Strided>(MR, NV, true, last, k, a, 4, 16, 0, 0, b, NR * 4, start, startRow, bias, -Infinity, c, cRow);
}

function pair(
  last: usize, k: usize, a: usize, b: usize, start: usize, startRow: usize, bias: usize, c: usize, cRow: usize,
): void {
  microkernel<Strided>(MR, 2, true, last, k, a, 4, 16, 0, 0, b, 32, start, startRow, bias, -Infinity, c, cRow);
}

function quad(
  last: usize, k: usize, a: usize, b: usize, start: usize, startRow: usize, bias: usize, c: usize, cRow: usize,
): void {
  microkernel<Strided>(MR, 1, false, last, k, a, 4, 16, 0, 0, b, 16, start, startRow, bias, -Infinity, c, cRow);
}

/** Lays four lines out beside each other, for all pixels of the table. */
function packLines(offsets: usize, last: usize, a: usize, table: usize, pixels: usize, to: usize): void {
  const o0 = a + load<u32>(offsets);
  const o1 = a + load<u32>(offsets + min(1, last) * 4);
  const o2 = a + load<u32>(offsets + min(2, last) * 4);
  const o3 = a + load<u32>(offsets + min(3, last) * 4);
  if (o1 == o0 + 4 && o2 == o0 + 8 && o3 == o0 + 12) {
    for (; pixels; pixels--) {
      v128.store(to, v128.load(o0 + load<u32>(table)));
      table += TABLE_ROW;
      to += 16;
    }
    return;
  }
  for (; pixels; pixels--) {
    const at = <usize>load<u32>(table);
    store<f32>(to, load<f32>(at + o0));
    store<f32>(to, load<f32>(at + o1), 4);
    store<f32>(to, load<f32>(at + o2), 8);
    store<f32>(to, load<f32>(at + o3), 12);
    table += TABLE_ROW;
    to += 16;
  }
}
