import { describe, expect, it } from "vitest";
import type { Window } from "../../../src/backend/window.js";
import type { Core } from "../../../src/index.js";
import { OptionError, RMSProp, ShapeError } from "../../../src/index.js";
import {
  averagePool1d,
  averagePool2d,
  conv1d,
  conv2d,
  conv2dTranspose,
  dense,
  depthwiseConv2d,
  flatten,
  globalAveragePool1d,
  globalAveragePool2d,
  globalMaxPool1d,
  globalMaxPool2d,
  type Layer,
  maxPool1d,
  maxPool2d,
  Sequential,
  separableConv2d,
  softmaxCrossEntropy,
  Trainer,
  upsample2d,
} from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";
import { eachTap, windowOf } from "../../helpers/window.js";

type Parameters = Readonly<Record<string, ArrayLike<number>>>;
/** A layer in float64, by its definition: y of x, image after image. */
type Forward = (x: ArrayLike<number>, parameters: Parameters) => Float64Array;

const ROWS = 2;

const pixels = (w: Window) => w.batch * w.outHeight * w.outWidth;

function convolution(w: Window): Forward {
  const [depth, columns] = [w.inChannels / w.groups, w.outChannels / w.groups];
  return (x, p) => {
    const y = Float64Array.from({ length: pixels(w) * w.outChannels }, (_, i) => p["0.bias"]?.[i % w.outChannels] ?? 0);
    eachTap(w, (b, oy, ox, ky, kx, pixel) => {
      for (let n = 0; n < w.outChannels; n++) {
        for (let c = 0; c < depth; c++) {
          const weight = p["0.weight"]![((ky * w.kernelWidth + kx) * depth + c) * w.outChannels + n]!;
          const value = x[pixel * w.inChannels + Math.floor(n / columns) * depth + c]!;
          y[((b * w.outHeight + oy) * w.outWidth + ox) * w.outChannels + n]! += value * weight;
        }
      }
    });
    return y;
  };
}

/** `w` is the window from the larger image to the smaller. */
function transposed(w: Window): Forward {
  return (x, p) => {
    const length = w.batch * w.inHeight * w.inWidth * w.inChannels;
    const y = Float64Array.from({ length }, (_, i) => p["0.bias"]![i % w.inChannels]!);
    eachTap(w, (b, oy, ox, ky, kx, pixel) => {
      for (let n = 0; n < w.inChannels; n++) {
        for (let c = 0; c < w.outChannels; c++) {
          const weight = p["0.weight"]![((ky * w.kernelWidth + kx) * w.inChannels + n) * w.outChannels + c]!;
          y[pixel * w.inChannels + n]! += x[((b * w.outHeight + oy) * w.outWidth + ox) * w.outChannels + c]! * weight;
        }
      }
    });
    return y;
  };
}

function depthwise(w: Window, name = "0.weight"): Forward {
  const multiplier = w.outChannels / w.inChannels;
  return (x, p) => {
    const y = Float64Array.from({ length: pixels(w) * w.outChannels }, (_, i) =>
      name === "0.weight" ? (p["0.bias"]?.[i % w.outChannels] ?? 0) : 0,
    );
    eachTap(w, (b, oy, ox, ky, kx, pixel) => {
      for (let o = 0; o < w.outChannels; o++) {
        const weight = p[name]![(ky * w.kernelWidth + kx) * w.outChannels + o]!;
        const value = x[pixel * w.inChannels + Math.floor(o / multiplier)]!;
        y[((b * w.outHeight + oy) * w.outWidth + ox) * w.outChannels + o]! += value * weight;
      }
    });
    return y;
  };
}

function separable(w: Window, filters: number): Forward {
  return (x, p) => {
    const h = depthwise(w, "0.depthwise")(x, p);
    return Float64Array.from({ length: pixels(w) * filters }, (_, i) => {
      const [pixel, n] = [Math.floor(i / filters), i % filters];
      let sum = p["0.bias"]![n]!;
      for (let c = 0; c < w.outChannels; c++)
        sum += h[pixel * w.outChannels + c]! * p["0.pointwise"]![c * filters + n]!;
      return sum;
    });
  };
}

function pooling(w: Window, reduce: (values: number[]) => number): Forward {
  return (x) => {
    const seen = Array.from({ length: pixels(w) * w.inChannels }, (): number[] => []);
    eachTap(w, (b, oy, ox, _ky, _kx, pixel) => {
      for (let c = 0; c < w.inChannels; c++) {
        seen[((b * w.outHeight + oy) * w.outWidth + ox) * w.inChannels + c]!.push(x[pixel * w.inChannels + c]!);
      }
    });
    return Float64Array.from(seen, reduce);
  };
}

const largest = (values: number[]) => Math.max(...values);
const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;

/** Rows and columns repeated. */
function repeated(height: number, width: number, channels: number, fy: number, fx: number): Forward {
  return (x) =>
    Float64Array.from({ length: ROWS * height * fy * width * fx * channels }, (_, i) => {
      const [pixel, c] = [Math.floor(i / channels), i % channels];
      const [row, column] = [Math.floor(pixel / (width * fx)), Math.floor((pixel % (width * fx)) / fx)];
      const [b, y] = [Math.floor(row / (height * fy)), Math.floor((row % (height * fy)) / fy)];
      return x[((b * height + y) * width + column) * channels + c]!;
    });
}

const batch = ROWS;
const LAYERS: [string, () => Layer, number[], Forward][] = [
  [
    "conv2d, same",
    () => conv2d(5, { strides: [2, 1], padding: "same", dilation: [1, 2] }),
    [6, 7, 3],
    convolution(
      windowOf({
        batch,
        size: [6, 7],
        kernel: 3,
        stride: [2, 1],
        dilation: [1, 2],
        pad: [0, 2],
        out: [3, 7],
        channels: 3,
        outputs: 5,
      }),
    ),
  ],
  [
    "conv2d, explicit padding and groups",
    () =>
      conv2d(4, {
        kernelSize: 2,
        groups: 2,
        padding: [
          [1, 0],
          [0, 3],
        ],
        bias: false,
      }),
    [4, 3, 6],
    convolution(
      windowOf({ batch, size: [4, 3], kernel: 2, pad: [1, 0], out: [4, 5], channels: 6, outputs: 4, groups: 2 }),
    ),
  ],
  [
    "conv2d of single pixels",
    () => conv2d(4, { kernelSize: 1 }),
    [3, 5, 6],
    convolution(windowOf({ batch, size: [3, 5], kernel: 1, channels: 6, outputs: 4 })),
  ],
  [
    "conv1d, causal",
    () => conv1d(4, { padding: "causal", dilation: 2 }),
    [7, 3],
    convolution(
      windowOf({
        batch,
        size: [1, 7],
        kernel: [1, 3],
        dilation: [1, 2],
        pad: [0, 4],
        out: [1, 7],
        channels: 3,
        outputs: 4,
      }),
    ),
  ],
  [
    "conv2dTranspose",
    () =>
      conv2dTranspose(3, {
        kernelSize: [3, 2],
        strides: 2,
        padding: [
          [1, 0],
          [0, 1],
        ],
      }),
    [3, 4, 5],
    transposed(
      windowOf({ batch, size: [6, 7], kernel: [3, 2], stride: 2, pad: [1, 0], out: [3, 4], channels: 3, outputs: 5 }),
    ),
  ],
  [
    "depthwiseConv2d",
    () => depthwiseConv2d({ multiplier: 2, padding: "same" }),
    [4, 5, 3],
    depthwise(windowOf({ batch, size: [4, 5], kernel: 3, pad: 1, channels: 3, outputs: 6 })),
  ],
  [
    "separableConv2d",
    () => separableConv2d(4, { kernelSize: 2, strides: 2, multiplier: 2 }),
    [4, 5, 3],
    separable(windowOf({ batch, size: [4, 5], kernel: 2, stride: 2, channels: 3, outputs: 6 }), 4),
  ],
  [
    "maxPool2d",
    () => maxPool2d(3, { strides: 2, padding: "same" }),
    [5, 4, 3],
    pooling(windowOf({ batch, size: [5, 4], kernel: 3, stride: 2, pad: [1, 0], out: [3, 2], channels: 3 }), largest),
  ],
  [
    "averagePool2d",
    () => averagePool2d([2, 3], { strides: 1, padding: "same" }),
    [4, 5, 3],
    pooling(windowOf({ batch, size: [4, 5], kernel: [2, 3], pad: [0, 1], out: [4, 5], channels: 3 }), mean),
  ],
  [
    "maxPool1d",
    () => maxPool1d(),
    [7, 3],
    pooling(windowOf({ batch, size: [1, 7], kernel: [1, 2], stride: [1, 2], channels: 3 }), largest),
  ],
  [
    "averagePool1d",
    () => averagePool1d(3, { strides: 2, padding: [1, 1] }),
    [7, 3],
    pooling(windowOf({ batch, size: [1, 7], kernel: [1, 3], stride: [1, 2], pad: [0, 1], channels: 3 }), mean),
  ],
  [
    "globalMaxPool2d",
    () => globalMaxPool2d(),
    [3, 4, 5],
    pooling(windowOf({ batch, size: [3, 4], kernel: [3, 4], channels: 5 }), largest),
  ],
  [
    "globalMaxPool1d",
    () => globalMaxPool1d(),
    [6, 5],
    pooling(windowOf({ batch, size: [1, 6], kernel: [1, 6], channels: 5 }), largest),
  ],
  [
    "globalAveragePool2d",
    () => globalAveragePool2d(),
    [3, 4, 5],
    pooling(windowOf({ batch, size: [3, 4], kernel: [3, 4], channels: 5 }), mean),
  ],
  [
    "globalAveragePool1d",
    () => globalAveragePool1d(),
    [6, 5],
    pooling(windowOf({ batch, size: [1, 6], kernel: [1, 6], channels: 5 }), mean),
  ],
  ["upsample2d", () => upsample2d([2, 3]), [2, 3, 4], repeated(2, 3, 4, 2, 3)],
];

/** y, dx and the gradients of the parameters, all of them float32. */
function run(core: Core, make: () => Layer, shape: number[]) {
  const model = new Sequential(core, [make()], { inputShape: shape, seed: 5 });
  const parameters: Record<string, Float32Array> = {};
  for (const [i, [name, tensor]] of Object.entries(model.parameters).entries()) {
    parameters[name] = randomValues(tensor.size, 20 + i);
    tensor.set(parameters[name]);
  }
  const x = randomValues(ROWS * shape.reduce((a, b) => a * b), 1);
  const y = model.forward(core.tensor([ROWS, ...shape], x)).data.slice();
  const dy = randomValues(y.length, 2);
  const dx = model.backward(core.tensor([ROWS, ...model.outputShape], dy)).data.slice();
  const gradients = Object.fromEntries(Object.entries(model.gradients).map(([name, { data }]) => [name, data.slice()]));
  return { x, parameters, y, dy, dx, gradients };
}

describe.each(backends)("layers over images on %s", (backend) => {
  it.each(LAYERS)("%s is its definition, and has the gradients of finite differences", (_, make, shape, forward) => {
    const core = makeCore(backend);
    const { x, parameters, y, dy, dx, gradients } = run(core, make, shape);
    const expected = forward(x, parameters);
    expect(y.length).toBe(expected.length);
    for (const [i, value] of expected.entries()) expect(Math.abs(y[i]! - value), `y[${i}]`).toBeLessThan(2 ** -19);

    // Every function here is linear in x and in each parameter, or so between the places where a maximum changes.
    const step = 2 ** -12;
    const slope = (values: Float64Array, i: number, evaluate: () => Float64Array) => {
      const before = values[i]!;
      const objective = (value: number) => {
        values[i] = value;
        return evaluate().reduce((sum, out, j) => sum + out * dy[j]!, 0);
      };
      const difference = (objective(before + step) - objective(before - step)) / (2 * step);
      values[i] = before;
      return difference;
    };
    const x64 = Float64Array.from(x);
    for (let i = 0; i < x64.length; i++) {
      expect(Math.abs(dx[i]! - slope(x64, i, () => forward(x64, parameters))), `dx[${i}]`).toBeLessThan(2 ** -17);
    }
    for (const [name, values] of Object.entries(parameters)) {
      const varied = Float64Array.from(values);
      const with64 = { ...parameters, [name]: varied };
      for (let i = 0; i < varied.length; i++) {
        const expected = slope(varied, i, () => forward(x, with64));
        expect(Math.abs(gradients[name]![i]! - expected), `${name}[${i}]`).toBeLessThan(2 ** -17);
      }
    }
    core.dispose();
  });

  it("blends between pixels, and its gradient is the transpose of that", () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [upsample2d(2, { interpolation: "bilinear" })], { inputShape: [1, 2, 1] });
    expect([...model.forward(core.tensor([1, 1, 2, 1], [4, 8])).data]).toEqual([4, 5, 7, 8, 4, 5, 7, 8]);
    const dx = model.backward(core.tensor([1, 2, 4, 1], [1, 2, 4, 8, 0, 0, 0, 16]));
    expect([...dx.data]).toEqual([1 + 1.5 + 1, 0.5 + 3 + 8 + 16]);
    core.dispose();
  });

  it("names shapes and options that do not fit", () => {
    const core = makeCore(backend);
    const apply = (layer: Layer, inputShape: number[]) => () => new Sequential(core, [layer], { inputShape });
    expect(apply(conv2d(4), [28, 28])).toThrow(ShapeError);
    expect(apply(conv2d(4), [28, 28])).toThrow(
      /conv2d was applied to shape \[28,28\], expected \[height, width, channels\]/,
    );
    expect(apply(conv1d(4), [28, 28, 1])).toThrow(
      /conv1d was applied to shape \[28,28,1\], expected \[steps, channels\]/,
    );
    expect(apply(conv2d(4, { kernelSize: 5 }), [3, 8, 1])).toThrow(/shape \[3,8,1\], which is smaller than its window/);
    expect(apply(maxPool2d(4), [3, 8, 1])).toThrow(/maxPool2d was applied to shape \[3,8,1\], which is smaller/);
    expect(apply(conv2d(4, { groups: 2 }), [8, 8, 3])).toThrow(/groups 2 has 3 channels and 4 filters/);
    expect(() => conv2d(0)).toThrow(/filters is 0, expected an integer >= 1/);
    expect(() => conv2d(4, { kernelSize: [3, 0] })).toThrow(/kernelSize\[1\] is 0, expected an integer >= 1/);
    expect(() => conv2d(4, { kernelSize: [3] as never })).toThrow(OptionError);
    expect(() => conv2d(4, { padding: "full" as never })).toThrow(
      /padding is "full", expected "valid", "same", or \[\[top/,
    );
    expect(() => conv2d(4, { padding: "causal" as never })).toThrow(OptionError);
    expect(() =>
      conv2d(4, {
        padding: [
          [1, 1],
          [0, -1],
        ],
      }),
    ).toThrow(OptionError);
    expect(() => conv2d(4, { stride: 2 } as never)).toThrow(/options.stride is not an option/);
    expect(() => maxPool2d(2.5)).toThrow(/size is 2.5, expected an integer >= 1/);
    expect(() => upsample2d(2, { interpolation: "cubic" as never })).toThrow(/interpolation is "cubic"/);
    expect(() => depthwiseConv2d({ multiplier: 0 })).toThrow(/multiplier is 0/);
    core.dispose();
  });

  it("learns, with relu in the convolution's own call", () => {
    const core = makeCore(backend);
    const layers = [conv2d(4, { activation: "relu", padding: "same" }), maxPool2d(2), flatten(), dense(2)];
    const model = new Sequential(core, layers, { inputShape: [8, 8, 1], seed: 1 });
    const optimizer = (params: ConstructorParameters<typeof RMSProp>[1]) =>
      new RMSProp(core, params, { learningRate: 3e-3 });
    const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
    // A horizontal line or a vertical one, somewhere.
    const x = new Float32Array(32 * 64);
    const y = Array.from({ length: 32 }, (_, i) => i % 2);
    for (let i = 0; i < 32; i++) {
      const at = (i * 5) % 8;
      for (let j = 0; j < 8; j++) x[i * 64 + (y[i] ? j * 8 + at : at * 8 + j)] = 1;
    }
    const batchOf = core.tensor([32, 8, 8, 1], x);
    const first = trainer.step(batchOf, y);
    for (let i = 0; i < 200; i++) trainer.step(batchOf, y);
    const { loss, accuracy } = trainer.evaluate(batchOf, y);
    expect(loss).toBeLessThan(first / 10);
    expect(accuracy).toBe(1);
    core.dispose();
  });
});

describe("layers over images", () => {
  it.each(LAYERS)("%s gives the same bits on every backend", (_, make, shape) => {
    const [wasm, js] = backends.map((backend) => run(makeCore(backend), make, shape));
    expectSameBits(wasm!.y, js!.y, "y");
    expectSameBits(wasm!.dx, js!.dx, "dx");
    for (const name in wasm!.gradients) expectSameBits(wasm!.gradients[name]!, js!.gradients[name]!, name);
  });
});
