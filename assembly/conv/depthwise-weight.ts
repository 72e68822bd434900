// The gradient of a depthwise convolution by its weight. Vectors are along channels; sums run over the pixels of dy.

import { TABLE_ROW } from "../gemm/microkernel";
import { add, loadLanes, loadSecond, mul, storeLanes, storeSecond } from "../simd";
import {
  begin, checkDepthwise, Depthwise, depthwiseAt, layOutDepthwise, setForward, slides, TAP_ROW,
} from "./depthwise-plan";
import { append, clear } from "./patches";
import { slide } from "./slide";
import { windowAt } from "./window";

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
  assert(first + count <= w.outChannels, "channels are those of dw");
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
