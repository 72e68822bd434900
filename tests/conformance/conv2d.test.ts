import fc from "fast-check";
import { it } from "vitest";
import { ACTIVATION } from "../../src/backend/backend.js";
import { activate } from "../../src/backend/js/nn/activation.js";
import type { Window } from "../../src/backend/window.js";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance, type Operands } from "../helpers/conformance.js";
import { randomValues, smallIntegers, specialValues } from "../helpers/random.js";
import { expectSums, Sums } from "../helpers/sums.js";
import { anyWindow, eachTap, type WindowCase, windowOf, windowWords } from "../helpers/window.js";

interface Case extends WindowCase {
  bias?: boolean;
  activation?: keyof typeof ACTIVATION;
  fill?: (length: number, seed: number) => Float32Array;
}

const length = (w: Window) => ({
  x: w.batch * w.inHeight * w.inWidth * w.inChannels,
  y: w.batch * w.outHeight * w.outWidth * w.outChannels,
  weight: (w.kernelHeight * w.kernelWidth * w.inChannels * w.outChannels) / w.groups,
});

/** Runs forward and both gradients on every backend; returns what went in and what came out. */
function run(c: Case): { w: Window; before: Operands; after: Operands } {
  const w = windowOf(c);
  const { x, y, weight } = length(w);
  const fill = c.fill ?? randomValues;
  const before: Operands = {
    window: windowWords(w),
    x: fill(x, 1),
    weight: fill(weight, 2),
    dy: fill(y, 3),
    bias: fill(w.outChannels, 4),
    y: new Float32Array(y).fill(7),
    dx: new Float32Array(x).fill(7),
    dw: new Float32Array(weight).fill(7),
  };
  const activation = ACTIVATION[c.activation ?? "identity"];
  const { operands } = conform(
    JSON.stringify(c),
    before,
    (kernels, ptr) => {
      const { window, x, weight, dy, y, dx, dw, scratch } = ptr as Record<string, number>;
      const bias = c.bias ? ptr["bias"]! : 0;
      const lines = (w.kernelHeight * w.kernelWidth * w.inChannels) / w.groups;
      kernels.conv2d_f32(window!, 0, w.batch * w.outHeight, x!, weight!, bias, activation, y!, scratch!);
      kernels.conv2d_backward_input_f32(window!, 0, w.batch * w.inHeight, dy!, weight!, 0, 0, dx!, scratch!);
      kernels.conv2d_backward_weight_f32(window!, 0, lines, x!, dy!, dw!, scratch!);
    },
    (kernels, ptr) =>
      Math.max(
        kernels.conv2d_scratch_bytes(ptr["window"]!),
        kernels.conv2d_backward_input_scratch_bytes(ptr["window"]!),
        kernels.conv2d_backward_weight_scratch_bytes(ptr["window"]!),
      ),
  );
  return { w, before, after: operands };
}

/** y, dx and dw in float64 by the definition. */
function reference(w: Window, { x, weight, dy }: Operands): Record<string, Sums> {
  const depth = w.inChannels / w.groups;
  const columns = w.outChannels / w.groups;
  const taps = w.kernelHeight * w.kernelWidth;
  const y = new Sums(length(w).y, taps * depth);
  const dx = new Sums(length(w).x, taps * columns);
  const dw = new Sums(length(w).weight, w.batch * w.outHeight * w.outWidth);
  eachTap(w, (b, oy, ox, ky, kx, pixel) => {
    for (let n = 0; n < w.outChannels; n++) {
      const yAt = ((b * w.outHeight + oy) * w.outWidth + ox) * w.outChannels + n;
      for (let c = 0; c < depth; c++) {
        const xAt = pixel * w.inChannels + Math.floor(n / columns) * depth + c;
        const wAt = ((ky * w.kernelWidth + kx) * depth + c) * w.outChannels + n;
        y.add(yAt, x![xAt]! * weight![wAt]!);
        dx.add(xAt, dy![yAt]! * weight![wAt]!);
        dw.add(wAt, x![xAt]! * dy![yAt]!);
      }
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
  { size: 5, kernel: 3, batch: 2, channels: 2, outputs: 3 },
  { size: [7, 5], kernel: [3, 2], channels: 3, outputs: 5, pad: 1 },
  { size: [6, 9], kernel: 3, channels: 4, outputs: 8, pad: 1, batch: 3 },
  { size: [9, 6], kernel: 3, channels: 5, outputs: 9, stride: 2, pad: 1 },
  { size: [9, 10], kernel: [2, 4], channels: 7, outputs: 17, stride: [3, 2], dilation: [2, 1], pad: [1, 2] },
  { size: 8, kernel: 3, channels: 3, outputs: 4, dilation: [1, 2], pad: 2 },
  { size: 11, kernel: 3, channels: 2, outputs: 6, stride: 2, dilation: 2, pad: 2 },
  { size: 11, kernel: 3, channels: 2, outputs: 6, stride: 4, dilation: 6, pad: 5 },
  { size: 7, kernel: 5, channels: 6, outputs: 12, groups: 3, pad: 2, batch: 2 },
  { size: 6, kernel: 3, channels: 8, outputs: 8, groups: 8, pad: 1 },
  { size: 4, kernel: 2, channels: 10, outputs: 4, groups: 2, stride: 2 },
  { size: [1, 13], kernel: [1, 5], channels: 4, outputs: 7, pad: [0, 2] },
  // A window larger than the image, a stride larger than the window, more padding than window.
  { size: 3, kernel: 7, channels: 2, outputs: 3, pad: 3 },
  { size: 9, kernel: 2, channels: 3, outputs: 5, stride: 4 },
  { size: 4, kernel: 3, channels: 3, outputs: 5, stride: 3, pad: 5 },
  // Explicit sizes: "same" with an odd rest, and rows of y that see nothing.
  { size: [6, 5], kernel: 3, channels: 4, outputs: 4, stride: 2, pad: 0, out: 3 },
  { size: 4, kernel: 3, channels: 3, outputs: 2, out: [6, 7] },
  // Nothing at all.
  { size: 3, kernel: 3, batch: 0 },
  { size: 2, kernel: 3, channels: 2, outputs: 3 },
  { size: 0, kernel: 3, channels: 2, outputs: 3, pad: 2, out: 2 },
  { size: [5, 4], kernel: 3, channels: 1, outputs: 20, pad: 1 },
];

/** Wide and deep enough to pack pixels, in every binary; more pixels than a table; strips of every width. */
const LARGE: Case[] = [
  { size: [10, 7], kernel: 3, channels: 8, outputs: 100, pad: 1, batch: 5 },
  { size: [9, 31], kernel: 3, channels: 6, outputs: 52, pad: 1, batch: 2 },
  { size: [3, 301], kernel: 3, channels: 3, outputs: 11, pad: 1 },
  { size: [19, 300], kernel: [3, 1], channels: 2, outputs: 4, stride: [2, 1] },
  { size: 17, kernel: 1, channels: 49, outputs: 109, batch: 2 },
  { size: 16, kernel: 3, channels: 100, outputs: 5, stride: 2, pad: 1 },
];

describeConformance("conv2d_f32 and its gradients", () => {
  it.each(SHAPES)("is within the error bound of float64: %o", (c) => expectRight(c));

  it.each(LARGE)("is so across tables, blocks and strips: %o", (c) => expectRight(c));

  it.each([...SHAPES, ...LARGE])("is exact on exact data: %o", (c) => expectRight({ ...c, fill: smallIntegers }, true));

  it("is exact for any window", () => {
    const windows = anyWindow({ channels: 7, outputs: 19, groups: 3 });
    fc.assert(
      fc.property(windows, (c) => expectRight({ ...c, fill: smallIntegers }, true)),
      { numRuns: 60 },
    );
  });

  it("has strips for every number of outputs", () => {
    for (let outputs = 1; outputs <= 35; outputs++) {
      expectRight({ size: 4, kernel: 2, channels: 3, outputs, pad: 1 });
      expectRight({ size: 4, kernel: 2, channels: outputs, outputs: 3 });
    }
  });

  it("passes NaN, infinities, signed zeros and subnormals through", () => {
    for (const c of [...SHAPES, ...LARGE.slice(0, 2)])
      run({ ...c, fill: specialValues, bias: true, activation: "relu" });
  });

  it.each(["identity", "relu", "tanh", "sigmoid"] as const)("adds a bias and applies %s", (activation) => {
    for (const c of [SHAPES[1]!, SHAPES[4]!, SHAPES[9]!, LARGE[0]!]) {
      const plain = run(c);
      const { after } = run({ ...c, bias: true, activation });
      const { outChannels } = plain.w;
      const expected = plain.after["y"]!.map((sum, i) => {
        return activate(ACTIVATION[activation], Math.fround(sum + plain.before["bias"]![i % outChannels]!));
      });
      expectSameBits(after["y"]!, expected, activation);
    }
  });

  it("gives an element the same bits in any cut of the rows", () => {
    const c: Case = { size: [9, 6], kernel: 3, channels: 5, outputs: 9, stride: 2, pad: 1, batch: 3 };
    const { w, before, after } = run(c);
    const { operands } = conform(
      "rows one by one",
      before,
      (kernels, ptr) => {
        const { window, x, weight, dy, y, dx, dw, scratch } = ptr as Record<string, number>;
        for (let row = w.batch * w.outHeight - 1; row >= 0; row--) {
          kernels.conv2d_f32(window!, row, 1, x!, weight!, 0, 0, y!, scratch!);
        }
        for (let row = 0; row < w.batch * w.inHeight; row += 2) {
          const count = Math.min(2, w.batch * w.inHeight - row);
          kernels.conv2d_backward_input_f32(window!, row, count, dy!, weight!, 0, 0, dx!, scratch!);
        }
        for (let row = 0; row < 45; row += 7) {
          kernels.conv2d_backward_weight_f32(window!, row, Math.min(7, 45 - row), x!, dy!, dw!, scratch!);
        }
      },
      (kernels, { window }) =>
        kernels.conv2d_scratch_bytes(window!) +
        kernels.conv2d_backward_input_scratch_bytes(window!) +
        kernels.conv2d_backward_weight_scratch_bytes(window!),
    );
    for (const key of ["y", "dx", "dw"]) expectSameBits(operands[key]!, after[key]!, key);
  });
});
