// Two rows of C at a time, four steps of B's rows a pass: what few rows, or few steps, are computed by. B is read in
// place, along its rows; C is read and written along its own.

// docs/decisions/0006-tiles-and-paths.md has the measurements.

import { addProduct, product } from "../schedule";
import { Off, On } from "../simd";
import { sumRows } from "./gemv";

/** Steps of a pass. */
const STEPS: usize = 4;

/** Bytes of the columns that a turn adds to. */
const TURN: usize = 32;

/**
 * `m` × `n` sums of k >= 1 products, n a multiple of 8, at `y`.
 *
 * Memory: element p of row i of A at `a + i·aLine + p·aStep`, step p of B at `b + p·bStep`, row i of the sums at
 * `y + i·yRow`. In bytes. Requires: the sums overlap neither A nor B; their `m·n` elements and four steps of B stay in
 * the first cache. Touches: those m·k, k·n and m·n elements.
 * Remainder: the first pass takes k mod 4 steps, if not 0, so that all others take four; the last of an odd number of
 * rows is summed alone.
 */
export function sumPairs(
  m: usize, n: usize, k: usize, a: usize, aLine: usize, aStep: usize, b: usize, bStep: usize, y: usize, yRow: usize,
): void {
  if (m & 1) sumRows(n, k, a + (m - 1) * aLine, aStep, b, bStep, y + (m - 1) * yRow);
  let steps = k & (STEPS - 1);
  if (!steps) steps = STEPS;
  const end = a + k * aStep;
  for (let isFirst = true; a != end; isFirst = false) {
    let x = a;
    let to = y;
    for (let pairs = m >> 1; pairs; pairs--) {
      if (!isFirst) nextFour(n, x, aLine, aStep, b, bStep, to, yRow);
      else if (steps == 1) firstOne(n, x, aLine, aStep, b, bStep, to, yRow);
      else if (steps == 2) firstTwo(n, x, aLine, aStep, b, bStep, to, yRow);
      else if (steps == 3) firstThree(n, x, aLine, aStep, b, bStep, to, yRow);
      else firstFour(n, x, aLine, aStep, b, bStep, to, yRow);
      x += aLine * 2;
      to += yRow * 2;
    }
    a += steps * aStep;
    b += steps * bStep;
    steps = STEPS;
  }
}

// The passes that there are: each a function of its own, for the optimizer would merge them again.

function firstOne(n: usize, x: usize, xRow: usize, xStep: usize, b: usize, bStep: usize, y: usize, yRow: usize): void {
  pass<On>(1, n, x, xRow, xStep, b, bStep, y, yRow);
}

function firstTwo(n: usize, x: usize, xRow: usize, xStep: usize, b: usize, bStep: usize, y: usize, yRow: usize): void {
  pass<On>(2, n, x, xRow, xStep, b, bStep, y, yRow);
}

function firstThree(n: usize, x: usize, xRow: usize, xStep: usize, b: usize, bStep: usize, y: usize, yRow: usize): void {
  pass<On>(3, n, x, xRow, xStep, b, bStep, y, yRow);
}

function firstFour(n: usize, x: usize, xRow: usize, xStep: usize, b: usize, bStep: usize, y: usize, yRow: usize): void {
  pass<On>(4, n, x, xRow, xStep, b, bStep, y, yRow);
}

function nextFour(n: usize, x: usize, xRow: usize, xStep: usize, b: usize, bStep: usize, y: usize, yRow: usize): void {
  pass<Off>(4, n, x, xRow, xStep, b, bStep, y, yRow);
}

/**
 * Adds `steps` products to each of two rows of sums, which start at +0 if `First`.
 *
 * Registers: up to eight splatted elements of A, two sums (four in pairs), a load of B (two), two products (four).
 * Wide: every load stands before every store, so V8 can pair neighboring vectors.
 */
// @ts-ignore: decorator
@inline function pass<First>(
  steps: usize, n: usize, x: usize, xRow: usize, xStep: usize, b: usize, bStep: usize, y: usize, yRow: usize,
): void {
  const z = x + xRow;
  const x0 = v128.load32_splat(x);
  const z0 = v128.load32_splat(z);
  const x1 = steps > 1 ? v128.load32_splat(x + xStep) : x0;
  const z1 = steps > 1 ? v128.load32_splat(z + xStep) : x0;
  const x2 = steps > 2 ? v128.load32_splat(x + xStep * 2) : x0;
  const z2 = steps > 2 ? v128.load32_splat(z + xStep * 2) : x0;
  const x3 = steps > 3 ? v128.load32_splat(x + xStep * 3) : x0;
  const z3 = steps > 3 ? v128.load32_splat(z + xStep * 3) : x0;
  for (const end = y + (n << 2); y != end; y += TURN) {
    const y1 = y + yRow;
    const b1 = b + bStep;
    const b2 = b1 + bStep;
    const b3 = b2 + bStep;
    if (WIDE) {
      let s0 = start<First, Off>(y);
      let t0 = start<First, On>(y);
      let s1 = start<First, Off>(y1);
      let t1 = start<First, On>(y1);
      s0 = step<Off>(s0, x0, b);
      t0 = step<On>(t0, x0, b);
      s1 = step<Off>(s1, z0, b);
      t1 = step<On>(t1, z0, b);
      if (steps > 1) {
        s0 = step<Off>(s0, x1, b1);
        t0 = step<On>(t0, x1, b1);
        s1 = step<Off>(s1, z1, b1);
        t1 = step<On>(t1, z1, b1);
      }
      if (steps > 2) {
        s0 = step<Off>(s0, x2, b2);
        t0 = step<On>(t0, x2, b2);
        s1 = step<Off>(s1, z2, b2);
        t1 = step<On>(t1, z2, b2);
      }
      if (steps > 3) {
        s0 = step<Off>(s0, x3, b3);
        t0 = step<On>(t0, x3, b3);
        s1 = step<Off>(s1, z3, b3);
        t1 = step<On>(t1, z3, b3);
      }
      v128.store(y, s0);
      v128.store(y, t0, 16);
      v128.store(y1, s1);
      v128.store(y1, t1, 16);
    } else {
      column<First, Off>(steps, x0, z0, x1, z1, x2, z2, x3, z3, b, b1, b2, b3, y, y1);
      column<First, On>(steps, x0, z0, x1, z1, x2, z2, x3, z3, b, b1, b2, b3, y, y1);
    }
    b += TURN;
  }
}

/** Four columns of two rows: the second ones of a turn if `Second`. */
// @ts-ignore: decorator
@inline function column<First, Second>(
  steps: usize, x0: v128, z0: v128, x1: v128, z1: v128, x2: v128, z2: v128, x3: v128, z3: v128,
  b: usize, b1: usize, b2: usize, b3: usize, y: usize, y1: usize,
): void {
  let v = at<Second>(b);
  let p = product(x0, v);
  let q = product(z0, v);
  let s = addProduct(start<First, Second>(y), x0, p);
  let t = addProduct(start<First, Second>(y1), z0, q);
  if (steps > 1) {
    v = at<Second>(b1);
    p = product(x1, v);
    q = product(z1, v);
    s = addProduct(s, x1, p);
    t = addProduct(t, z1, q);
  }
  if (steps > 2) {
    v = at<Second>(b2);
    p = product(x2, v);
    q = product(z2, v);
    s = addProduct(s, x2, p);
    t = addProduct(t, z2, q);
  }
  if (steps > 3) {
    v = at<Second>(b3);
    p = product(x3, v);
    q = product(z3, v);
    s = addProduct(s, x3, p);
    t = addProduct(t, z3, q);
  }
  if (isInteger<Second>()) {
    v128.store(y, s, 16);
    v128.store(y1, t, 16);
  } else {
    v128.store(y, s);
    v128.store(y1, t);
  }
}

// @ts-ignore: decorator
@inline function at<Second>(ptr: usize): v128 {
  return isInteger<Second>() ? v128.load(ptr, 16) : v128.load(ptr);
}

// @ts-ignore: decorator
@inline function start<First, Second>(y: usize): v128 {
  return isInteger<First>() ? f32x4.splat(0) : at<Second>(y);
}

// @ts-ignore: decorator
@inline function step<Second>(sum: v128, x: v128, b: usize): v128 {
  const v = at<Second>(b);
  return addProduct(sum, x, product(x, v));
}
