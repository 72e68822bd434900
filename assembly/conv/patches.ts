// Where the pixels are whose products with a kernel make a grid of outputs: in the source itself if no window leaves it,
// else in a copy of a few of its rows with zeros around them. Either way pixel (t, u) of the grid has an address, and its
// window's elements are at the same distances from it for all pixels. No patch is written out.

import { TABLE_ROW } from "../gemm/microkernel";
import { Axis, isInside, span } from "./axis";

/** Pixels of a table, unless a row has more: enough that what is done once for a table is little. */
const PIXELS: i32 = 256;
/** Rows of the grid that share a copied row, if there are that many: a kernel of three rows copies 6 rows for 4. */
const SHARED_ROWS: i32 = 4;
/** Bytes of copies of small images that one table may have. */
const COPIES_BYTES: usize = 1 << 18;

/** How the channels of a copied pixel are arranged. */
export const PLAIN: i32 = 0;
/** Channel c becomes c·copies … c·copies + copies − 1. */
export const REPEATED: i32 = 1;
/** Channel c·copies + j becomes j·(channels / copies) + c. */
export const SPLIT: i32 = 2;

@unmanaged
export class Patches {
  rows: Axis;
  columns: Axis;
  source: usize;
  /** Floats of a pixel of the source. */
  channels: usize;
  arrangement: i32;
  copies: usize;
  /** Bytes of a pixel, and of a row of pixels, where they are read. */
  pixelBytes: usize;
  rowBytes: usize;
  /** Whether they are read in the source. */
  inPlace: bool;
  /** Rows of the grid that are copied together, and the bytes of that copy. */
  partRows: i32;
  partBytes: usize;
  copy: usize;
  copyBytes: usize;
  copied: usize;
  /** The output: where, and its shape. */
  out: usize;
  outHeight: i32;
  outWidth: i32;
  outPixelBytes: usize;
  table: usize;
  tablePixels: i32;
  pixels: i32;
}

/** The structs at `at`, without their values. */
export function patchesAt(at: usize): Patches {
  const p = changetype<Patches>(at);
  p.rows = changetype<Axis>(at + 256);
  p.columns = changetype<Axis>(at + 320);
  return p;
}

/** Decides about the copy and the table, and returns their bytes; `rows` and `columns` are set. */
export function layOut(p: Patches, pixelFloats: usize): usize {
  const rows = p.rows;
  const columns = p.columns;
  p.pixelBytes = pixelFloats * 4;
  const reads = rows.taps && columns.taps;
  p.inPlace = !reads || (p.arrangement == PLAIN && isInside(rows) && isInside(columns));
  const width = max(columns.count, 1);
  p.rowBytes = <usize>(p.inPlace ? columns.size : max(span(columns, width), 1)) * p.pixelBytes;
  const pixels = p.inPlace ? PIXELS : max(PIXELS, SHARED_ROWS * width);
  p.partRows = max(min(pixels / width, rows.count), 1);
  p.partBytes = p.inPlace ? 0 : <usize>max(span(rows, p.partRows), 1) * p.rowBytes;
  const parts = <usize>max(pixels / (p.partRows * width), 1);
  p.copyBytes = max(p.partBytes, min(parts * p.partBytes, COPIES_BYTES));
  p.tablePixels = max(pixels, width);
  return p.copyBytes + <usize>p.tablePixels * TABLE_ROW;
}

/** Empties the table. */
export function clear(p: Patches): void {
  p.pixels = 0;
  p.copied = 0;
}

/** Whether `count` <= partRows more rows of the grid find room. */
export function hasRoom(p: Patches, count: i32): bool {
  return p.pixels + count * p.columns.count <= p.tablePixels && p.copied + p.partBytes <= p.copyBytes;
}

/** Adds rows t … t + count − 1 of the grid of image `b` to the table. */
export function append(p: Patches, b: i32, t: i32, count: i32): void {
  const rows = p.rows;
  const columns = p.columns;
  let row: usize;
  if (p.inPlace) {
    const y = b * rows.size + t * rows.step + rows.offset;
    row = p.source + <usize>y * p.rowBytes + <usize>columns.offset * p.pixelBytes;
  } else {
    row = p.copy + p.copied;
    copyRows(p, b, t * rows.step + rows.offset, span(rows, count), row);
    p.copied += p.partBytes;
  }
  const step = <usize>columns.step * p.pixelBytes;
  const outStep = <usize>columns.outStep * p.outPixelBytes;
  let entry = p.table + <usize>p.pixels * TABLE_ROW;
  for (const end = t + count; t < end; t++) {
    const y = b * p.outHeight + rows.outFirst + t * rows.outStep;
    let out = p.out + <usize>(y * p.outWidth + columns.outFirst) * p.outPixelBytes;
    let pixel = row;
    for (let n = columns.count; n > 0; n--) {
      store<u32>(entry, <u32>pixel);
      store<u32>(entry, <u32>out, 4);
      pixel += step;
      out += outStep;
      entry += TABLE_ROW;
    }
    row += <usize>rows.step * p.rowBytes;
  }
  p.pixels += count * columns.count;
}

/** The address of pixel (t, u) relative to the first one, for tap (i, j) of its window. */
// @ts-ignore: decorator
@inline export function tapOffset(p: Patches, i: i32, j: i32): usize {
  return <usize>(i * p.rows.tapStep) * p.rowBytes + <usize>(j * p.columns.tapStep) * p.pixelBytes;
}

/** Copies `count` rows of image `b` from row y on, which may be outside, as far as the columns' windows reach. */
function copyRows(p: Patches, b: i32, y: i32, count: i32, to: usize): void {
  const height = p.rows.size;
  const width = p.columns.size;
  const all = max(span(p.columns, p.columns.count), 0);
  const first = p.columns.offset;
  const before = min(max(-first, 0), all);
  const inside = max(min(all - before, width - max(first, 0)), 0);
  const after = all - before - inside;
  const floats = p.pixelBytes >> 2;
  for (; count > 0; count--, y++) {
    if (y < 0 || y >= height) {
      to = zero(to, <usize>all * floats);
      continue;
    }
    to = zero(to, <usize>before * floats);
    const from = p.source + (<usize>(b * height + y) * width + <usize>max(first, 0)) * p.channels * 4;
    if (p.arrangement == PLAIN) to = copy(to, from, <usize>inside * floats);
    else if (p.arrangement == REPEATED) to = repeatChannels(to, from, <usize>inside * p.channels, p.copies);
    else to = splitChannels(to, from, <usize>inside, p.channels, p.copies);
    to = zero(to, <usize>after * floats);
  }
}

/** Writes `count` zeros, and returns where they end. */
export function zero(to: usize, count: usize): usize {
  for (; count >= 4; count -= 4, to += 16) v128.store(to, f32x4.splat(0));
  for (; count; count--, to += 4) store<f32>(to, 0);
  return to;
}

// A loop of vectors: memory.copy is a call out of the engine's code, which costs more than a short row.
function copy(to: usize, from: usize, count: usize): usize {
  for (; count >= 8; count -= 8, to += 32, from += 32) {
    const low = v128.load(from);
    const high = v128.load(from, 16);
    v128.store(to, low);
    v128.store(to, high, 16);
  }
  for (; count; count--, to += 4, from += 4) store<u32>(to, load<u32>(from));
  return to;
}

function repeatChannels(to: usize, from: usize, count: usize, copies: usize): usize {
  for (; count; count--, from += 4) {
    const value = load<u32>(from);
    for (let n = copies; n; n--, to += 4) store<u32>(to, value);
  }
  return to;
}

function splitChannels(to: usize, from: usize, pixels: usize, channels: usize, copies: usize): usize {
  for (; pixels; pixels--, from += channels * 4) {
    for (let j: usize = 0; j < copies; j++) {
      for (let c = j; c < channels; c += copies, to += 4) store<u32>(to, load<u32>(from + c * 4));
    }
  }
  return to;
}
