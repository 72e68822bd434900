import type { PoolKernels } from "../../families/pool.js";
import { readWindow, type Window } from "../../window.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** How far the sources of neighboring outputs are apart. */
function ratio(inSize: number, outSize: number, alignCorners: number): number {
  const aligns = alignCorners !== 0 && outSize > 1;
  return (aligns ? inSize - 1 : inSize) / (aligns ? outSize - 1 : outSize);
}

/** The element that is nearest to output `out`. */
function nearest(out: number, inSize: number, outSize: number, alignCorners: number, halfPixelCenters: number): number {
  const position = ratio(inSize, outSize, alignCorners) * (halfPixelCenters ? out + 0.5 : out);
  const below = Math.floor(position);
  return Math.min(alignCorners && position - below >= 0.5 ? below + 1 : below, inSize - 1);
}

/** The two elements around output `out`, and how far it is from the first to the second. */
function around(out: number, inSize: number, outSize: number, alignCorners: number, halfPixelCenters: number) {
  const step = ratio(inSize, outSize, alignCorners);
  const position = halfPixelCenters ? step * (out + 0.5) - 0.5 : step * out;
  const lower = Math.max(0, Math.floor(position));
  const upper = Math.min(Math.max(0, Math.ceil(position)), inSize - 1);
  return { lower, upper, fraction: lower === upper ? 0 : f(position - lower) };
}

/** Calls `visit` for every pixel of y from row `first` on. */
function eachPixel(
  w: Window,
  first: number,
  count: number,
  visit: (out: number, b: number, oy: number, ox: number) => void,
) {
  for (let row = first; row < first + count; row++) {
    const b = Math.floor(row / w.outHeight);
    for (let ox = 0; ox < w.outWidth; ox++) visit(row * w.outWidth + ox, b, row % w.outHeight, ox);
  }
}

/** The kernels of assembly/pool/resize.ts: the same operations in the same order. */
export function resizeKernels(views: Views): Pick<PoolKernels, Extract<keyof PoolKernels, `resize_${string}`>> {
  function clear(w: Window, first: number, count: number, dxPtr: number): void {
    const size = w.inHeight * w.inWidth * w.inChannels;
    views.f32.fill(0, (dxPtr >>> 2) + first * size, (dxPtr >>> 2) + (first + count) * size);
  }

  /** The first elements of the four pixels around an output, left and right of top, then of bottom, and the fractions. */
  function corners(w: Window, at: number, b: number, oy: number, ox: number, align: number, half: number) {
    const y = around(oy, w.inHeight, w.outHeight, align, half);
    const x = around(ox, w.inWidth, w.outWidth, align, half);
    const pixels = [y.lower, y.upper].flatMap((row) =>
      [x.lower, x.upper].map((column) => at + ((b * w.inHeight + row) * w.inWidth + column) * w.inChannels),
    );
    return { pixels, fy: y.fraction, fx: x.fraction };
  }

  return {
    resize_nearest_f32(windowPtr, first, count, alignCorners, halfPixelCenters, xPtr, yPtr) {
      const m = views.f32;
      const w = readWindow(views.i32, windowPtr);
      eachPixel(w, first, count, (out, b, oy, ox) => {
        const row = b * w.inHeight + nearest(oy, w.inHeight, w.outHeight, alignCorners, halfPixelCenters);
        const column = nearest(ox, w.inWidth, w.outWidth, alignCorners, halfPixelCenters);
        const from = (xPtr >>> 2) + (row * w.inWidth + column) * w.inChannels;
        m.copyWithin((yPtr >>> 2) + out * w.inChannels, from, from + w.inChannels);
      });
    },

    resize_nearest_backward_f32(windowPtr, first, count, alignCorners, halfPixelCenters, dyPtr, dxPtr) {
      const m = views.f32;
      const w = readWindow(views.i32, windowPtr);
      clear(w, first, count, dxPtr);
      eachPixel(w, first * w.outHeight, count * w.outHeight, (out, b, oy, ox) => {
        const row = b * w.inHeight + nearest(oy, w.inHeight, w.outHeight, alignCorners, halfPixelCenters);
        const column = nearest(ox, w.inWidth, w.outWidth, alignCorners, halfPixelCenters);
        const to = (dxPtr >>> 2) + (row * w.inWidth + column) * w.inChannels;
        for (let c = 0; c < w.inChannels; c++) {
          m[to + c] = m[to + c]! + m[(dyPtr >>> 2) + out * w.inChannels + c]!; // the store rounds
        }
      });
    },

    resize_bilinear_f32(windowPtr, first, count, alignCorners, halfPixelCenters, xPtr, yPtr) {
      const m = views.f32;
      const w = readWindow(views.i32, windowPtr);
      const toward = (from: number, to: number, fraction: number) => f(from + f(f(to - from) * fraction));
      eachPixel(w, first, count, (out, b, oy, ox) => {
        const { pixels, fy, fx } = corners(w, xPtr >>> 2, b, oy, ox, alignCorners, halfPixelCenters);
        for (let c = 0; c < w.inChannels; c++) {
          const [a, right, below, diagonal] = pixels.map((at) => m[at + c]!);
          const bottom = toward(below!, diagonal!, fx);
          m[(yPtr >>> 2) + out * w.inChannels + c] = toward(toward(a!, right!, fx), bottom, fy);
        }
      });
    },

    resize_bilinear_backward_f32(windowPtr, first, count, alignCorners, halfPixelCenters, dyPtr, dxPtr) {
      const m = views.f32;
      const w = readWindow(views.i32, windowPtr);
      clear(w, first, count, dxPtr);
      eachPixel(w, first * w.outHeight, count * w.outHeight, (out, b, oy, ox) => {
        const { pixels, fy, fx } = corners(w, dxPtr >>> 2, b, oy, ox, alignCorners, halfPixelCenters);
        const factors = [f(1 - fy), fy].flatMap((y) => [f(1 - fx), fx].map((x) => f(y * x)));
        for (const [i, to] of pixels.entries()) {
          for (let c = 0; c < w.inChannels; c++) {
            m[to + c] = m[to + c]! + f(factors[i]! * m[(dyPtr >>> 2) + out * w.inChannels + c]!); // the store rounds
          }
        }
      });
    },
  };
}
