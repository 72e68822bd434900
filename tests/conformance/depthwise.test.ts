import fc from "fast-check";
import { it } from "vitest";
import { ACTIVATION } from "../../src/backend/backend.js";
import { activate } from "../../src/backend/js/nn/activation.js";
import type { Window } from "../../src/backend/window.js";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance, type Operands, type ScratchBytes } from "../helpers/conformance.js";
import { randomValues, smallIntegers, specialValues } from "../helpers/random.js";
import { expectSums, Sums } from "../helpers/sums.js";
import { anyWindow, eachTap, type WindowCase, windowOf, windowWords } from "../helpers/window.js";

interface Case extends WindowCase {
  bias?: boolean;
  activation?: keyof typeof ACTIVATION;
  fill?: (length: number, seed: number) => Float32Array;
}

const scratchBytes: ScratchBytes = (kernels, { window }) =>
  Math.max(
    kernels.depthwise_conv2d_scratch_bytes(window!),
    kernels.depthwise_conv2d_backward_input_scratch_bytes(window!),
  );

function operandsOf(w: Window, fill: NonNullable<Case["fill"]>): Operands {
  const [x, y] = [w.batch * w.inHeight * w.inWidth * w.inChannels, w.batch * w.outHeight * w.outWidth * w.outChannels];
  const weight = w.kernelHeight * w.kernelWidth * w.outChannels;
  return {
    window: windowWords(w),
    x: fill(x, 1),
    weight: fill(weight, 2),
    dy: fill(y, 3),
    bias: fill(w.outChannels, 4),
    y: new Float32Array(y).fill(7),
    dx: new Float32Array(x).fill(7),
    dw: new Float32Array(weight).fill(7),
  };
}

/** Runs forward and both gradients on every backend, `step` rows or channels a call. */
function run(c: Case, step = 2 ** 20): { w: Window; before: Operands; after: Operands } {
  const w = windowOf(c);
  const before = operandsOf(w, c.fill ?? randomValues);
  const activation = ACTIVATION[c.activation ?? "identity"];
  const pieces = (count: number, call: (first: number, count: number) => void) => {
    for (let first = 0; first < count || first === 0; first += step) call(first, Math.min(step, count - first));
  };
  const { operands } = conform(
    JSON.stringify(c),
    before,
    (kernels, ptr) => {
      const [window, x, weight, dy] = [ptr["window"]!, ptr["x"]!, ptr["weight"]!, ptr["dy"]!];
      const [y, dx, dw, scratch] = [ptr["y"]!, ptr["dx"]!, ptr["dw"]!, ptr["scratch"]!];
      const bias = c.bias ? ptr["bias"]! : 0;
      pieces(w.batch * w.outHeight, (first, count) => {
        kernels.depthwise_conv2d_f32(window, first, count, x, weight, bias, activation, y, scratch);
      });
      pieces(w.batch * w.inHeight, (first, count) => {
        kernels.depthwise_conv2d_backward_input_f32(window, first, count, dy, weight, dx, scratch);
      });
      pieces(w.outChannels, (first, count) => {
        kernels.depthwise_conv2d_backward_weight_f32(window, first, count, x, dy, dw, scratch);
      });
    },
    scratchBytes,
  );
  return { w, before, after: operands };
}

function reference(w: Window, { x, weight, dy }: Operands): Record<string, Sums> {
  const y = new Sums(w.batch * w.outHeight * w.outWidth * w.outChannels, w.kernelHeight * w.kernelWidth);
  const multiplier = w.outChannels / w.inChannels;
  const dx = new Sums(x!.length, w.kernelHeight * w.kernelWidth * multiplier);
  const dw = new Sums(weight!.length, w.batch * w.outHeight * w.outWidth);
  eachTap(w, (b, oy, ox, ky, kx, pixel) => {
    for (let o = 0; o < w.outChannels; o++) {
      const yAt = ((b * w.outHeight + oy) * w.outWidth + ox) * w.outChannels + o;
      const xAt = pixel * w.inChannels + Math.floor(o / multiplier);
      const wAt = (ky * w.kernelWidth + kx) * w.outChannels + o;
      y.add(yAt, x![xAt]! * weight![wAt]!);
      dx.add(xAt, dy![yAt]! * weight![wAt]!);
      dw.add(wAt, x![xAt]! * dy![yAt]!);
    }
  });
  return { y, dx, dw };
}

function expectRight(c: Case, isExact = false): void {
  const { w, before, after } = run(c);
  expectSums(JSON.stringify(c), reference(w, before), after, isExact);
}

const SHAPES: Case[] = [
  { size: 1, kernel: 1 },
  { size: 5, kernel: 3, batch: 2, channels: 2 },
  { size: [6, 9], kernel: 3, channels: 13, pad: 1, batch: 3 },
  { size: [9, 7], kernel: [3, 5], channels: 12, pad: [1, 2], batch: 2 },
  { size: [7, 5], kernel: [3, 2], channels: 3, outputs: 6, pad: 1 },
  { size: [9, 6], kernel: 3, channels: 5, outputs: 15, stride: 2, pad: 1 },
  { size: [9, 10], kernel: [2, 4], channels: 9, stride: [3, 2], dilation: [2, 1], pad: [1, 2] },
  { size: 8, kernel: 3, channels: 4, outputs: 8, dilation: [1, 2], pad: 2 },
  { size: 11, kernel: 3, channels: 8, stride: 2, dilation: 2, pad: 2 },
  { size: 11, kernel: 4, channels: 8, stride: 3, dilation: 3, pad: 4 },
  { size: 11, kernel: 3, channels: 6, stride: 4, dilation: 6, pad: 5 },
  { size: [1, 13], kernel: [1, 5], channels: 16, pad: [0, 2] },
  { size: [5, 2], kernel: 3, channels: 9, pad: 1 },
  { size: 3, kernel: 7, channels: 6, outputs: 12, pad: 3 },
  { size: 9, kernel: 2, channels: 7, stride: 4 },
  { size: 4, kernel: 3, channels: 5, stride: 3, pad: 5 },
  { size: [6, 5], kernel: 3, channels: 4, stride: 2, out: 3 },
  { size: 4, kernel: 3, channels: 3, out: [6, 7] },
  { size: 3, kernel: 3, batch: 0 },
  { size: 2, kernel: 3, channels: 2 },
  { size: 0, kernel: 3, channels: 2, pad: 2, out: 2 },
  // More pixels than a table has.
  { size: [7, 140], kernel: 3, channels: 9, pad: 1 },
  { size: [3, 301], kernel: [1, 3], channels: 4, outputs: 8, stride: [1, 2], pad: [0, 1], batch: 2 },
];

describeConformance("depthwise_conv2d_f32 and its gradients", () => {
  it.each(SHAPES)("is within the error bound of float64: %o", (c) => expectRight(c));

  it.each(SHAPES)("is exact on exact data: %o", (c) => expectRight({ ...c, fill: smallIntegers }, true));

  it("is exact for any window", () => {
    // As many outputs as channels, times a multiplier.
    const windows = anyWindow({ channels: 14, outputs: 3, groups: 1 });
    fc.assert(
      fc.property(windows, (c) => {
        expectRight({ ...c, outputs: c.outputs * c.channels, fill: smallIntegers }, true);
      }),
      { numRuns: 60 },
    );
  });

  it("has loops for every number of channels", () => {
    for (let channels = 1; channels <= 17; channels++) expectRight({ size: 4, kernel: 2, channels, pad: 1 });
  });

  it("passes NaN, infinities, signed zeros and subnormals through", () => {
    for (const c of SHAPES) run({ ...c, fill: specialValues, bias: true, activation: "relu" });
  });

  it.each(["identity", "relu", "tanh", "sigmoid"] as const)("adds a bias and applies %s", (activation) => {
    for (const c of [SHAPES[2]!, SHAPES[5]!]) {
      const plain = run(c);
      const { after } = run({ ...c, bias: true, activation });
      const expected = plain.after["y"]!.map((sum, i) => {
        return activate(ACTIVATION[activation], Math.fround(sum + plain.before["bias"]![i % plain.w.outChannels]!));
      });
      expectSameBits(after["y"]!, expected, activation);
    }
  });

  it("gives an element the same bits in any cut of the rows", () => {
    for (const c of SHAPES.slice(2, 8)) {
      const { after } = run(c);
      for (const step of [1, 3]) {
        const cut = run(c, step).after;
        for (const key of ["y", "dx", "dw"]) expectSameBits(cut[key]!, after[key]!, `${key}, ${step} rows a call`);
      }
    }
  });
});
