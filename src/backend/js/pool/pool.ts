import type { PoolKernels } from "../../families/pool.js";
import { readWindow, type Window } from "../../window.js";
import type { Views } from "../views.js";

/** Positions of the taps of one row or column that are inside. */
function inside(out: number, stride: number, pad: number, dilation: number, taps: number, size: number): number[] {
  const positions = Array.from({ length: taps }, (_, k) => out * stride - pad + k * dilation);
  return positions.filter((at) => at >= 0 && at < size);
}

/** Calls `visit` for every pixel of y from row `first` on, with the pixels of x that its window has inside. */
function eachPixel(w: Window, first: number, count: number, visit: (out: number, pixels: number[]) => void): void {
  const columns = Array.from({ length: w.outWidth }, (_, ox) =>
    inside(ox, w.strideWidth, w.padLeft, w.dilationWidth, w.kernelWidth, w.inWidth),
  );
  for (let row = first; row < first + count; row++) {
    const oy = row % w.outHeight;
    const image = Math.floor(row / w.outHeight) * w.inHeight;
    const rows = inside(oy, w.strideHeight, w.padTop, w.dilationHeight, w.kernelHeight, w.inHeight);
    for (let ox = 0; ox < w.outWidth; ox++) {
      const pixels = rows.flatMap((y) => columns[ox]!.map((x) => (image + y) * w.inWidth + x));
      visit(row * w.outWidth + ox, pixels);
    }
  }
}

/** The kernels of assembly/pool/pool.ts: the same operations in the same order. */
export function poolKernels(views: Views): Pick<PoolKernels, Extract<keyof PoolKernels, `${string}_pool_${string}`>> {
  /** The gradient of whole images: what `give` says that pixel q of a window gets of dy. */
  function backward(
    windowPtr: number,
    first: number,
    count: number,
    dxPtr: number,
    give: (out: number, pixels: number[], channels: number) => void,
  ): void {
    const w = readWindow(views.i32, windowPtr);
    const size = w.inHeight * w.inWidth * w.inChannels;
    views.f32.fill(0, (dxPtr >>> 2) + first * size, (dxPtr >>> 2) + (first + count) * size);
    eachPixel(w, first * w.outHeight, count * w.outHeight, (out, pixels) => give(out, pixels, w.inChannels));
  }

  return {
    max_pool_f32(windowPtr, first, count, xPtr, yPtr) {
      const m = views.f32;
      const w = readWindow(views.i32, windowPtr);
      eachPixel(w, first, count, (out, pixels) => {
        for (let c = 0; c < w.inChannels; c++) {
          let largest = Number.NEGATIVE_INFINITY;
          for (const pixel of pixels) {
            const value = m[(xPtr >>> 2) + pixel * w.inChannels + c]!;
            if (value > largest) largest = value;
          }
          m[(yPtr >>> 2) + out * w.inChannels + c] = largest;
        }
      });
    },

    average_pool_f32(windowPtr, first, count, xPtr, yPtr) {
      const m = views.f32;
      const w = readWindow(views.i32, windowPtr);
      eachPixel(w, first, count, (out, pixels) => {
        for (let c = 0; c < w.inChannels; c++) {
          let sum = 0;
          for (const pixel of pixels) sum = Math.fround(sum + m[(xPtr >>> 2) + pixel * w.inChannels + c]!);
          m[(yPtr >>> 2) + out * w.inChannels + c] = sum / pixels.length; // the store rounds
        }
      });
    },

    max_pool_backward_f32(windowPtr, first, count, xPtr, yPtr, dyPtr, dxPtr) {
      const m = views.f32;
      backward(windowPtr, first, count, dxPtr, (out, pixels, channels) => {
        for (let c = 0; c < channels; c++) {
          const largest = m[(yPtr >>> 2) + out * channels + c]!;
          if (largest === Number.NEGATIVE_INFINITY) continue;
          const pixel = pixels.find((q) => m[(xPtr >>> 2) + q * channels + c] === largest);
          if (pixel === undefined) continue;
          const at = (dxPtr >>> 2) + pixel * channels + c;
          m[at] = m[at]! + m[(dyPtr >>> 2) + out * channels + c]!; // the store rounds
        }
      });
    },

    average_pool_backward_f32(windowPtr, first, count, dyPtr, dxPtr) {
      const m = views.f32;
      backward(windowPtr, first, count, dxPtr, (out, pixels, channels) => {
        for (let c = 0; c < channels; c++) {
          const given = Math.fround(m[(dyPtr >>> 2) + out * channels + c]! / pixels.length);
          for (const pixel of pixels) {
            const at = (dxPtr >>> 2) + pixel * channels + c;
            m[at] = m[at]! + given; // the store rounds
          }
        }
      });
    },
  };
}
