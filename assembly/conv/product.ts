// A product whose left operand is an image: for every pixel of a grid of outputs, the sum over the taps of its window and
// the channels of a tap, ascending, of source × kernel. Columns are the channels of the output.

import { NR, NV } from "../gemm/config";
import { microkernel, TABLE_ROW, Tabled } from "../gemm/microkernel";
import { packPanel } from "../gemm/pack";
import { packPixels } from "./pack";
import { append, clear, hasRoom, layOut, Patches, patchesAt, tapOffset } from "./patches";
import { widthAt } from "./strips";
import { HEAD_BYTES } from "./window";

/** Rows of a tile. */
const MR: usize = 4;
/** Pixels whose sums are computed strip after strip while the kernel's panel stays in the first-level cache. */
const BLOCK: usize = 96;
/** Bytes of packed pixels of a block: they stay in the second-level cache. */
const PACKED_BYTES: usize = BLOCK * 512 * 4;
const ROW_BYTES: usize = NR * 4;

@unmanaged
export class Product {
  patches: Patches;
  groups: usize;
  /** Channels of a tap, and of an output, in one group. */
  depth: usize;
  columns: usize;
  /** The kernel: bytes of a tap, of a group, from one channel of the output to the next, from one of a tap to the next. */
  kernel: usize;
  kernelWidth: i32;
  tapBytes: usize;
  groupBytes: usize;
  lineBytes: usize;
  stepBytes: usize;
  bias: usize;
  relu: bool;
  /** Steps of a run that is contiguous in the source: one tap, or a row of them. */
  run: usize;
  segments: usize;
  segmentsEnd: usize;
  /** Steps in all. */
  steps: usize;
  /** The kernel's panels, and the bytes of those of one group. */
  packed: usize;
  groupPanelBytes: usize;
  block: usize;
  panels: usize;
  strip: usize;
  /** A row of +0, one of −0, and the bias of the last columns where they are fewer than a vector. */
  zeros: usize;
  /** Bytes from a row that a tile starts from to the next: 0, but not known while compiling. */
  startRow: usize;
}

/** What stands before the tables: zeros, and a strip of fewer columns than a vector. */
const FIXED_BYTES: usize = 2 * ROW_BYTES + 16 + 4 * 16 + 4 * TABLE_ROW;

/** The structs at `scratch`, without their values. */
export function productAt(scratch: usize): Product {
  const p = changetype<Product>(scratch);
  p.patches = patchesAt(scratch + 128);
  return p;
}

/** Where everything is in scratch, and how many bytes that takes; axes, channels and columns are set. */
export function layOutProduct(p: Product, scratch: usize): usize {
  const patches = p.patches;
  const rows = patches.rows;
  const columns = patches.columns;
  const taps = <usize>rows.taps * columns.taps;
  const copyBytes = layOut(patches, patches.channels);
  const isRow = columns.tapStep == 1 && p.groups == 1;
  p.run = isRow ? <usize>columns.taps * p.depth : p.depth;
  const segments: usize = isRow && taps ? <usize>rows.taps : taps;
  p.steps = taps * p.depth;
  p.zeros = scratch + HEAD_BYTES;
  p.startRow = 0;
  p.segments = p.zeros + FIXED_BYTES;
  p.segmentsEnd = p.segments + segments * 4;
  p.packed = p.segmentsEnd;
  p.groupPanelBytes = ((p.columns + NR - 1) / NR) * ROW_BYTES * p.steps;
  p.panels = p.packed + p.groups * p.groupPanelBytes;
  p.block = BLOCK;
  let end = p.panels;
  if (worthPacking(p)) {
    while (p.block > 16 && p.block * p.steps * 4 > PACKED_BYTES) p.block -= 16;
    end += p.block * p.steps * 4;
  }
  patches.table = end;
  patches.copy = end + <usize>patches.tablePixels * TABLE_ROW;
  return end + copyBytes - scratch;
}

/** Whether pixels are read often enough to be laid out anew; as for a product of matrices. */
// @ts-ignore: decorator
@inline function worthPacking(p: Product): bool {
  return p.columns >= (WIDE ? 96 : 48) && p.steps >= 48;
}

/** Prepares what every call needs once: zeros, the table of segments, the kernel's panels. */
export function begin(p: Product): void {
  for (let at: usize = 0; at < ROW_BYTES; at += 16) {
    v128.store(p.zeros + at, f32x4.splat(0));
    v128.store(p.zeros + at, f32x4.splat(-0.0), ROW_BYTES);
  }
  const patches = p.patches;
  const rows = patches.rows;
  const columns = patches.columns;
  const isEach = p.segmentsEnd - p.segments == <usize>rows.taps * columns.taps * 4;
  const across = isEach ? columns.taps : 1;
  let segment = p.segments;
  for (let i = 0; segment != p.segmentsEnd; i++) {
    for (let j = 0; j != across; j++, segment += 4) store<u32>(segment, <u32>tapOffset(patches, i, j));
  }
  for (let g: usize = 0; g < p.groups; g++) {
    packGroup(p, p.kernel + g * p.groupBytes, p.packed + g * p.groupPanelBytes);
  }
  clear(patches);
}

/** Packs the panels of one group. */
function packGroup(p: Product, kernel: usize, to: usize): void {
  const rows = p.patches.rows;
  const columns = p.patches.columns;
  let nr: usize = 0;
  for (let j: usize = 0; j < p.columns; j += nr) {
    const width = widthAt(p.columns, j);
    nr = min(p.columns - j, width);
    const shift = j >= width - nr ? width - nr : 0;
    const lines = nr + shift;
    for (let y = 0; y < rows.taps; y++) {
      for (let x = 0; x < columns.taps; x++) {
        const ky = rows.kernel + y * rows.kernelStep;
        const kx = columns.kernel + x * columns.kernelStep;
        const tap = kernel + <usize>(ky * p.kernelWidth + kx) * p.tapBytes;
        packPanel(width, lines, p.depth, tap + (j - shift) * p.lineBytes, p.lineBytes, p.stepBytes, to);
        to += p.depth * width * 4;
      }
    }
  }
}

/** Adds rows of the grid of image `b`, from t to `end`, and computes whenever the table is full. */
export function run(p: Product, b: i32, t: i32, end: i32): void {
  const patches = p.patches;
  if (!patches.columns.count) return;
  while (t < end) {
    const count = min(end - t, patches.partRows);
    if (!hasRoom(patches, count)) flush(p);
    append(patches, b, t, count);
    t += count;
  }
}

/** Computes what is in the table, and empties it. */
export function flush(p: Product): void {
  const pixels = <usize>p.patches.pixels;
  for (let i: usize = 0; i < pixels; i += p.block) {
    const count = min(pixels - i, p.block);
    const table = p.patches.table + i * TABLE_ROW;
    for (let g: usize = 0; g < p.groups; g++) computeBlock(p, g, table, count);
  }
  clear(p.patches);
}

function computeBlock(p: Product, g: usize, table: usize, count: usize): void {
  const packs = worthPacking(p);
  const a = g * p.depth * 4;
  let panel = p.packed + g * p.groupPanelBytes;
  const firstColumn = g * p.columns;
  const floor: f32 = p.relu ? 0 : -Infinity;
  if (packs) packPixels(table, count, a, p.segments, p.segmentsEnd, p.run, p.panels);
  let nr: usize = 0;
  for (let j: usize = 0; j < p.columns; j += nr) {
    const width = widthAt(p.columns, j);
    nr = min(p.columns - j, width);
    const shift = j >= width - nr ? width - nr : 0;
    const c = (firstColumn + j - shift) * 4;
    const bias = p.bias ? p.bias + c : p.zeros + ROW_BYTES;
    if (nr + shift < width) narrow(p, count, table, a, panel, floor, c, bias, nr);
    else if (width == 4) quads(p, count, table, a, panel, bias, floor, c);
    else if (NR == 16 && width == 8) pairs(p, count, table, a, panel, bias, floor, c);
    else if (packs) packedStrip(p, count, table, panel, bias, floor, c);
    else directStrip(p, count, table, a, panel, bias, floor, c);
    panel += p.steps * width * 4;
  }
}

// The strips that there are, each in a function of its own, as in gemm.ts.

function packedStrip(p: Product, count: usize, table: usize, b: usize, bias: usize, floor: f32, c: usize): void {
  let a = p.panels;
  for (; count > MR; count -= MR) {
    packedTile(MR - 1, p.steps, a, b, p.zeros, p.startRow, bias, floor, c, table);
    a += p.steps * (MR * 4);
    table += MR * TABLE_ROW;
  }
  packedTile(count - 1, p.steps, a, b, p.zeros, p.startRow, bias, floor, c, table);
}

function packedTile(
  last: usize, k: usize, a: usize, b: usize, start: usize, startRow: usize, bias: usize, floor: f32, c: usize,
  row: usize,
): void {
  c += load<u32>(row, 4);
  microkernel<Tabled>(MR, NV, true, last, k, a, 0, MR * 4, 0, 0, b, NR * 4, start, startRow, bias, floor, c, row + 4);
}

function directStrip(
  p: Product, count: usize, table: usize, a: usize, b: usize, bias: usize, floor: f32, c: usize,
): void {
  for (; count > MR; count -= MR) {
    directTile(p, MR - 1, table, a, b, bias, floor, c);
    table += MR * TABLE_ROW;
  }
  directTile(p, count - 1, table, a, b, bias, floor, c);
}

function directTile(
  p: Product, last: usize, row: usize, a: usize, b: usize, bias: usize, floor: f32, c: usize,
): void {
  tile(NV, p, last, row, a, b, bias, floor, c);
}

function pairs(
  p: Product, count: usize, table: usize, a: usize, b: usize, bias: usize, floor: f32, c: usize,
): void {
  for (; count > MR; count -= MR) {
    tile(2, p, MR - 1, table, a, b, bias, floor, c);
    table += MR * TABLE_ROW;
  }
  tile(2, p, count - 1, table, a, b, bias, floor, c);
}

function quads(
  p: Product, count: usize, table: usize, a: usize, b: usize, bias: usize, floor: f32, c: usize,
): void {
  for (; count > MR; count -= MR) {
    tile(1, p, MR - 1, table, a, b, bias, floor, c);
    table += MR * TABLE_ROW;
  }
  tile(1, p, count - 1, table, a, b, bias, floor, c);
}

/**
 * A tile over pixels where they are; `nv` is a constant. All rows start from the same zeros, but the compiler must not see
 * it: V8 would load them once, and could not pair neighboring vectors (wide, 14 × 14 × 8 to 16: 0.73 of the 128-bit peak
 * instead of 1.82).
 */
// @ts-ignore: decorator
@inline function tile(
  nv: usize, p: Product, last: usize, row: usize, a: usize, b: usize, bias: usize, floor: f32, c: usize,
): void {
  const k = p.steps ? p.run : 0;
  microkernel<Tabled>(
    MR, nv, false, last, k, a + load<u32>(row), row, 4, p.segments, p.segmentsEnd, b, nv * 16, p.zeros, p.startRow, bias,
    floor,
    c + load<u32>(row, 4), row + 4,
  );
}

/** Fewer columns in all than a vector has: tiles in a strip of their own, of which `nr` columns are copied. */
function narrow(
  p: Product, count: usize, table: usize, a: usize, b: usize, floor: f32, c: usize, bias: usize, nr: usize,
): void {
  const ownBias = p.zeros + 2 * ROW_BYTES;
  for (let n: usize = 0; n < nr; n++) store<f32>(ownBias + n * 4, load<f32>(bias + n * 4));
  const strip = ownBias + 16;
  const rows = strip + 4 * 16;
  for (; count; table += TABLE_ROW) {
    const taken = min(count, MR);
    for (let i: usize = 0; i < taken; i++) {
      store<u32>(rows + i * TABLE_ROW, load<u32>(table + i * TABLE_ROW));
      store<u32>(rows + i * TABLE_ROW, <u32>(strip + i * 16), 4);
    }
    quads(p, taken, rows, a, b, ownBias, floor, 0);
    for (let i: usize = 0; i < taken; i++) {
      const to = c + load<u32>(table + i * TABLE_ROW, 4);
      for (let n: usize = 0; n < nr; n++) store<f32>(to + n * 4, load<f32>(strip + i * 16 + n * 4));
    }
    count -= taken;
    table += (MR - 1) * TABLE_ROW;
  }
}
