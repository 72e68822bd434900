// y = x·B: a product of one row. B is n lines (its columns) of depth k. An element adds its products in ascending p, as
// every element of a product does. Nothing is used twice here but x and y, so what counts is to read B once, in the
// order of its memory.

import { addProduct as addInOrder, product } from "../schedule";
import { add, lanes, loadLanes, mul, splat, storeLanes } from "../simd";
import { NR } from "./config";

/** Lines of B that are summed at once: `sumLines` needs as many. */
export const LINES: usize = 8;
/** Columns of B that `sumStrip` sums at once. */
export const STRIP: usize = 32;

/**
 * y = x·B for a B whose steps are rows: eight of them at a time are read from end to end.
 *
 * Registers: eight splatted elements of x, four sums, a product. Memory: step p of B at `b + p·bStep`, of x at
 * `x + p·xStep`. In bytes. Requires: y overlaps neither x nor B. Touches: n·k elements of B, k of x, n of y.
 * Remainder: the last k mod 8 rows, four and then one at a time; the last n mod 16 columns, likewise.
 * Order: a row's four vectors, then the next row's, so that no addition waits for another; imports keep it
 * (docs/decisions/0012-order-of-instructions.md).
 * Tried (docs/decisions/0006-tiles-and-paths.md): other counts of rows and vectors, sums in registers, loads ahead.
 */
export function sumRows(n: usize, k: usize, x: usize, xStep: usize, b: usize, bStep: usize, y: usize): void {
  memory.fill(y, 0, n * 4);
  for (; k >= 8; k -= 8) {
    addEight(n, x, xStep, b, bStep, y);
    x += xStep * 8;
    b += bStep * 8;
  }
  if (k & 4) {
    addFour(n, x, xStep, b, bStep, y);
    x += xStep * 4;
    b += bStep * 4;
  }
  for (k &= 3; k; k--) {
    addOne(n, x, b, y);
    x += xStep;
    b += bStep;
  }
}

// Each a function of its own, for the optimizer would merge their loops.

function addEight(n: usize, x: usize, xStep: usize, b: usize, bStep: usize, y: usize): void {
  const end = addColumns(8, y, y + ((n & ~15) << 2), x, xStep, b, bStep);
  if (n & 15) addLastColumns(8, n, x, xStep, b, bStep, y, end);
}

function addFour(n: usize, x: usize, xStep: usize, b: usize, bStep: usize, y: usize): void {
  const end = addColumns(4, y, y + ((n & ~15) << 2), x, xStep, b, bStep);
  if (n & 15) addLastColumns(4, n, x, xStep, b, bStep, y, end);
}

function addOne(n: usize, x: usize, b: usize, y: usize): void {
  addLastColumns(1, n, x, 0, b, 0, y, y);
}

/**
 * Adds eight or four rows to the elements of y up to `end`, sixteen at a time.
 *
 * Branch: `row` is never 0. Without these V8 11 would load everything first, and spill: 0.7 of the speed.
 */
// @ts-ignore: decorator
@inline function addColumns(rows: usize, y: usize, end: usize, x: usize, xStep: usize, b: usize, bStep: usize): usize {
  const x0 = splatAt<v128>(x);
  const x1 = splatAt<v128>(x + xStep);
  const x2 = splatAt<v128>(x + xStep * 2);
  const x3 = splatAt<v128>(x + xStep * 3);
  const x4 = rows == 8 ? splatAt<v128>(x + xStep * 4) : x0;
  const x5 = rows == 8 ? splatAt<v128>(x + xStep * 5) : x0;
  const x6 = rows == 8 ? splatAt<v128>(x + xStep * 6) : x0;
  const x7 = rows == 8 ? splatAt<v128>(x + xStep * 7) : x0;
  while (y != end) {
    let s0 = v128.load(y);
    let s1 = v128.load(y, 16);
    let s2 = v128.load(y, 32);
    let s3 = v128.load(y, 48);
    let row = b;
    s0 = addRow<v128>(s0, x0, row);
    s1 = addNext(s1, x0, row, 16);
    s2 = addNext(s2, x0, row, 32);
    s3 = addNext(s3, x0, row, 48);
    row += bStep;
    s0 = addRow<v128>(s0, x1, row);
    s1 = addNext(s1, x1, row, 16);
    s2 = addNext(s2, x1, row, 32);
    s3 = addNext(s3, x1, row, 48);
    row += bStep;
    if (!WIDE && !row) return storeFour(y, s0, s1, s2, s3);
    s0 = addRow<v128>(s0, x2, row);
    s1 = addNext(s1, x2, row, 16);
    s2 = addNext(s2, x2, row, 32);
    s3 = addNext(s3, x2, row, 48);
    row += bStep;
    s0 = addRow<v128>(s0, x3, row);
    s1 = addNext(s1, x3, row, 16);
    s2 = addNext(s2, x3, row, 32);
    s3 = addNext(s3, x3, row, 48);
    if (rows == 8) {
      row += bStep;
      if (!WIDE && !row) return storeFour(y, s0, s1, s2, s3);
      s0 = addRow<v128>(s0, x4, row);
      s1 = addNext(s1, x4, row, 16);
      s2 = addNext(s2, x4, row, 32);
      s3 = addNext(s3, x4, row, 48);
      row += bStep;
      s0 = addRow<v128>(s0, x5, row);
      s1 = addNext(s1, x5, row, 16);
      s2 = addNext(s2, x5, row, 32);
      s3 = addNext(s3, x5, row, 48);
      row += bStep;
      if (!WIDE && !row) return storeFour(y, s0, s1, s2, s3);
      s0 = addRow<v128>(s0, x6, row);
      s1 = addNext(s1, x6, row, 16);
      s2 = addNext(s2, x6, row, 32);
      s3 = addNext(s3, x6, row, 48);
      row += bStep;
      s0 = addRow<v128>(s0, x7, row);
      s1 = addNext(s1, x7, row, 16);
      s2 = addNext(s2, x7, row, 32);
      s3 = addNext(s3, x7, row, 48);
    }
    storeFour(y, s0, s1, s2, s3);
    y += 64;
    b += 64;
  }
  return y;
}

/** Adds eight, four or one row to the elements of y from `from` on: four, then one at a time. */
// @ts-ignore: decorator
@inline function addLastColumns(
  rows: usize, n: usize, x: usize, xStep: usize, b: usize, bStep: usize, y: usize, from: usize,
): void {
  const end = addEach<v128>(rows, from, y + ((n & ~3) << 2), x, xStep, b + (from - y), bStep);
  if (n & 3) addEach<f32>(rows, end, y + (n << 2), x, xStep, b + (end - y), bStep);
}

// @ts-ignore: decorator
@inline function addEach<T>(rows: usize, y: usize, end: usize, x: usize, xStep: usize, b: usize, bStep: usize): usize {
  const x0 = splatAt<T>(x);
  const x1 = rows > 1 ? splatAt<T>(x + xStep) : x0;
  const x2 = rows > 1 ? splatAt<T>(x + xStep * 2) : x0;
  const x3 = rows > 1 ? splatAt<T>(x + xStep * 3) : x0;
  const x4 = rows > 4 ? splatAt<T>(x + xStep * 4) : x0;
  const x5 = rows > 4 ? splatAt<T>(x + xStep * 5) : x0;
  const x6 = rows > 4 ? splatAt<T>(x + xStep * 6) : x0;
  const x7 = rows > 4 ? splatAt<T>(x + xStep * 7) : x0;
  for (; y != end; y += 4 * lanes<T>()) {
    let row = b;
    let sum = loadLanes<T>(y);
    sum = addRow<T>(sum, x0, row);
    if (rows > 1) {
      sum = addRow<T>(sum, x1, (row += bStep));
      sum = addRow<T>(sum, x2, (row += bStep));
      sum = addRow<T>(sum, x3, (row += bStep));
    }
    if (rows > 4) {
      sum = addRow<T>(sum, x4, (row += bStep));
      sum = addRow<T>(sum, x5, (row += bStep));
      sum = addRow<T>(sum, x6, (row += bStep));
      sum = addRow<T>(sum, x7, (row += bStep));
    }
    storeLanes<T>(y, sum);
    b += 4 * lanes<T>();
  }
  return y;
}

// @ts-ignore: decorator
@inline function addRow<T>(sum: T, factor: T, row: usize): T {
  if (isVector<T>()) return addNext(sum, factor, row, 0);
  else return sum + factor * load<f32>(row);
}

// @ts-ignore: decorator
@inline function addNext(sum: v128, factor: v128, row: usize, offset: usize): v128 {
  // An offset that is added later is an instruction.
  const line = offset == 48 ? v128.load(row, 48)
    : offset == 32 ? v128.load(row, 32)
    : offset ? v128.load(row, 16) : v128.load(row);
  return addInOrder(sum, factor, product(factor, line));
}

// @ts-ignore: decorator
@inline function storeFour(y: usize, s0: v128, s1: v128, s2: v128, s3: v128): usize {
  v128.store(y, s0);
  v128.store(y, s1, 16);
  v128.store(y, s2, 32);
  v128.store(y, s3, 48);
  return y;
}

/** A load that splats stays in front of a loop, where V8 moves a splat back in. */
// @ts-ignore: decorator
@inline function splatAt<T>(x: usize): T {
  if (isVector<T>()) return v128.load32_splat(x);
  else return splat<T>(load<f32>(x));
}

/**
 * y = x·B for a B whose lines lie along p, as x does: eight lines at a time, in blocks of 4 × 4 products that are
 * transposed in registers.
 *
 * Registers: two sums, four steps of x, four lines and what they are shuffled into. Memory: line j of B at `b + j·bLine`,
 * in bytes; the steps of a line and of x are neighbors. Requires: n >= 8; y overlaps neither x nor B.
 * Touches: n·k elements of B, k of x, n of y.
 * Remainder: the last k mod 4 steps are gathered lane by lane; the last n mod 8 lines join their neighbors to the left
 * once more, which gives the same bits.
 * Tried (Zen 4): each step of x in all lanes, times the transposed block: 0.61 of this speed on Node 20, 0.97 on Node 26.
 * Twelve lines (Zen 5): 0.78 on Node 20, 0.91–1.02 on Node 24 and 26.
 */
export function sumLines(n: usize, k: usize, x: usize, b: usize, bLine: usize, y: usize): void {
  const l2 = bLine * 2;
  const l3 = bLine * 3;
  for (let j: usize = 0; ; j = min(j + LINES, n - LINES)) {
    let lower = b + j * bLine;
    let upper = lower + bLine * 4;
    let xp = x;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    for (const end = lower + ((k & ~3) << 2); lower != end; lower += 16) {
      const factors = v128.load(xp);
      s0 = addSteps(s0, factors, lower, bLine, l2, l3);
      s1 = addSteps(s1, factors, upper, bLine, l2, l3);
      upper += 16;
      xp += 16;
    }
    for (let p = k & 3; p; p--) {
      const factor = v128.load32_splat(xp);
      s0 = add<v128>(s0, mul<v128>(factor, gather(lower, bLine, l2, l3)));
      s1 = add<v128>(s1, mul<v128>(factor, gather(upper, bLine, l2, l3)));
      lower += 4;
      upper += 4;
      xp += 4;
    }
    v128.store(y + j * 4, s0);
    v128.store(y + j * 4, s1, 16);
    if (j + LINES == n) break;
  }
}

/** Adds four steps of four lines, one step after the other. */
// @ts-ignore: decorator
@inline function addSteps(sum: v128, x: v128, b: usize, l1: usize, l2: usize, l3: usize): v128 {
  const p0 = mul<v128>(x, v128.load(b));
  const p1 = mul<v128>(x, v128.load(b + l1));
  const p2 = mul<v128>(x, v128.load(b + l2));
  const p3 = mul<v128>(x, v128.load(b + l3));
  const low0 = v128.shuffle<f32>(p0, p1, 0, 4, 1, 5);
  const low1 = v128.shuffle<f32>(p2, p3, 0, 4, 1, 5);
  sum = add<v128>(sum, v128.shuffle<f64>(low0, low1, 0, 2));
  sum = add<v128>(sum, v128.shuffle<f64>(low0, low1, 1, 3));
  const high0 = v128.shuffle<f32>(p0, p1, 2, 6, 3, 7);
  const high1 = v128.shuffle<f32>(p2, p3, 2, 6, 3, 7);
  sum = add<v128>(sum, v128.shuffle<f64>(high0, high1, 0, 2));
  return add<v128>(sum, v128.shuffle<f64>(high0, high1, 1, 3));
}

/** One step of four lines. */
// @ts-ignore: decorator
@inline export function gather(b: usize, l1: usize, l2: usize, l3: usize): v128 {
  let lanes = v128.load32_zero(b);
  lanes = v128.load_lane<f32>(b + l1, lanes, 1);
  lanes = v128.load_lane<f32>(b + l2, lanes, 2);
  return v128.load_lane<f32>(b + l3, lanes, 3);
}

/**
 * y = x·B for 32 columns of a packed B, whose sums stay in registers: neighboring panels of NR columns, `panel` bytes
 * apart.
 *
 * Registers: eight sums, four loads of B, a splatted element of x, two or three products.
 * Memory: step p of a panel is NR neighbors at `b + 4·p·NR`, that of x at `x + p·xStep`. In bytes.
 * Touches: 32·k elements of B, k of x, 32 of y.
 * Branch: `b2` is never 0. V8 11 and 12 would load everything first, and spill: 0.5 of the speed.
 */
export function sumStrip(k: usize, x: usize, xStep: usize, b: usize, panel: usize, y: usize): void {
  const o1: usize = NR == 16 ? 32 : panel;
  const o2: usize = NR == 16 ? panel : panel * 2;
  const o3 = o1 + o2;
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let s4 = s0;
  let s5 = s0;
  let s6 = s0;
  let s7 = s0;
  for (; k; k--) {
    const factor = v128.load32_splat(x);
    const b2 = b + o2;
    let at = b + o1;
    let v0 = v128.load(b);
    let v1 = v128.load(b, 16);
    let v2 = v128.load(at);
    let v3 = v128.load(at, 16);
    let p0 = product(factor, v0);
    let p1 = product(factor, v1);
    let p2 = product(factor, v2);
    let p3 = product(factor, v3);
    s0 = addInOrder(s0, factor, p0);
    s1 = addInOrder(s1, factor, p1);
    s2 = addInOrder(s2, factor, p2);
    s3 = addInOrder(s3, factor, p3);
    if (!b2) break;
    at = b + o3;
    v0 = v128.load(b2);
    v1 = v128.load(b2, 16);
    v2 = v128.load(at);
    v3 = v128.load(at, 16);
    p0 = product(factor, v0);
    p1 = product(factor, v1);
    p2 = product(factor, v2);
    p3 = product(factor, v3);
    s4 = addInOrder(s4, factor, p0);
    s5 = addInOrder(s5, factor, p1);
    s6 = addInOrder(s6, factor, p2);
    s7 = addInOrder(s7, factor, p3);
    x += xStep;
    b += NR * 4;
  }
  v128.store(y, s0);
  v128.store(y, s1, 16);
  v128.store(y, s2, 32);
  v128.store(y, s3, 48);
  v128.store(y, s4, 64);
  v128.store(y, s5, 80);
  v128.store(y, s6, 96);
  v128.store(y, s7, 112);
}
