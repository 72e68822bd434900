// Images of another size: nearest and bilinear, with TensorFlow's two options. Where an output's source is, is computed in
// float64, as TensorFlow.js does; what is computed of elements, in float32.

import { Window, windowAt } from "../conv/window";
import { add, loadLanes, mul, splat, storeLanes, sub } from "../simd";

/** How far the sources of neighboring outputs are apart. */
// @ts-ignore: decorator
@inline function ratio(inSize: i32, outSize: i32, alignCorners: bool): f64 {
  const aligns = alignCorners && outSize > 1;
  return <f64>(aligns ? inSize - 1 : inSize) / <f64>(aligns ? outSize - 1 : outSize);
}

/** The element that is nearest to output `out`. */
// @ts-ignore: decorator
@inline function nearest(out: i32, inSize: i32, outSize: i32, alignCorners: bool, halfPixelCenters: bool): i32 {
  const position = ratio(inSize, outSize, alignCorners) * (halfPixelCenters ? <f64>out + 0.5 : <f64>out);
  const below = Math.floor(position);
  const rounded = alignCorners && position - below >= 0.5 ? below + 1 : below;
  return min(<i32>rounded, inSize - 1);
}

/** Where output `out` is between two elements. */
// @ts-ignore: decorator
@inline function between(out: i32, inSize: i32, outSize: i32, alignCorners: bool, halfPixelCenters: bool): f64 {
  const step = ratio(inSize, outSize, alignCorners);
  return halfPixelCenters ? step * (<f64>out + 0.5) - 0.5 : step * <f64>out;
}

// @ts-ignore: decorator
@inline function lowerOf(position: f64): i32 {
  return <i32>Math.max(0, Math.floor(position));
}

// @ts-ignore: decorator
@inline function upperOf(position: f64, inSize: i32): i32 {
  return min(<i32>Math.max(0, Math.ceil(position)), inSize - 1);
}

/** How far it is from the lower one to the upper one; 0 if they are the same. */
// @ts-ignore: decorator
@inline function fractionOf(position: f64, lower: i32, upper: i32): f32 {
  return lower == upper ? 0 : <f32>(position - <f64>lower);
}

function checkResize(w: Window): void {
  assert(w.inChannels == w.outChannels, "resizing keeps the channels");
  assert((w.inHeight > 0 && w.inWidth > 0) || !w.outHeight || !w.outWidth, "an image to take from");
}

/** y: the nearest element of x, of rows first … first + count − 1 of the batch·outHeight rows of y. */
export function resize_nearest_f32(
  windowPtr: usize, first: u32, count: u32, alignCorners: bool, halfPixelCenters: bool, x: usize, y: usize,
): void {
  const w = windowAt(windowPtr);
  checkResize(w);
  assert(!((windowPtr | x | y) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch * <u32>w.outHeight, "rows are those of y");
  const pixelBytes = <usize>w.inChannels * 4;
  y += <usize>first * w.outWidth * pixelBytes;
  for (let row = first; count; count--, row++) {
    const y0 = nearest(<i32>row % w.outHeight, w.inHeight, w.outHeight, alignCorners, halfPixelCenters);
    const line = x + <usize>((<i32>row / w.outHeight * w.inHeight + y0) * w.inWidth) * pixelBytes;
    for (let ox = 0; ox < w.outWidth; ox++, y += pixelBytes) {
      const x0 = nearest(ox, w.inWidth, w.outWidth, alignCorners, halfPixelCenters);
      copyPixel(line + <usize>x0 * pixelBytes, w.inChannels, y);
    }
  }
}

function copyPixel(x: usize, channels: usize, y: usize): void {
  for (; channels >= 4; channels -= 4, x += 16, y += 16) v128.store(y, v128.load(x));
  for (; channels; channels--, x += 4, y += 4) store<u32>(y, load<u32>(x));
}

/**
 * The gradient of resize_nearest_f32: all of images first … first + count − 1 of dx. An element starts at +0 and adds the
 * dy of the outputs that took it, in the order in which they are in memory.
 */
export function resize_nearest_backward_f32(
  windowPtr: usize, first: u32, count: u32, alignCorners: bool, halfPixelCenters: bool, dy: usize, dx: usize,
): void {
  const w = windowAt(windowPtr);
  checkResize(w);
  assert(!((windowPtr | dy | dx) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch, "images are those of dx");
  const pixelBytes = <usize>w.inChannels * 4;
  const imageBytes = <usize>(w.inHeight * w.inWidth) * pixelBytes;
  dx += first * imageBytes;
  dy += <usize>first * w.outHeight * w.outWidth * pixelBytes;
  memory.fill(dx, 0, count * imageBytes);
  for (; count; count--, dx += imageBytes) {
    for (let oy = 0; oy < w.outHeight; oy++) {
      const y0 = nearest(oy, w.inHeight, w.outHeight, alignCorners, halfPixelCenters);
      const line = dx + <usize>(y0 * w.inWidth) * pixelBytes;
      for (let ox = 0; ox < w.outWidth; ox++, dy += pixelBytes) {
        const x0 = nearest(ox, w.inWidth, w.outWidth, alignCorners, halfPixelCenters);
        addScaled(line + <usize>x0 * pixelBytes, dy, w.inChannels, 1);
      }
    }
  }
}

/** to[c] ← to[c] + factor·from[c]. */
function addScaled(to: usize, from: usize, channels: usize, factor: f32): void {
  for (; channels >= 4; channels -= 4, to += 16, from += 16) addScaledLanes<v128>(to, from, factor);
  for (; channels; channels--, to += 4, from += 4) addScaledLanes<f32>(to, from, factor);
}

// @ts-ignore: decorator
@inline function addScaledLanes<T>(to: usize, from: usize, factor: f32): void {
  storeLanes<T>(to, add<T>(loadLanes<T>(to), mul<T>(splat<T>(factor), loadLanes<T>(from))));
}

/**
 * y: between the four elements around each output, of rows first … first + count − 1 of the batch·outHeight rows of y.
 *
 * Numerics: top = a + (b − a)·fx, bottom alike, y = top + (bottom − top)·fy, each operation rounded to float32; fx and fy
 * are computed in float64 and rounded once.
 */
export function resize_bilinear_f32(
  windowPtr: usize, first: u32, count: u32, alignCorners: bool, halfPixelCenters: bool, x: usize, y: usize,
): void {
  const w = windowAt(windowPtr);
  checkResize(w);
  assert(!((windowPtr | x | y) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch * <u32>w.outHeight, "rows are those of y");
  const pixelBytes = <usize>w.inChannels * 4;
  const rowBytes = <usize>w.inWidth * pixelBytes;
  y += <usize>first * w.outWidth * pixelBytes;
  for (let row = first; count; count--, row++) {
    const image = x + <usize>(<i32>row / w.outHeight * w.inHeight) * rowBytes;
    const atY = between(<i32>row % w.outHeight, w.inHeight, w.outHeight, alignCorners, halfPixelCenters);
    const y0 = lowerOf(atY);
    const y1 = upperOf(atY, w.inHeight);
    const fy = fractionOf(atY, y0, y1);
    const top = image + <usize>y0 * rowBytes;
    const bottom = image + <usize>y1 * rowBytes;
    for (let ox = 0; ox < w.outWidth; ox++, y += pixelBytes) {
      const atX = between(ox, w.inWidth, w.outWidth, alignCorners, halfPixelCenters);
      const x0 = lowerOf(atX);
      const x1 = upperOf(atX, w.inWidth);
      const left = <usize>x0 * pixelBytes;
      const right = <usize>x1 * pixelBytes;
      blend(top + left, top + right, bottom + left, bottom + right, fractionOf(atX, x0, x1), fy, w.inChannels, y);
    }
  }
}

function blend(a: usize, b: usize, c: usize, d: usize, fx: f32, fy: f32, channels: usize, y: usize): void {
  for (; channels >= 4; channels -= 4, a += 16, b += 16, c += 16, d += 16, y += 16) {
    blendLanes<v128>(a, b, c, d, fx, fy, y);
  }
  for (; channels; channels--, a += 4, b += 4, c += 4, d += 4, y += 4) blendLanes<f32>(a, b, c, d, fx, fy, y);
}

// @ts-ignore: decorator
@inline function blendLanes<T>(a: usize, b: usize, c: usize, d: usize, fx: f32, fy: f32, y: usize): void {
  const top = toward<T>(loadLanes<T>(a), loadLanes<T>(b), fx);
  const bottom = toward<T>(loadLanes<T>(c), loadLanes<T>(d), fx);
  storeLanes<T>(y, toward<T>(top, bottom, fy));
}

// @ts-ignore: decorator
@inline function toward<T>(from: T, to: T, fraction: f32): T {
  return add<T>(from, mul<T>(sub<T>(to, from), splat<T>(fraction)));
}

/**
 * The gradient of resize_bilinear_f32: all of images first … first + count − 1 of dx. Output by output, in the order in
 * which they are in memory, dy times each of the four factors is added to its element: top left, top right, bottom left,
 * bottom right. A factor such as (1 − fy)·(1 − fx) and the product are each rounded to float32.
 */
export function resize_bilinear_backward_f32(
  windowPtr: usize, first: u32, count: u32, alignCorners: bool, halfPixelCenters: bool, dy: usize, dx: usize,
): void {
  const w = windowAt(windowPtr);
  checkResize(w);
  assert(!((windowPtr | dy | dx) & 3), "operands are 4-byte aligned");
  assert(first + count <= w.batch, "images are those of dx");
  const pixelBytes = <usize>w.inChannels * 4;
  const rowBytes = <usize>w.inWidth * pixelBytes;
  const imageBytes = <usize>w.inHeight * rowBytes;
  dx += first * imageBytes;
  dy += <usize>first * w.outHeight * w.outWidth * pixelBytes;
  memory.fill(dx, 0, count * imageBytes);
  for (; count; count--, dx += imageBytes) {
    for (let oy = 0; oy < w.outHeight; oy++) {
      const atY = between(oy, w.inHeight, w.outHeight, alignCorners, halfPixelCenters);
      const y0 = lowerOf(atY);
      const y1 = upperOf(atY, w.inHeight);
      const fy = fractionOf(atY, y0, y1);
      const top = dx + <usize>y0 * rowBytes;
      const bottom = dx + <usize>y1 * rowBytes;
      for (let ox = 0; ox < w.outWidth; ox++, dy += pixelBytes) {
        const atX = between(ox, w.inWidth, w.outWidth, alignCorners, halfPixelCenters);
        const x0 = lowerOf(atX);
        const x1 = upperOf(atX, w.inWidth);
        const fx = fractionOf(atX, x0, x1);
        const left = <usize>x0 * pixelBytes;
        const right = <usize>x1 * pixelBytes;
        addScaled(top + left, dy, w.inChannels, (1 - fy) * (1 - fx));
        addScaled(top + right, dy, w.inChannels, (1 - fy) * fx);
        addScaled(bottom + left, dy, w.inChannels, fy * (1 - fx));
        addScaled(bottom + right, dy, w.inChannels, fy * fx);
      }
    }
  }
}
