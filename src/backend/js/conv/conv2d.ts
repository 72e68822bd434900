import type { ConvKernels } from "../../families/conv.js";
import { readWindow, type Window } from "../../window.js";
import { activate } from "../nn/activation.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** Adds the bias to a pixel's sums, and applies the activation. */
function finish(x: Float32Array, at: number, count: number, bias: number, activation: number): void {
  for (let n = 0; n < count; n++) {
    const sum = bias === 0 ? x[at + n]! : f(x[at + n]! + x[bias + n]!);
    x[at + n] = activate(activation, sum);
  }
}

/** The first element of the pixel of image b at (y, x), or −1 outside. */
export function pixelAt(b: number, y: number, x: number, height: number, width: number, channels: number): number {
  if (y < 0 || y >= height || x < 0 || x >= width) return -1;
  return ((b * height + y) * width + x) * channels;
}

/** Writes a pixel of image b at (y, x) from element `at` on; `from` and `weight` are the first elements of what it reads. */
type WritePixel = (
  m: Float32Array,
  w: Window,
  at: number,
  b: number,
  y: number,
  x: number,
  from: number,
  weight: number,
) => void;

/** A kernel that writes rows of y, or of dx. */
export function rowsOf(views: Views, of: "y" | "dx", writePixel: WritePixel) {
  return (
    windowPtr: number,
    first: number,
    count: number,
    fromPtr: number,
    weightPtr: number,
    biasPtr: number,
    activation: number,
    toPtr: number,
  ): void => {
    const m = views.f32;
    const w = readWindow(views.i32, windowPtr);
    const [height, width, channels] =
      of === "y" ? [w.outHeight, w.outWidth, w.outChannels] : [w.inHeight, w.inWidth, w.inChannels];
    for (let row = first; row < first + count; row++) {
      for (let x = 0; x < width; x++) {
        const at = (toPtr >>> 2) + (row * width + x) * channels;
        writePixel(m, w, at, Math.floor(row / height), row % height, x, fromPtr >>> 2, weightPtr >>> 2);
        finish(m, at, channels, biasPtr >>> 2, activation);
      }
    }
  };
}

/** One pixel of y: the sums of its window, tap by tap and channel by channel. */
function forwardPixel(m: Float32Array, w: Window, at: number, b: number, oy: number, ox: number, x: number, k: number) {
  const depth = w.inChannels / w.groups;
  const columns = w.outChannels / w.groups;
  m.fill(0, at, at + w.outChannels);
  for (let ky = 0; ky < w.kernelHeight; ky++) {
    for (let kx = 0; kx < w.kernelWidth; kx++) {
      const y0 = oy * w.strideHeight - w.padTop + ky * w.dilationHeight;
      const x0 = ox * w.strideWidth - w.padLeft + kx * w.dilationWidth;
      const pixel = pixelAt(b, y0, x0, w.inHeight, w.inWidth, w.inChannels);
      const tap = k + (ky * w.kernelWidth + kx) * depth * w.outChannels;
      for (let g = 0; g < w.groups; g++) {
        const first = at + g * columns;
        for (let c = 0; c < depth; c++) {
          const value = pixel < 0 ? 0 : m[x + pixel + g * depth + c]!;
          const row = tap + c * w.outChannels + g * columns;
          for (let n = 0; n < columns; n++) m[first + n] = m[first + n]! + f(value * m[row + n]!); // the store rounds
        }
      }
    }
  }
}

/** One pixel of dx: what it gathers from dy, from the first position in dy to the last. */
function backwardPixel(m: Float32Array, w: Window, at: number, b: number, y: number, x: number, dy: number, k: number) {
  const depth = w.outChannels / w.groups;
  const columns = w.inChannels / w.groups;
  m.fill(0, at, at + w.inChannels);
  for (let ky = w.kernelHeight - 1; ky >= 0; ky--) {
    const fromTop = y + w.padTop - ky * w.dilationHeight;
    if (fromTop % w.strideHeight !== 0) continue;
    for (let kx = w.kernelWidth - 1; kx >= 0; kx--) {
      const fromLeft = x + w.padLeft - kx * w.dilationWidth;
      if (fromLeft % w.strideWidth !== 0) continue;
      const [oy, ox] = [fromTop / w.strideHeight, fromLeft / w.strideWidth];
      const pixel = pixelAt(b, oy, ox, w.outHeight, w.outWidth, w.outChannels);
      const tap = k + (ky * w.kernelWidth + kx) * columns * w.outChannels;
      for (let g = 0; g < w.groups; g++) {
        for (let n = 0; n < columns; n++) {
          const row = tap + n * w.outChannels + g * depth;
          let sum = m[at + g * columns + n]!;
          for (let c = 0; c < depth; c++) {
            const value = pixel < 0 ? 0 : m[dy + pixel + g * depth + c]!;
            sum = f(sum + f(value * m[row + c]!));
          }
          m[at + g * columns + n] = sum;
        }
      }
    }
  }
}

/** Adds one pixel of dy to rows first … first + count − 1 of dw. */
function addPixel(
  m: Float32Array,
  w: Window,
  first: number,
  count: number,
  b: number,
  oy: number,
  ox: number,
  x: number,
  dy: number,
  dw: number,
) {
  const depth = w.inChannels / w.groups;
  const columns = w.outChannels / w.groups;
  for (let line = first; line < first + count; line++) {
    const tap = Math.floor(line / depth);
    const y0 = oy * w.strideHeight - w.padTop + Math.floor(tap / w.kernelWidth) * w.dilationHeight;
    const x0 = ox * w.strideWidth - w.padLeft + (tap % w.kernelWidth) * w.dilationWidth;
    const pixel = pixelAt(b, y0, x0, w.inHeight, w.inWidth, w.inChannels);
    for (let g = 0; g < w.groups; g++) {
      const value = pixel < 0 ? 0 : m[x + pixel + g * depth + (line % depth)]!;
      const from = dy + g * columns;
      const to = dw + line * w.outChannels + g * columns;
      for (let n = 0; n < columns; n++) m[to + n] = m[to + n]! + f(value * m[from + n]!); // the store rounds
    }
  }
}

/** The kernels of assembly/conv/{conv2d,weight}.ts: the same sums in the same order. */
export function conv2dKernels(views: Views): Pick<ConvKernels, Extract<keyof ConvKernels, `conv2d_${string}`>> {
  return {
    conv2d_f32: rowsOf(views, "y", forwardPixel),
    conv2d_backward_input_f32: rowsOf(views, "dx", backwardPixel),

    conv2d_backward_weight_f32(windowPtr, first, count, xPtr, dyPtr, dwPtr) {
      const m = views.f32;
      const w = readWindow(views.i32, windowPtr);
      const [x, dw] = [xPtr >>> 2, dwPtr >>> 2];
      m.fill(0, dw + first * w.outChannels, dw + (first + count) * w.outChannels);
      let dy = dyPtr >>> 2;
      for (let b = 0; b < w.batch; b++) {
        for (let oy = 0; oy < w.outHeight; oy++) {
          for (let ox = 0; ox < w.outWidth; ox++, dy += w.outChannels) {
            addPixel(m, w, first, count, b, oy, ox, x, dy, dw);
          }
        }
      }
    },

    conv2d_scratch_bytes: () => 0,
    conv2d_backward_input_scratch_bytes: () => 0,
    conv2d_backward_weight_scratch_bytes: () => 0,
  };
}
