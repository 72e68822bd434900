import { ACTIVATION } from "../../backend.js";
import type { ConvKernels } from "../../families/conv.js";
import { readWindow, type Window } from "../../window.js";
import type { Views } from "../views.js";
import { pixelAt, rowsOf } from "./conv2d.js";

const f = Math.fround;

/** One pixel of y: the sums of every channel's window, tap by tap. */
function forwardPixel(m: Float32Array, w: Window, at: number, b: number, oy: number, ox: number, x: number, k: number) {
  const multiplier = w.outChannels / w.inChannels;
  m.fill(0, at, at + w.outChannels);
  for (let ky = 0; ky < w.kernelHeight; ky++) {
    for (let kx = 0; kx < w.kernelWidth; kx++) {
      const y0 = oy * w.strideHeight - w.padTop + ky * w.dilationHeight;
      const x0 = ox * w.strideWidth - w.padLeft + kx * w.dilationWidth;
      const pixel = pixelAt(b, y0, x0, w.inHeight, w.inWidth, w.inChannels);
      const tap = k + (ky * w.kernelWidth + kx) * w.outChannels;
      for (let o = 0; o < w.outChannels; o++) {
        const value = pixel < 0 ? 0 : m[x + pixel + Math.floor(o / multiplier)]!;
        m[at + o] = m[at + o]! + f(value * m[tap + o]!); // the store rounds
      }
    }
  }
}

/** One pixel of dx: what it gathers from dy, from the first position in dy to the last. */
function backwardPixel(m: Float32Array, w: Window, at: number, b: number, y: number, x: number, dy: number, k: number) {
  const multiplier = w.outChannels / w.inChannels;
  m.fill(0, at, at + w.inChannels);
  for (let ky = w.kernelHeight - 1; ky >= 0; ky--) {
    const fromTop = y + w.padTop - ky * w.dilationHeight;
    if (fromTop % w.strideHeight !== 0) continue;
    for (let kx = w.kernelWidth - 1; kx >= 0; kx--) {
      const fromLeft = x + w.padLeft - kx * w.dilationWidth;
      if (fromLeft % w.strideWidth !== 0) continue;
      const [oy, ox] = [fromTop / w.strideHeight, fromLeft / w.strideWidth];
      const pixel = pixelAt(b, oy, ox, w.outHeight, w.outWidth, w.outChannels);
      const tap = k + (ky * w.kernelWidth + kx) * w.outChannels;
      for (let o = 0; o < w.outChannels; o++) {
        const value = pixel < 0 ? 0 : m[dy + pixel + o]!;
        const to = at + Math.floor(o / multiplier);
        m[to] = m[to]! + f(value * m[tap + o]!); // the store rounds
      }
    }
  }
}

/** The kernels of assembly/conv/depthwise.ts: the same sums in the same order. */
export function depthwiseKernels(views: Views): Pick<ConvKernels, Extract<keyof ConvKernels, `depthwise_${string}`>> {
  const backward = rowsOf(views, "dx", backwardPixel);
  return {
    depthwise_conv2d_f32: rowsOf(views, "y", forwardPixel),

    depthwise_conv2d_backward_input_f32(windowPtr, first, count, dyPtr, weightPtr, dxPtr) {
      backward(windowPtr, first, count, dyPtr, weightPtr, 0, ACTIVATION.identity, dxPtr);
    },

    depthwise_conv2d_backward_weight_f32(windowPtr, first, count, xPtr, dyPtr, dwPtr) {
      const m = views.f32;
      const w = readWindow(views.i32, windowPtr);
      const multiplier = w.outChannels / w.inChannels;
      for (let ky = 0; ky < w.kernelHeight; ky++) {
        for (let kx = 0; kx < w.kernelWidth; kx++) {
          const tap = (dwPtr >>> 2) + (ky * w.kernelWidth + kx) * w.outChannels;
          m.fill(0, tap + first, tap + first + count);
          let dy = dyPtr >>> 2;
          for (let pixel = 0; pixel < w.batch * w.outHeight * w.outWidth; pixel++, dy += w.outChannels) {
            const row = Math.floor(pixel / w.outWidth);
            const y0 = (row % w.outHeight) * w.strideHeight - w.padTop + ky * w.dilationHeight;
            const x0 = (pixel % w.outWidth) * w.strideWidth - w.padLeft + kx * w.dilationWidth;
            const at = pixelAt(Math.floor(row / w.outHeight), y0, x0, w.inHeight, w.inWidth, w.inChannels);
            for (let o = first; o < first + count; o++) {
              const value = at < 0 ? 0 : m[(xPtr >>> 2) + at + Math.floor(o / multiplier)]!;
              m[tap + o] = m[tap + o]! + f(value * m[dy + o]!); // the store rounds
            }
          }
        }
      }
    },

    depthwise_conv2d_scratch_bytes: () => 0,
    depthwise_conv2d_backward_input_scratch_bytes: () => 0,
  };
}
