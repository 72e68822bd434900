import fc from "fast-check";
import { expect, it } from "vitest";
import type { Window } from "../../src/backend/window.js";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance, type Operands } from "../helpers/conformance.js";
import { randomSource, randomValues, smallIntegers, specialValues } from "../helpers/random.js";
import { anyWindow, type WindowCase, windowOf, windowWords } from "../helpers/window.js";

interface Case extends WindowCase {
  fill?: (length: number, seed: number) => Float32Array;
}

/** Runs both poolings and their gradients on every backend, `step` rows or images a call. */
function run(c: Case, step = 2 ** 20): { w: Window; before: Operands; after: Operands } {
  const w = windowOf(c);
  const fill = c.fill ?? randomValues;
  const [x, y] = [w.batch * w.inHeight * w.inWidth * w.inChannels, w.batch * w.outHeight * w.outWidth * w.inChannels];
  const before: Operands = {
    window: windowWords(w),
    x: fill(x, 1),
    dy: fill(y, 2),
    max: new Float32Array(y).fill(7),
    mean: new Float32Array(y).fill(7),
    dMax: new Float32Array(x).fill(7),
    dMean: new Float32Array(x).fill(7),
  };
  const pieces = (count: number, call: (first: number, count: number) => void) => {
    for (let first = 0; first < count || first === 0; first += step) call(first, Math.min(step, count - first));
  };
  const { operands } = conform(JSON.stringify(c), before, (kernels, ptr) => {
    const [window, x, dy] = [ptr["window"]!, ptr["x"]!, ptr["dy"]!];
    pieces(w.batch * w.outHeight, (first, count) => {
      kernels.max_pool_f32(window, first, count, x, ptr["max"]!);
      kernels.average_pool_f32(window, first, count, x, ptr["mean"]!);
    });
    pieces(w.batch, (first, count) => {
      kernels.max_pool_backward_f32(window, first, count, x, ptr["max"]!, dy, ptr["dMax"]!);
      kernels.average_pool_backward_f32(window, first, count, dy, ptr["dMean"]!);
    });
  });
  return { w, before, after: operands };
}

/**
 * The kernels of tfjs-backend-cpu (pool_utils.ts, MaxPoolGrad.ts) in float64, but that the gradient of a mean is dy over
 * the number of elements inside; sums are in the same order.
 */
function reference(w: Window, { x, dy }: Operands) {
  const size = w.batch * w.outHeight * w.outWidth * w.inChannels;
  const result = {
    max: new Float64Array(size),
    mean: new Float64Array(size),
    dMax: new Float64Array(x!.length),
    dMean: new Float64Array(x!.length),
  };
  for (let out = 0; out < size; out++) {
    const c = out % w.inChannels;
    const pixel = Math.floor(out / w.inChannels);
    const [row, ox] = [Math.floor(pixel / w.outWidth), pixel % w.outWidth];
    const [b, oy] = [Math.floor(row / w.outHeight), row % w.outHeight];
    const seen: number[] = [];
    for (let ky = 0; ky < w.kernelHeight; ky++) {
      for (let kx = 0; kx < w.kernelWidth; kx++) {
        const y = oy * w.strideHeight - w.padTop + ky * w.dilationHeight;
        const column = ox * w.strideWidth - w.padLeft + kx * w.dilationWidth;
        if (y < 0 || y >= w.inHeight || column < 0 || column >= w.inWidth) continue;
        seen.push(((b * w.inHeight + y) * w.inWidth + column) * w.inChannels + c);
      }
    }
    let position = -1;
    let largest = Number.NEGATIVE_INFINITY;
    for (const at of seen) {
      if (x![at]! > largest) {
        largest = x![at]!;
        position = at;
      }
      result.dMean[at]! += dy![out]! / seen.length;
    }
    result.max[out] = largest;
    result.mean[out] = seen.reduce((sum, at) => sum + x![at]!, 0) / seen.length;
    if (position >= 0) result.dMax[position]! += dy![out]!;
  }
  return result;
}

const SHAPES: Case[] = [
  { size: 1, kernel: 1 },
  { size: 6, kernel: 2, stride: 2, channels: 8, batch: 2 },
  { size: [7, 5], kernel: [3, 2], stride: [2, 1], channels: 13, pad: [1, 0], batch: 3 },
  { size: [5, 9], kernel: 3, channels: 4, pad: 1 },
  { size: [8, 7], kernel: 3, stride: 2, channels: 5, dilation: [1, 2], pad: 2 },
  { size: [5, 4], kernel: 2, stride: 2, channels: 3, out: [3, 2] },
  { size: [1, 11], kernel: [1, 3], stride: [1, 2], channels: 6, pad: [0, 1] },
  { size: 9, kernel: 2, stride: 4, channels: 2 },
  { size: 3, kernel: 7, pad: 3, channels: 9 },
  { size: [7, 6], kernel: [7, 6], channels: 17, batch: 2 },
  // Windows that see nothing.
  { size: 2, kernel: 2, channels: 3, pad: 3, out: 4 },
  { size: 2, kernel: 3, channels: 4 },
  { size: 3, kernel: 2, batch: 0 },
  { size: 0, kernel: 2, channels: 5, pad: 1, out: 1 },
];

describeConformance("max_pool_f32, average_pool_f32 and their gradients", () => {
  it.each(SHAPES)("is what tfjs computes: %o", (c) => {
    const { w, before, after } = run(c);
    const expected = reference(w, before);
    expectSameBits(after["max"]!, expected.max, "max");
    for (const key of ["mean", "dMean", "dMax"] as const) {
      for (const [i, value] of expected[key].entries()) {
        const actual = after[key]![i]!;
        if (Number.isNaN(value)) expect(actual).toBeNaN();
        else
          expect(Math.abs(actual - value), `${key}[${i}]`).toBeLessThanOrEqual(
            w.kernelHeight * w.kernelWidth * 2 ** -22,
          );
      }
    }
  });

  it.each(SHAPES)("takes the first of equal elements: %o", (c) => {
    const { w, before, after } = run({ ...c, fill: smallIntegers });
    const expected = reference(w, before);
    expectSameBits(after["max"]!, expected.max, "max");
    expectSameBits(after["dMax"]!, expected.dMax, "dMax");
  });

  it.each(SHAPES)("passes over NaN, and gives nothing on where all is −∞: %o", (c) => {
    const { w, before, after } = run({ ...c, fill: specialValues });
    expectSameBits(after["max"]!, reference(w, before).max, "max");
    const fewValues = (length: number, seed: number) => {
      const next = randomSource(seed);
      if (seed === 2) return smallIntegers(length, seed);
      const values = [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 0, -0];
      return Float32Array.from({ length }, () => values[Math.floor(next() * values.length)]!);
    };
    const few = run({ ...c, fill: fewValues });
    const expected = reference(few.w, few.before);
    expectSameBits(few.after["max"]!, expected.max, "max");
    expectSameBits(few.after["dMax"]!, expected.dMax, "dMax");
  });

  it("takes the first of equal elements in any window", () => {
    fc.assert(
      fc.property(anyWindow({ channels: 14, outputs: 1, groups: 1 }), (c) => {
        const { w, before, after } = run({ ...c, outputs: c.channels, fill: smallIntegers });
        const expected = reference(w, before);
        expectSameBits(after["max"]!, expected.max, "max");
        expectSameBits(after["dMax"]!, expected.dMax, "dMax");
      }),
      { numRuns: 60 },
    );
  });

  it("has loops for every number of channels", () => {
    for (let channels = 1; channels <= 17; channels++) {
      const { w, before, after } = run({ size: 4, kernel: 2, stride: 2, channels, fill: smallIntegers });
      const expected = reference(w, before);
      for (const key of ["max", "mean", "dMax", "dMean"] as const) expectSameBits(after[key]!, expected[key], key);
    }
  });

  it("gives an element the same bits in any cut", () => {
    for (const c of SHAPES.slice(1, 5)) {
      const { after } = run(c);
      const cut = run(c, 1).after;
      for (const key of ["max", "mean", "dMax", "dMean"]) expectSameBits(cut[key]!, after[key]!, key);
    }
  });
});
