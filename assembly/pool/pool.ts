// Pooling: windows over each channel by itself. What is outside the image does not count.

import { Window, windowAt } from "../conv/window";
import {
  add, andBits, div, equalBits, loadLanes, loadSecond, orBits, pmax, splat, storeLanes, storeSecond, withoutBits,
} from "../simd";
import { checkPool, countInside, firstInside } from "./window";

/** What is taken from a window, known while compiling: `isInteger<Kind>()` asks for the maximum. */
type Max = i32;
type Average = f32;

/**
 * y: the largest element of each window: rows first … first + count − 1 of the batch·outHeight rows of y.
 *
 * Numerics: starts at −∞ and takes what is greater, so a NaN is passed over and the first of equal elements is taken, as
 * TensorFlow.js's cpu kernels do; a window with nothing in it gives −∞. Requires: y does not overlap x.
 */
export function max_pool_f32(windowPtr: usize, first: u32, count: u32, x: usize, y: usize): void {
  const w = windowAt(windowPtr);
  checkPool(w);
  assert(!((windowPtr | x | y) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch * <u32>w.outHeight, "rows are those of y");
  forward<Max>(w, first, count, x, y);
}

/**
 * y: the mean of each window: rows first … first + count − 1 of the batch·outHeight rows of y.
 *
 * Numerics: the sum starts at +0 and adds in ascending (ky, kx), then is divided by how many elements are inside the
 * image, as Keras does; each operation rounded to float32. A window with nothing in it gives NaN. Requires: y does not
 * overlap x.
 */
export function average_pool_f32(windowPtr: usize, first: u32, count: u32, x: usize, y: usize): void {
  const w = windowAt(windowPtr);
  checkPool(w);
  assert(!((windowPtr | x | y) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch * <u32>w.outHeight, "rows are those of y");
  forward<Average>(w, first, count, x, y);
}

// @ts-ignore: decorator
@inline function forward<Kind>(w: Window, first: u32, count: u32, x: usize, y: usize): void {
  const pixelBytes = <usize>w.inChannels * 4;
  const rowBytes = <usize>w.inWidth * pixelBytes;
  const tapRow = <usize>w.dilationHeight * rowBytes;
  const tapColumn = <usize>w.dilationWidth * pixelBytes;
  y += <usize>first * w.outWidth * pixelBytes;
  for (let row = first, left = count; left; row++, left--) {
    const oy = <i32>row % w.outHeight;
    const rows = countInside(oy, w.strideHeight, w.padTop, w.dilationHeight, w.kernelHeight, w.inHeight);
    const y0 = <i32>row / w.outHeight * w.inHeight + firstInside(oy, w.strideHeight, w.padTop, w.dilationHeight);
    const line = x + <usize>y0 * rowBytes;
    for (let ox = 0; ox < w.outWidth; ox++) {
      const columns = countInside(ox, w.strideWidth, w.padLeft, w.dilationWidth, w.kernelWidth, w.inWidth);
      const x0 = firstInside(ox, w.strideWidth, w.padLeft, w.dilationWidth);
      pixel<Kind>(line + <usize>x0 * pixelBytes, rows, columns, tapRow, tapColumn, w.inChannels, y);
      y += pixelBytes;
    }
  }
}

/** All channels of one pixel of y: two vectors, then one, then single ones. */
function pixel<Kind>(
  x: usize, rows: i32, columns: i32, tapRow: usize, tapColumn: usize, channels: usize, y: usize,
): void {
  for (; channels >= 8; channels -= 8, x += 32, y += 32) reduce<Kind, v128>(2, x, rows, columns, tapRow, tapColumn, y);
  for (; channels >= 4; channels -= 4, x += 16, y += 16) reduce<Kind, v128>(1, x, rows, columns, tapRow, tapColumn, y);
  for (; channels; channels--, x += 4, y += 4) reduce<Kind, f32>(1, x, rows, columns, tapRow, tapColumn, y);
}

/** `nv` (1 or 2, a constant) Ts of one pixel. */
// @ts-ignore: decorator
@inline function reduce<Kind, T>(
  nv: usize, x: usize, rows: i32, columns: i32, tapRow: usize, tapColumn: usize, y: usize,
): void {
  let s0 = splat<T>(isInteger<Kind>() ? -Infinity : 0), s1 = s0;
  for (let i = rows; i > 0; i--, x += tapRow) {
    let at = x;
    for (let j = columns; j > 0; j--, at += tapColumn) {
      const x0 = loadLanes<T>(at);
      const x1 = nv > 1 ? loadSecond<T>(at) : x0;
      if (isInteger<Kind>()) {
        s0 = pmax<T>(s0, x0);
        if (nv > 1) s1 = pmax<T>(s1, x1);
      } else {
        s0 = add<T>(s0, x0);
        if (nv > 1) s1 = add<T>(s1, x1);
      }
    }
  }
  if (!isInteger<Kind>()) {
    const count = splat<T>(<f32>(rows * columns));
    s0 = div<T>(s0, count);
    if (nv > 1) s1 = div<T>(s1, count);
  }
  storeLanes<T>(y, s0);
  if (nv > 1) storeSecond<T>(y, s1);
}

/**
 * The gradient of max_pool_f32: all of images first … first + count − 1 of dx. y is what it returned for x; the first
 * element of a window that equals it gets dy.
 *
 * Numerics: an element of dx starts at +0 and adds what it gets from windows in the order in which they are in y. Of a
 * window whose maximum is −∞ nothing is given on, as in TensorFlow.js's cpu kernels. Requires: dx overlaps nothing else.
 */
export function max_pool_backward_f32(
  windowPtr: usize, first: u32, count: u32, x: usize, y: usize, dy: usize, dx: usize,
): void {
  const w = windowAt(windowPtr);
  checkPool(w);
  assert(!((windowPtr | x | y | dy | dx) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch, "images are those of dx");
  backward<Max>(w, first, count, x, y, dy, dx);
}

/**
 * The gradient of average_pool_f32: all of images first … first + count − 1 of dx.
 *
 * Numerics: an element of dx starts at +0 and adds dy / count, rounded, of the windows that see it, in the order in which
 * they are in y. Requires: dx does not overlap dy.
 */
export function average_pool_backward_f32(windowPtr: usize, first: u32, count: u32, dy: usize, dx: usize): void {
  const w = windowAt(windowPtr);
  checkPool(w);
  assert(!((windowPtr | dy | dx) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch, "images are those of dx");
  backward<Average>(w, first, count, 0, 0, dy, dx);
}

// @ts-ignore: decorator
@inline function backward<Kind>(w: Window, first: u32, count: u32, x: usize, y: usize, dy: usize, dx: usize): void {
  const pixelBytes = <usize>w.inChannels * 4;
  const rowBytes = <usize>w.inWidth * pixelBytes;
  const imageBytes = <usize>w.inHeight * rowBytes;
  const tapRow = <usize>w.dilationHeight * rowBytes;
  const tapColumn = <usize>w.dilationWidth * pixelBytes;
  const skipped = <usize>first * w.outHeight * w.outWidth * pixelBytes;
  y += skipped;
  dy += skipped;
  x += <usize>first * imageBytes;
  dx += <usize>first * imageBytes;
  memory.fill(dx, 0, <usize>count * imageBytes);
  for (; count; count--, x += imageBytes, dx += imageBytes) {
    for (let oy = 0; oy < w.outHeight; oy++) {
      const rows = countInside(oy, w.strideHeight, w.padTop, w.dilationHeight, w.kernelHeight, w.inHeight);
      const line = <usize>firstInside(oy, w.strideHeight, w.padTop, w.dilationHeight) * rowBytes;
      for (let ox = 0; ox < w.outWidth; ox++) {
        const columns = countInside(ox, w.strideWidth, w.padLeft, w.dilationWidth, w.kernelWidth, w.inWidth);
        const at = line + <usize>firstInside(ox, w.strideWidth, w.padLeft, w.dilationWidth) * pixelBytes;
        spread<Kind>(x + at, y, dy, dx + at, rows, columns, tapRow, tapColumn, w.inChannels);
        y += pixelBytes;
        dy += pixelBytes;
      }
    }
  }
}

/** All channels of one pixel of dy. */
function spread<Kind>(
  x: usize, y: usize, dy: usize, dx: usize, rows: i32, columns: i32, tapRow: usize, tapColumn: usize, channels: usize,
): void {
  let at: usize = 0;
  for (; channels >= 8; channels -= 8, at += 32) {
    spreadLanes<Kind, v128>(2, x + at, y + at, dy + at, dx + at, rows, columns, tapRow, tapColumn);
  }
  for (; channels >= 4; channels -= 4, at += 16) {
    spreadLanes<Kind, v128>(1, x + at, y + at, dy + at, dx + at, rows, columns, tapRow, tapColumn);
  }
  for (; channels; channels--, at += 4) {
    spreadLanes<Kind, f32>(1, x + at, y + at, dy + at, dx + at, rows, columns, tapRow, tapColumn);
  }
}

/** `nv` (1 or 2, a constant) Ts of one pixel of dy. `found`: lanes whose maximum is behind. */
// @ts-ignore: decorator
@inline function spreadLanes<Kind, T>(
  nv: usize, x: usize, y: usize, dy: usize, dx: usize, rows: i32, columns: i32, tapRow: usize, tapColumn: usize,
): void {
  let dy0 = loadLanes<T>(dy);
  let dy1 = nv > 1 ? loadSecond<T>(dy) : dy0;
  let y0 = dy0, y1 = dy1, found0 = dy0, found1 = dy1;
  if (isInteger<Kind>()) {
    const nothing = splat<T>(-Infinity);
    y0 = loadLanes<T>(y);
    y1 = nv > 1 ? loadSecond<T>(y) : y0;
    found0 = equalBits<T>(y0, nothing);
    found1 = equalBits<T>(y1, nothing);
  } else {
    const count = splat<T>(<f32>(rows * columns));
    dy0 = div<T>(dy0, count);
    if (nv > 1) dy1 = div<T>(dy1, count);
  }
  for (let i = rows; i > 0; i--, x += tapRow, dx += tapRow) {
    let at = dx;
    let from = x;
    for (let j = columns; j > 0; j--, at += tapColumn, from += tapColumn) {
      let given0 = dy0, given1 = dy1;
      const dx0 = loadLanes<T>(at);
      const dx1 = nv > 1 ? loadSecond<T>(at) : dx0;
      if (isInteger<Kind>()) {
        const is0 = withoutBits<T>(equalBits<T>(loadLanes<T>(from), y0), found0);
        found0 = orBits<T>(found0, is0);
        given0 = andBits<T>(is0, dy0);
        if (nv > 1) {
          const is1 = withoutBits<T>(equalBits<T>(loadSecond<T>(from), y1), found1);
          found1 = orBits<T>(found1, is1);
          given1 = andBits<T>(is1, dy1);
        }
      }
      storeLanes<T>(at, add<T>(dx0, given0));
      if (nv > 1) storeSecond<T>(at, add<T>(dx1, given1));
    }
  }
}
