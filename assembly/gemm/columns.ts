// Two or three columns: a product that would leave a tile half empty. The rows of A lie along p and are turned in
// registers, four at a time, so that a vector has one step of four rows; each is used for every column.

import { addProduct, product } from "../schedule";
import { gather } from "./gemv";

/** Rows of A that a strip has: `sumColumns` needs as many. */
export const COLUMN_ROWS: usize = 8;

/**
 * `m` × `n` sums of k products, m >= 8, n 2 or 3, at `y`.
 *
 * Memory: row i of A at `a + i·aLine`, its steps neighbors; step p of B at `b + p·bStep`, its columns neighbors; row i of
 * the sums at `y + i·yRow`. In bytes. Requires: the sums overlap neither A nor B.
 * Touches: those m·k, k·n and m·n elements.
 * Remainder: the last m mod 8 rows join their neighbors once more, which gives the same bits; of an odd number of steps
 * the last is gathered lane by lane.
 */
export function sumColumns(
  m: usize, n: usize, k: usize, a: usize, aLine: usize, b: usize, bStep: usize, y: usize, yRow: usize,
): void {
  for (let i: usize = 0; ; i = min(i + COLUMN_ROWS, m - COLUMN_ROWS)) {
    if (n == 2) twoColumns(k, a + i * aLine, aLine, b, bStep, y + i * yRow, yRow);
    else threeColumns(k, a + i * aLine, aLine, b, bStep, y + i * yRow, yRow);
    if (i + COLUMN_ROWS == m) break;
  }
}

// Each a function of its own, for the optimizer would merge them again.

function twoColumns(k: usize, a: usize, aLine: usize, b: usize, bStep: usize, y: usize, yRow: usize): void {
  strip(2, k, a, aLine, b, bStep, y, yRow);
}

function threeColumns(k: usize, a: usize, aLine: usize, b: usize, bStep: usize, y: usize, yRow: usize): void {
  strip(3, k, a, aLine, b, bStep, y, yRow);
}

/**
 * Eight rows.
 *
 * Registers: 2·n sums, two steps of eight rows, a splatted element of B, two products.
 * Branch: `next` is never 0. V8 11 and 12 would load everything first, and spill: 0.75 of the speed for three columns.
 */
// @ts-ignore: decorator
@inline function strip(
  n: usize, k: usize, a: usize, aLine: usize, b: usize, bStep: usize, y: usize, yRow: usize,
): void {
  const l2 = aLine * 2;
  const l3 = aLine * 3;
  let lower = a;
  let upper = a + aLine * 4;
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let t0 = s0;
  let t1 = s0;
  let t2 = s0;
  for (const end = lower + ((k & ~1) << 2); lower != end; lower += 8) {
    let u = pair(lower, lower + aLine);
    let v = pair(lower + l2, lower + l3);
    const lower0 = v128.shuffle<f32>(u, v, 0, 2, 4, 6);
    const lower1 = v128.shuffle<f32>(u, v, 1, 3, 5, 7);
    u = pair(upper, upper + aLine);
    v = pair(upper + l2, upper + l3);
    const upper0 = v128.shuffle<f32>(u, v, 0, 2, 4, 6);
    const upper1 = v128.shuffle<f32>(u, v, 1, 3, 5, 7);
    let x = v128.load32_splat(b);
    u = product(x, lower0);
    v = product(x, upper0);
    s0 = addProduct(s0, x, u);
    t0 = addProduct(t0, x, v);
    x = v128.load32_splat(b, 4);
    u = product(x, lower0);
    v = product(x, upper0);
    s1 = addProduct(s1, x, u);
    t1 = addProduct(t1, x, v);
    if (n > 2) {
      x = v128.load32_splat(b, 8);
      u = product(x, lower0);
      v = product(x, upper0);
      s2 = addProduct(s2, x, u);
      t2 = addProduct(t2, x, v);
    }
    const next = b + bStep;
    if (n > 2 && !next) break;
    x = v128.load32_splat(next);
    u = product(x, lower1);
    v = product(x, upper1);
    s0 = addProduct(s0, x, u);
    t0 = addProduct(t0, x, v);
    x = v128.load32_splat(next, 4);
    u = product(x, lower1);
    v = product(x, upper1);
    s1 = addProduct(s1, x, u);
    t1 = addProduct(t1, x, v);
    if (n > 2) {
      x = v128.load32_splat(next, 8);
      u = product(x, lower1);
      v = product(x, upper1);
      s2 = addProduct(s2, x, u);
      t2 = addProduct(t2, x, v);
    }
    upper += 8;
    b = next + bStep;
  }
  if (k & 1) {
    const u = gather(lower, aLine, l2, l3);
    const v = gather(upper, aLine, l2, l3);
    let x = v128.load32_splat(b);
    s0 = addProduct(s0, x, product(x, u));
    t0 = addProduct(t0, x, product(x, v));
    x = v128.load32_splat(b, 4);
    s1 = addProduct(s1, x, product(x, u));
    t1 = addProduct(t1, x, product(x, v));
    if (n > 2) {
      x = v128.load32_splat(b, 8);
      s2 = addProduct(s2, x, product(x, u));
      t2 = addProduct(t2, x, product(x, v));
    }
  }
  storeColumn(s0, y, yRow);
  storeColumn(s1, y + 4, yRow);
  if (n > 2) storeColumn(s2, y + 8, yRow);
  y += yRow * 4;
  storeColumn(t0, y, yRow);
  storeColumn(t1, y + 4, yRow);
  if (n > 2) storeColumn(t2, y + 8, yRow);
}

/** Two steps of two rows. */
// @ts-ignore: decorator
@inline function pair(a: usize, b: usize): v128 {
  return v128.load64_lane(b, v128.load64_zero(a), 1);
}

/** One element of four rows. */
function storeColumn(s: v128, y: usize, yRow: usize): void {
  v128.store_lane<f32>(y, s, 0);
  y += yRow;
  v128.store_lane<f32>(y, s, 1);
  y += yRow;
  v128.store_lane<f32>(y, s, 2);
  v128.store_lane<f32>(y + yRow, s, 3);
}
