import fc from "fast-check";
import { WINDOW_BYTES, type Window, writeWindow } from "../../src/backend/window.js";

/** A window as an operand of a kernel call, with the working space behind its words. */
export function windowWords(window: Window): Int32Array {
  const words = new Int32Array(WINDOW_BYTES / 4);
  writeWindow(words, 0, window);
  return words;
}

/** Height and width of a case, or one number for both. */
type Pair = number | readonly [number, number];

/** What a test says of a window; stride, dilation and groups are 1, padding is 0, the output as large as that allows. */
export interface WindowCase {
  batch?: number;
  size: Pair;
  channels?: number;
  outputs?: number;
  kernel: Pair;
  stride?: Pair;
  dilation?: Pair;
  /** Top and left; the same below and right, unless `out` says otherwise. */
  pad?: Pair;
  out?: Pair;
  groups?: number;
}

const both = (pair: Pair): readonly [number, number] => (typeof pair === "number" ? [pair, pair] : pair);

export function windowOf(c: WindowCase): Window {
  const [inHeight, inWidth] = both(c.size);
  const [kernelHeight, kernelWidth] = both(c.kernel);
  const [strideHeight, strideWidth] = both(c.stride ?? 1);
  const [dilationHeight, dilationWidth] = both(c.dilation ?? 1);
  const [padTop, padLeft] = both(c.pad ?? 0);
  const out = (size: number, kernel: number, stride: number, dilation: number, pad: number) =>
    Math.max(Math.floor((size + 2 * pad - (kernel - 1) * dilation - 1) / stride) + 1, 0);
  const [outHeight, outWidth] = both(
    c.out ?? [
      out(inHeight, kernelHeight, strideHeight, dilationHeight, padTop),
      out(inWidth, kernelWidth, strideWidth, dilationWidth, padLeft),
    ],
  );
  const { batch = 1, channels = 1, groups = 1 } = c;
  return {
    ...{ batch, inHeight, inWidth, inChannels: channels, outHeight, outWidth, outChannels: c.outputs ?? channels },
    ...{ kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, padTop, padLeft, groups },
  };
}

/** Calls `visit` for every element of y that sees an element of x, and that which it sees: the definition. */
export function eachTap(
  w: Window,
  visit: (b: number, oy: number, ox: number, ky: number, kx: number, pixel: number) => void,
): void {
  for (let b = 0; b < w.batch; b++) {
    for (let oy = 0; oy < w.outHeight; oy++) {
      for (let ox = 0; ox < w.outWidth; ox++) {
        for (let ky = 0; ky < w.kernelHeight; ky++) {
          for (let kx = 0; kx < w.kernelWidth; kx++) {
            const y = oy * w.strideHeight - w.padTop + ky * w.dilationHeight;
            const x = ox * w.strideWidth - w.padLeft + kx * w.dilationWidth;
            const isInside = y >= 0 && y < w.inHeight && x >= 0 && x < w.inWidth;
            if (isInside) visit(b, oy, ox, ky, kx, (b * w.inHeight + y) * w.inWidth + x);
          }
        }
      }
    }
  }
}

/** Small windows of every kind: what a step of fast-check shrinks to, and what its seed replays. */
export function anyWindow(most: {
  channels: number;
  outputs: number;
  groups: number;
}): fc.Arbitrary<Required<WindowCase>> {
  const pair = (low: number, high: number) =>
    fc.tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }));
  return fc
    .record({
      batch: fc.integer({ min: 1, max: 3 }),
      size: pair(1, 9),
      channels: fc.integer({ min: 1, max: most.channels }),
      outputs: fc.integer({ min: 1, max: most.outputs }),
      kernel: pair(1, 4),
      stride: pair(1, 4),
      dilation: pair(1, 3),
      pad: pair(0, 4),
      out: pair(0, 6),
      groups: fc.integer({ min: 1, max: most.groups }),
    })
    .map((c) => ({ ...c, channels: c.channels * c.groups, outputs: c.outputs * c.groups }));
}
