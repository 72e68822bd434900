import { expect, it } from "vitest";
import type { Window } from "../../src/backend/window.js";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance, type Operands } from "../helpers/conformance.js";
import { randomValues, specialValues } from "../helpers/random.js";
import { type WindowCase, windowOf, windowWords } from "../helpers/window.js";

interface Case {
  size: WindowCase["size"];
  out: WindowCase["size"];
  channels?: number;
  batch?: number;
}

interface Options {
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

const OPTIONS: Options[] = [
  { alignCorners: false, halfPixelCenters: false },
  { alignCorners: true, halfPixelCenters: false },
  { alignCorners: false, halfPixelCenters: true },
];

function run(
  c: Case,
  o: Options,
  step = 2 ** 20,
  fill = randomValues,
): { w: Window; before: Operands; after: Operands } {
  const w = windowOf({ ...c, kernel: 1 });
  const [x, y] = [w.batch * w.inHeight * w.inWidth * w.inChannels, w.batch * w.outHeight * w.outWidth * w.inChannels];
  const before: Operands = {
    window: windowWords(w),
    x: fill(x, 1),
    dy: fill(y, 2),
    nearest: new Float32Array(y).fill(7),
    bilinear: new Float32Array(y).fill(7),
    dNearest: new Float32Array(x).fill(7),
    dBilinear: new Float32Array(x).fill(7),
  };
  const [align, half] = [+o.alignCorners, +o.halfPixelCenters];
  const pieces = (count: number, call: (first: number, count: number) => void) => {
    for (let first = 0; first < count || first === 0; first += step) call(first, Math.min(step, count - first));
  };
  const { operands } = conform(JSON.stringify([c, o]), before, (kernels, ptr) => {
    const [window, x, dy] = [ptr["window"]!, ptr["x"]!, ptr["dy"]!];
    pieces(w.batch * w.outHeight, (first, count) => {
      kernels.resize_nearest_f32(window, first, count, align, half, x, ptr["nearest"]!);
      kernels.resize_bilinear_f32(window, first, count, align, half, x, ptr["bilinear"]!);
    });
    pieces(w.batch, (first, count) => {
      kernels.resize_nearest_backward_f32(window, first, count, align, half, dy, ptr["dNearest"]!);
      kernels.resize_bilinear_backward_f32(window, first, count, align, half, dy, ptr["dBilinear"]!);
    });
  });
  return { w, before, after: operands };
}

/** tfjs-backend-cpu's ResizeNearestNeighbor and ResizeBilinear in float64: y, and what each element of x adds to it. */
function reference(w: Window, { x, dy }: Operands, { alignCorners, halfPixelCenters }: Options) {
  const result = {
    nearest: new Float64Array(dy!.length),
    bilinear: new Float64Array(dy!.length),
    dNearest: new Float64Array(x!.length),
    dBilinear: new Float64Array(x!.length),
  };
  const scale = (from: number, to: number) => (alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to);
  for (let out = 0; out < dy!.length; out++) {
    const c = out % w.inChannels;
    const pixel = Math.floor(out / w.inChannels);
    const [row, ox] = [Math.floor(pixel / w.outWidth), pixel % w.outWidth];
    const [b, oy] = [Math.floor(row / w.outHeight), row % w.outHeight];
    const at = (iy: number, ix: number) => ((b * w.inHeight + iy) * w.inWidth + ix) * w.inChannels + c;
    const near = (o: number, from: number, to: number) => {
      const place = scale(from, to) * (halfPixelCenters ? o + 0.5 : o);
      return Math.min(from - 1, alignCorners ? Math.round(place) : Math.floor(place));
    };
    const nearestAt = at(near(oy, w.inHeight, w.outHeight), near(ox, w.inWidth, w.outWidth));
    result.nearest[out] = x![nearestAt]!;
    result.dNearest[nearestAt]! += dy![out]!;
    const around = (o: number, from: number, to: number) => {
      const place = halfPixelCenters ? scale(from, to) * (o + 0.5) - 0.5 : scale(from, to) * o;
      const low = Math.max(0, Math.floor(place));
      return { low, high: Math.min(from - 1, Math.max(0, Math.ceil(place))), part: place - low };
    };
    const vertical = around(oy, w.inHeight, w.outHeight);
    const horizontal = around(ox, w.inWidth, w.outWidth);
    for (const [iy, fy] of [
      [vertical.low, 1 - vertical.part],
      [vertical.high, vertical.part],
    ]) {
      for (const [ix, fx] of [
        [horizontal.low, 1 - horizontal.part],
        [horizontal.high, horizontal.part],
      ]) {
        result.bilinear[out]! += fy! * fx! * x![at(iy!, ix!)]!;
        result.dBilinear[at(iy!, ix!)]! += fy! * fx! * dy![out]!;
      }
    }
  }
  return result;
}

const SHAPES: Case[] = [
  { size: 1, out: 1 },
  { size: [3, 4], out: [6, 8], channels: 8, batch: 2 },
  { size: [7, 5], out: [3, 4], channels: 5 },
  { size: [4, 3], out: [9, 1], channels: 13, batch: 2 },
  { size: [5, 6], out: [5, 11], channels: 3 },
  { size: [1, 9], out: [1, 4], channels: 4 },
  { size: 2, out: [0, 3], channels: 2 },
  { size: 3, out: 7, batch: 0 },
];

describeConformance("resize_nearest_f32, resize_bilinear_f32 and their gradients", () => {
  it.each(OPTIONS)("is what tfjs computes: %o", (options) => {
    for (const c of SHAPES) {
      const { w, before, after } = run(c, options);
      const expected = reference(w, before, options);
      expectSameBits(after["nearest"]!, expected.nearest, "nearest");
      for (const key of ["bilinear", "dNearest", "dBilinear"] as const) {
        // Up to 36 outputs add to an element, each with three roundings below 2.
        for (const [i, value] of expected[key].entries()) {
          expect(Math.abs(after[key]![i]! - value), `${JSON.stringify(c)} ${key}[${i}]`).toBeLessThanOrEqual(2 ** -18);
        }
      }
    }
  });

  it.each(OPTIONS)("passes special values through, and gives the same bits in any cut: %o", (options) => {
    for (const c of SHAPES) {
      run(c, options, 2 ** 20, specialValues);
      const { after } = run(c, options);
      const cut = run(c, options, 1).after;
      for (const key of ["nearest", "bilinear", "dNearest", "dBilinear"]) expectSameBits(cut[key]!, after[key]!, key);
    }
  });
});
