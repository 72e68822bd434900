// Rows of depthwise windows of three columns whose neighbors are one column on. A table says where each element of a row
// of windows is, in the source or, outside it, in a pixel of zeros: nothing is copied, and no loop tests for borders.

import { add, lanes, loadLanes, loadSecond, mul, splat } from "../simd";
import { Depthwise, PIXELS_A_PASS, TAP_ROW } from "./depthwise-plan";
import { zero } from "./patches";
import { storePixel } from "./slide";

/** Vectors of channels a pass: V8 makes one of two neighbors where it may. */
const NV: usize = WIDE ? 2 : 1;

/** Copies the kernel: all taps of the channels of a pass, then those of the next; and makes the pixel of zeros. */
export function beginRows(d: Depthwise): void {
  let to = d.split;
  for (let at: usize = 0, left = d.channels; left; ) {
    const count: usize = left >= 4 * NV ? 4 * NV : left >= 4 ? 4 : 1;
    for (let tap = d.taps; tap != d.tapsEnd; tap += TAP_ROW) {
      const from = d.kernel + load<u32>(tap, 4) + at;
      for (let i: usize = 0; i < count; i++, to += 4) store<f32>(to, load<f32>(from + i * 4));
    }
    at += count * 4;
    left -= count;
  }
  zero(d.zeros, d.channels);
}

/** Computes row t of the grid of image b; its last pixels may be computed twice. Requires: PIXELS_A_PASS columns. */
export function computeRow(d: Depthwise, b: i32, t: i32): void {
  const patches = d.patches;
  const rows = patches.rows;
  const columns = patches.columns;
  const width = <usize>columns.count;
  const pixelStep = <usize>columns.tapStep * patches.pixelBytes;
  let entry = d.columns;
  for (let i = 0; i < rows.taps; i++) {
    const y = t * rows.step + rows.offset + i * rows.tapStep;
    const isInside = <u32>y < <u32>rows.size;
    let pixel = patches.source + <usize>((b * rows.size + y) * columns.size + columns.offset) * patches.pixelBytes;
    let x = columns.offset;
    for (let n = width + 2; n; n--, x += columns.tapStep, pixel += pixelStep, entry += 4) {
      store<u32>(entry, <u32>(isInside && <u32>x < <u32>columns.size ? pixel : d.zeros));
    }
  }
  const y = b * patches.outHeight + rows.outFirst + t * rows.outStep;
  const out = patches.out + <usize>(y * patches.outWidth + columns.outFirst) * patches.outPixelBytes;
  for (let u: usize = 0; u < width; u += PIXELS_A_PASS) {
    const first = min(u, width - PIXELS_A_PASS);
    allChannels(d, d.columns + first * 4, (width + 2) * 4, out + first * d.outStep);
  }
}

function allChannels(d: Depthwise, table: usize, tableRow: usize, y: usize): void {
  const rows = d.rowTaps;
  const yStep = d.outStep;
  const floor = d.floor;
  let w = d.split;
  let bias = d.bias;
  const biasStep: usize = bias ? 4 : 0;
  let left = d.channels;
  let at: usize = 0;
  for (; left >= 4 * NV; left -= 4 * NV, at += 16 * NV, y += 16 * NV, bias += 4 * NV * biasStep) {
    w = fourPixels<v128>(NV, rows, table, tableRow, at, w, bias, floor, y, yStep);
  }
  for (; NV > 1 && left >= 4; left -= 4, at += 16, y += 16, bias += 4 * biasStep) {
    w = fourPixels<v128>(1, rows, table, tableRow, at, w, bias, floor, y, yStep);
  }
  for (; left; left--, at += 4, y += 4, bias += biasStep) {
    w = fourPixels<f32>(1, rows, table, tableRow, at, w, bias, floor, y, yStep);
  }
}

/**
 * Four pixels of y × `nv` (1 or 2, a constant) Ts of channels, from six elements of each of `rows` >= 1 rows of the
 * table; returns where the weights of the next channels are.
 *
 * Registers: 4·nv sums, 3·nv weights, nv of x. Numerics: a sum adds its terms in the order of rows, then columns.
 * Tried (one thread, Zen 4, November 2026): 6, 7 and 8 pixels of one vector, 0.95, 1.05 to 1.2 and 1 of this speed in
 * Node 26, 0.8, 0.95 and 0.85 in Node 20, which loads early and spills; products before sums (docs/decisions/0012), 1.
 */
// @ts-ignore: decorator
@inline function fourPixels<T>(
  nv: usize, rows: i32, table: usize, tableRow: usize, at: usize, w: usize, bias: usize, floor: f32, y: usize,
  yStep: usize,
): usize {
  const wStep = nv * lanes<T>() * 4;
  let s00 = splat<T>(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  for (; rows > 0; rows--, table += tableRow, w += 3 * wStep) {
    const w00 = loadLanes<T>(w);
    const w01 = nv > 1 ? loadSecond<T>(w) : w00;
    const w10 = loadLanes<T>(w + wStep);
    const w11 = nv > 1 ? loadSecond<T>(w + wStep) : w10;
    const w20 = loadLanes<T>(w + 2 * wStep);
    const w21 = nv > 1 ? loadSecond<T>(w + 2 * wStep) : w20;
    let x = at + load<u32>(table);
    let x0 = loadLanes<T>(x);
    let x1 = nv > 1 ? loadSecond<T>(x) : x0;
    s00 = add<T>(s00, mul<T>(x0, w00));
    if (nv > 1) s01 = add<T>(s01, mul<T>(x1, w01));
    x = at + load<u32>(table, 4);
    x0 = loadLanes<T>(x);
    x1 = nv > 1 ? loadSecond<T>(x) : x0;
    s00 = add<T>(s00, mul<T>(x0, w10));
    if (nv > 1) s01 = add<T>(s01, mul<T>(x1, w11));
    s10 = add<T>(s10, mul<T>(x0, w00));
    if (nv > 1) s11 = add<T>(s11, mul<T>(x1, w01));
    x = at + load<u32>(table, 8);
    x0 = loadLanes<T>(x);
    x1 = nv > 1 ? loadSecond<T>(x) : x0;
    s00 = add<T>(s00, mul<T>(x0, w20));
    if (nv > 1) s01 = add<T>(s01, mul<T>(x1, w21));
    s10 = add<T>(s10, mul<T>(x0, w10));
    if (nv > 1) s11 = add<T>(s11, mul<T>(x1, w11));
    s20 = add<T>(s20, mul<T>(x0, w00));
    if (nv > 1) s21 = add<T>(s21, mul<T>(x1, w01));
    x = at + load<u32>(table, 12);
    x0 = loadLanes<T>(x);
    x1 = nv > 1 ? loadSecond<T>(x) : x0;
    s10 = add<T>(s10, mul<T>(x0, w20));
    if (nv > 1) s11 = add<T>(s11, mul<T>(x1, w21));
    s20 = add<T>(s20, mul<T>(x0, w10));
    if (nv > 1) s21 = add<T>(s21, mul<T>(x1, w11));
    s30 = add<T>(s30, mul<T>(x0, w00));
    if (nv > 1) s31 = add<T>(s31, mul<T>(x1, w01));
    x = at + load<u32>(table, 16);
    x0 = loadLanes<T>(x);
    x1 = nv > 1 ? loadSecond<T>(x) : x0;
    s20 = add<T>(s20, mul<T>(x0, w20));
    if (nv > 1) s21 = add<T>(s21, mul<T>(x1, w21));
    s30 = add<T>(s30, mul<T>(x0, w10));
    if (nv > 1) s31 = add<T>(s31, mul<T>(x1, w11));
    x = at + load<u32>(table, 20);
    x0 = loadLanes<T>(x);
    x1 = nv > 1 ? loadSecond<T>(x) : x0;
    s30 = add<T>(s30, mul<T>(x0, w20));
    if (nv > 1) s31 = add<T>(s31, mul<T>(x1, w21));
  }
  let b0 = splat<T>(-0.0), b1 = b0;
  if (bias) {
    b0 = loadLanes<T>(bias);
    if (nv > 1) b1 = loadSecond<T>(bias);
  }
  const low = splat<T>(floor);
  storePixel<T>(nv, y, s00, s01, b0, b1, low);
  storePixel<T>(nv, y + yStep, s10, s11, b0, b1, low);
  storePixel<T>(nv, y + 2 * yStep, s20, s21, b0, b1, low);
  storePixel<T>(nv, y + 3 * yStep, s30, s31, b0, b1, low);
  return w;
}
