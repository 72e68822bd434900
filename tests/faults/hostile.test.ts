// Every parameter of every public function, and every option, with values that nobody expects there: what leaves the API
// is a LanewiseError, or the caller's own error, and after it no memory is held that was not held before.

import { describe, expect, it } from "vitest";
import * as checkpoint from "../../src/checkpoint/index.js";
import type { Core } from "../../src/core.js";
import * as entry from "../../src/entry/inline.js";
import * as lanewise from "../../src/index.js";
import * as nn from "../../src/nn/index.js";
import { everyOptimizer } from "../helpers/every-optimizer.js";
import { hostile, OwnError } from "../helpers/hostile.js";
import { randomValues } from "../helpers/random.js";

/** A call with good arguments, each of which a test replaces; of plain objects, each property too. */
interface Call {
  readonly args: unknown[];
  readonly run: (...args: never[]) => unknown;
}

const makers = { createCore: entry.createCore, createCoreSync: entry.createCoreSync };

/** Calls that go on for as long as they are told to. */
const LONG = new Set(["iterations", "epochs"]);

const pool = { strides: 1, padding: "same" };
const norm = { eps: 1e-3, scale: true, center: true, name: "n" };
const initializer = nn.uniform(-1, 1);
const kernel = { kernelSize: 2, strides: 1, padding: "same", dilation: 1, bias: true, activation: "relu", name: "k" };
const recurrent = { activation: "tanh", bias: true, returnSequences: true, name: "r" };
const functions = { ...lanewise, ...nn, ...checkpoint } as unknown as Record<string, (...args: never[]) => unknown>;

/** Good arguments of every function that needs no core. */
const plain: Record<string, unknown[]> = {
  constantSchedule: [0.1],
  stepDecay: [0.1, 3, 0.5],
  exponentialDecay: [0.1, 0.9, 0],
  linearSchedule: [0.1, 0, 10],
  cosineDecay: [0.1, 10, 0],
  cosineRestarts: [0.1, 10, 2, 0],
  oneCycle: [0.1, 10, {}],
  oneCycleMomentum: [10, { low: 0.8, high: 0.9, pctStart: 0.3, anneal: "cosine", threePhase: false }],
  cosineAnnealing: [0.1, 10, 0],
  scaleGradients: [{ w: Float32Array.of(1, 2) }, 0.5],
  unscaleGradients: [{ w: Float32Array.of(1, 2) }, 10],
  clipGradientValues: [{ w: Float32Array.of(1, 2) }, 0.5],
  clipGradientNorm: [{ w: Float32Array.of(1, 2) }, 0.5, { dialect: "optax" }],
  clipGradientBlocks: [{ w: Float32Array.of(1, 2) }, 0.5],
  clipGradientsAdaptively: [{ w: Float32Array.of(1, 2) }, { w: Float32Array.of(1, 2) }, 0.01, 1e-3],
  clampParameters: [{ w: Float32Array.of(1, 2) }, 0.5],
  reduceOnPlateau: [0.1, { patience: 2, factor: 0.5 }],
  warmup: [0.1, 10, 0],
  scaleSchedule: [0.1, 0.5],
  joinSchedules: [[0.1, 0.2], [5]],
  dense: [3, 4, { activation: "relu", bias: true, name: "d", weightInitializer: initializer }],
  activation: ["relu", { name: "a" }],
  ...Object.fromEntries(
    ["gelu", "elu", "leakyRelu", "prelu", "selu", "softplus", "softsign"].map((f) => [f, [{ name: "a" }]]),
  ),
  ...Object.fromEntries(
    ["silu", "mish", "relu6", "hardSwish", "hardSigmoid", "softmax", "logSoftmax"].map((f) => [f, [{ name: "a" }]]),
  ),
  ...Object.fromEntries(["relu", "tanh", "sigmoid", "flatten", "add", "hinge", "klDivergence"].map((f) => [f, []])),
  ...Object.fromEntries(["meanAbsoluteError", "meanSquaredError"].map((f) => [f, []])),
  ...Object.fromEntries(["glorotNormal", "glorotUniform", "heNormal", "heUniform"].map((f) => [f, []])),
  concat: [-1],
  batchNorm: [{ ...norm, momentum: 0.9 }],
  layerNorm: [norm],
  groupNorm: [2, norm],
  rmsNorm: [{ eps: 1e-3, name: "n" }],
  conv1d: [3, kernel],
  conv2d: [3, kernel],
  conv2dTranspose: [3, { ...kernel, dilation: 1 }],
  depthwiseConv2d: [kernel],
  separableConv2d: [3, kernel],
  dropout: [0.5],
  embedding: [5, 3, { name: "e", initializer }],
  positionalEmbedding: [5, { name: "e", initializer }],
  gru: [3, recurrent],
  lstm: [3, recurrent],
  simpleRnn: [3, recurrent],
  bidirectional: [nn.gru(3), { mergeMode: "concat", name: "b" }],
  timeDistributed: [nn.dense(3), { name: "t" }],
  multiHeadAttention: [2, { causal: true, name: "m" }],
  ...Object.fromEntries(
    ["maxPool1d", "maxPool2d", "averagePool1d", "averagePool2d"].map((f) => [f, [2, { ...pool, name: "p" }]]),
  ),
  ...Object.fromEntries(["globalAveragePool1d", "globalAveragePool2d"].map((f) => [f, [{ name: "p" }]])),
  ...Object.fromEntries(["globalMaxPool1d", "globalMaxPool2d"].map((f) => [f, [{ name: "p" }]])),
  reshape: [[2, 2]],
  upsample2d: [2, { name: "u" }],
  binaryCrossEntropy: [{}],
  softmaxCrossEntropy: [{ labelSmoothing: 0.1, classWeights: [1, 2] }],
  huber: [1],
  uniform: [-1, 1],
  normal: [0, 1],
  orthogonal: [1],
  input: [[2, 2]],
  readSafetensors: [checkpoint.writeSafetensors([["a", { shape: [2], data: new Float32Array(2) }]]), { maxBytes: 1e6 }],
  writeSafetensors: [[["a", { shape: [2], data: new Float32Array(2) }]], { k: "v" }],
  standardizer: [{ mean: [1, 2], deviation: [1, 2] }],
  cyclic: [0.1, 0.2, { up: 3, down: 4, mode: "triangular", gamma: 0.9 }],
  polynomialDecay: [0.1, 10, 2, 0],
  inverseTimeDecay: [0.1, 10, 0.5, { staircase: true }],
  rows: [[0], new Float32Array(4)],
  splitDecay: [{ w: new Float32Array(4) }, 0.1, { decays: () => true }],
  layerConfig: [nn.relu()],
  fitStandardizer: [[1, 2, 3, 4], 2],
  oneHot: [[0, 1], 2],
  splitRows: [
    { x: [1, 2, 3, 4], y: [1, 2] },
    { rows: 2, validation: 0.5, seed: 1 },
  ],
  indexedDBStore: ["database", "key"],
  opfsStore: ["path"],
};

/** Functions whose arguments are a core's, below, but for findLearningRate, multiply and Random. */
const withCore = [
  ...[
    "findLearningRate",
    "exportTfjs",
    "importKeras",
    "importPytorch",
    "importTfjs",
    "loadModel",
    "saveModel",
    "batches",
  ],
  ...["packModel", "denseRows", "overwriteWithAverages", "stepCautiously"],
  ...["matmul", "minimize", "saveCheckpoint", "loadCheckpoint", "multiply", "durableObjectStore"],
  ...["Sequential", "Model", "Trainer", "Layer", "Random"],
];

/** A model of Keras: y = wx. */
const kerasConfig = {
  class_name: "Sequential",
  config: {
    layers: [
      { module: "keras.layers", class_name: "InputLayer", config: { name: "x", batch_shape: [null, 1] } },
      { module: "keras.layers", class_name: "Dense", config: { name: "y", units: 1, use_bias: false } },
    ],
  },
};

/** A model, an optimizer and a trainer over it, with good arguments for all their methods. */
function calls(core: Core): Record<string, Call> {
  const w = core.tensor([3, 4], randomValues(12, 1));
  const g = core.tensor([3, 4], randomValues(12, 2));
  const optimizer = new lanewise.RMSProp(core, { w }, { emaDecay: 0.9 });
  const listed = new lanewise.SGD(core, [core.tensor([2])]);
  const cautious = new lanewise.SGD(core, { w: core.tensor([3, 4]) }, { momentum: 0.9 });
  const model = new nn.Sequential(core, [nn.dense(3, 4), nn.relu(), nn.dense(4, 2)], { seed: 1 });
  const trainer = new nn.Trainer(model, {
    loss: nn.meanSquaredError(),
    optimizer: (parameters) => new lanewise.SGD(core, parameters),
  });
  const [x, y] = [randomValues(6, 3), randomValues(4, 4)];
  const bytes = checkpoint.saveCheckpoint({ parameters: model.parameters, optimizer: trainer });
  const point = core.tensor([1]);
  const packed = nn.packModel(model);
  for (const each of [model, packed]) each.predict(x).dispose(); // memory for batches is kept
  model.forward(x);
  const quadratic = (point: Float64Array) => point[0]! ** 2;
  return {
    "core.tensor": {
      args: [
        [2, 2],
        [1, 2, 3, 4],
      ],
      run: (...a) => (core.tensor as (...b: never[]) => unknown)(...a),
    },
    "core.scope": { args: [() => 1], run: (f) => core.scope(f) },
    "core.pack": { args: [w, { transposeB: true }], run: (b, options) => core.pack(b, options).dispose() },
    denseRows: {
      args: [core.tensor([3, 4]), [0, 2], randomValues(8, 5)],
      run: (out, rows, grads) => lanewise.denseRows(out, rows, grads),
    },
    stepCautiously: { args: [cautious, { w: g }], run: (a, b) => lanewise.stepCautiously(a, b) },
    overwriteWithAverages: { args: [optimizer], run: (a) => lanewise.overwriteWithAverages(a) },
    "tensor.set": { args: [randomValues(12, 1)], run: (source) => w.set(source) },
    matmul: {
      args: [
        w,
        g,
        {
          out: core.tensor([3, 3]),
          transposeA: false,
          transposeB: true,
          alpha: 1,
          beta: 0,
          activation: "relu",
          bias: core.tensor([3]),
        },
      ],
      run: (a, b, options) => lanewise.matmul(a, b, options),
    },
    minimize: {
      args: [
        quadratic,
        [1],
        {
          optimizer: () => new lanewise.SGD(core, point),
          iterations: 2,
          gradient: (p: Float64Array) => [p[0]!],
          onStep: () => true,
        },
      ],
      run: (f, x0, options) => lanewise.minimize(f, x0, options),
    },
    "optimizer.step": { args: [{ w: g }], run: (grads) => optimizer.step(grads) },
    "optimizer of a list, step": { args: [[core.tensor([2])]], run: (grads) => listed.step(grads) },
    "optimizer.stepRows": {
      args: ["w", [0, 2], randomValues(8, 5)],
      run: (name, rows, grads) => optimizer.stepRows(name, rows, grads),
    },
    "optimizer.setOptions": {
      args: [{ learningRate: 0.1, momentum: 0.5, onNonFinite: "skip" }, 0],
      run: (options, group) => optimizer.setOptions(options, group),
    },
    "optimizer.add": {
      args: [{ v: core.tensor([2]) }, { learningRate: 0.1 }],
      run: (params, options) => optimizer.add(params, options),
    },
    "optimizer.freeze": { args: ["w"], run: (name) => optimizer.freeze(name) },
    "optimizer.unfreeze": { args: ["w"], run: (name) => optimizer.unfreeze(name) },
    "optimizer.learningRate": {
      args: [0.1],
      run: (rate) => {
        optimizer.learningRate = rate;
        optimizer.step({ w: g });
      },
    },
    "optimizer.load": { args: [optimizer.state()], run: (state) => optimizer.load(state) },
    Sequential: {
      args: [core, [nn.dense(3, 4)], { seed: 1, inputShape: [3] }],
      run: (...a) => new (nn.Sequential as unknown as new (...b: never[]) => { dispose(): void })(...a).dispose(),
    },
    Model: {
      args: [
        core,
        (() => {
          const inputs = nn.input([3]);
          return { inputs, outputs: nn.dense(2).apply(inputs), seed: 1 };
        })(),
      ],
      run: (...a) => new (nn.Model as unknown as new (...b: never[]) => { dispose(): void })(...a).dispose(),
    },
    Trainer: {
      args: [model, { loss: nn.meanSquaredError(), optimizer: (p: never) => new lanewise.SGD(core, p), seed: 1 }],
      run: (...a) => new (nn.Trainer as unknown as new (...b: never[]) => { dispose(): void })(...a).dispose(),
    },
    packModel: { args: [model], run: (a) => nn.packModel(a).dispose() },
    "packed.predict": { args: [x, { out: core.tensor([2, 2]) }], run: (a, options) => packed.predict(a, options) },
    "packed.predictClasses": { args: [x], run: (a) => packed.predictClasses(a) },
    "packed.predictProbabilities": { args: [x], run: (a) => packed.predictProbabilities(a) },
    "model.predict": { args: [x, { out: core.tensor([2, 2]) }], run: (a, options) => model.predict(a, options) },
    "model.predictClasses": { args: [x], run: (a) => model.predictClasses(a) },
    "model.predictProbabilities": { args: [x], run: (a) => model.predictProbabilities(a) },
    "model.forward": { args: [x, { training: true, seed: 1 }], run: (a, options) => model.forward(a, options) },
    "model.backward": {
      args: [y, { accumulate: false }],
      run: (dy, options) => {
        model.forward(x);
        return model.backward(dy, options);
      },
    },
    "trainer.step": { args: [x, y, { sampleWeights: [1, 2] }], run: (a, b, options) => trainer.step(a, b, options) },
    "trainer.backward": {
      args: [x, y, { sampleWeights: [1, 2], scale: 1, accumulate: false, seed: 1 }],
      run: (a, b, options) => trainer.backward(a, b, options),
    },
    "trainer.evaluate": {
      args: [x, y, { metrics: ["r2"], sampleWeights: [1, 2] }],
      run: (a, b, options) => trainer.evaluate(a, b, options),
    },
    "trainer.fit": {
      args: [
        { x, y },
        {
          epochs: 1,
          batchSize: 2,
          shuffle: false,
          sampleWeights: [1, 2],
          validation: { x, y },
          metrics: ["r2"],
          earlyStopping: { patience: 2 },
          callbacks: [{ onBatch() {} }],
          onProgress() {},
          signal: new AbortController().signal,
        },
      ],
      run: (data, options) => trainer.fit(data, options),
    },
    "trainer.load": { args: [trainer.state()], run: (state) => trainer.load(state) },
    saveCheckpoint: {
      args: [{ parameters: model.parameters, optimizer: trainer, metadata: { a: "b" } }],
      run: (source) => checkpoint.saveCheckpoint(source),
    },
    loadCheckpoint: {
      args: [bytes, { parameters: model.parameters, optimizer: trainer }],
      run: (b, target) => checkpoint.loadCheckpoint(b, target),
    },
    durableObjectStore: { args: [{}, "key"], run: (storage, key) => checkpoint.durableObjectStore(storage, key) },
    exportTfjs: { args: [model], run: (a) => nn.exportTfjs(a) },
    importPytorch: {
      args: [model, bytes, { names: () => "a" }],
      run: (a, b, options) => nn.importPytorch(a, b, options),
    },
    importKeras: {
      args: [
        core,
        { config: kerasConfig, weights: { get: () => ({ shape: [1, 1], value: [1] }) } },
        { layers: { dense: nn.dense } },
      ],
      run: (a, b, options) => nn.importKeras(a, b, options as never).dispose(),
    },
    importTfjs: {
      args: [core, { ...nn.exportTfjs(model) }, { layers: { dense: nn.dense, relu: nn.relu } }],
      run: (a, b, options) => nn.importTfjs(a, b, options as never).dispose(),
    },
    saveModel: { args: [model, { trainer, metadata: {} }], run: (a, options) => nn.saveModel(a, options) },
    loadModel: {
      args: [core, nn.saveModel(model), { layers: { dense: nn.dense, relu: nn.relu } }],
      run: (a, b, options) => nn.loadModel(a, b, options as never).model.dispose(),
    },
    batches: {
      args: [[{ x: [1], y: [2] }], 2],
      run: async (rows, size) => {
        for await (const batch of nn.batches(rows, size)) if (batch === undefined) return;
      },
    },
    "layer.apply": { args: [nn.input([3])], run: (a) => nn.dense(3).apply(a) },
    ...Object.fromEntries(
      everyOptimizer.map(([name, Class]) => [
        name,
        {
          args: [
            core,
            { w },
            {
              learningRate: 0.1,
              weightDecay: 0.1,
              clipNorm: 1,
              globalClipNorm: undefined,
              emaDecay: 0.5,
              onNonFinite: "skip",
              accumulationSteps: 1,
            },
          ],
          run: (...a: never[]) => {
            const made = new (Class as unknown as new (...b: never[]) => lanewise.Optimizer)(...a);
            try {
              made.step({ w: g });
            } finally {
              made.dispose();
            }
          },
        },
      ]),
    ),
  };
}

/** Each place in the arguments that can be replaced: an argument, or a property of one that is a plain object. */
function places(args: readonly unknown[]): { name: string; replace(value: unknown): unknown[] }[] {
  return args.flatMap((arg, i) => {
    const whole = { name: `argument ${i}`, replace: (value: unknown) => args.with(i, value) };
    if (typeof arg !== "object" || arg === null || Object.getPrototypeOf(arg) !== Object.prototype) return [whole];
    const properties = Object.keys(arg).map((key) => ({
      name: `argument ${i}.${key}`,
      replace: (value: unknown) => args.with(i, { ...arg, [key]: value }),
    }));
    const getters = Object.keys(arg).map((key) => ({
      name: `argument ${i}.${key}, a getter of`,
      replace: (value: unknown) =>
        args.with(i, Object.defineProperty({ ...arg }, key, { get: () => value, enumerable: true })),
    }));
    return [whole, ...properties, ...getters];
  });
}

/** What leaves a call that must not. */
async function escaped(run: () => unknown): Promise<string | undefined> {
  try {
    const result = run();
    if (result instanceof Promise || typeof (result as PromiseLike<unknown> | undefined)?.then === "function")
      await result;
    if (result instanceof lanewise.LanewiseError) return "an error was returned";
    return undefined;
  } catch (error) {
    if (error instanceof lanewise.LanewiseError || error instanceof OwnError) return undefined;
    // What the engine says of the caller's own proxy or callback, whoever calls it.
    if (/revoked|constructors cannot be invoked/.test(String(error))) return undefined;
    const { stack } = error as Error;
    const where = String(stack)
      .split("\n")
      .filter((line) => /src\//.test(line))[0]
      ?.replace(/^.*\/src/, "src");
    return `${String(error).slice(0, 120)} ${where}`;
  }
}

async function attack({ args, run }: Call, core?: Core): Promise<string[]> {
  const found: string[] = [];
  for (const { name, replace } of places(args)) {
    if (LONG.has(name.split(/[.,]/)[1] ?? "")) continue;
    for (const [what, make] of hostile) {
      const given = replace(make());
      const bytes = core?.memory.bytesInUse;
      let failed = false;
      const problem = await escaped(async () => {
        try {
          const result = (run as (...a: unknown[]) => unknown)(...given);
          return await result;
        } catch (error) {
          failed = true;
          throw error;
        }
      });
      if (problem !== undefined) found.push(`${name} ${what}: ${problem}`);
      else if (failed && core && core.memory.bytesInUse > bytes!) found.push(`${name} ${what}: holds memory`);
    }
  }
  return found;
}

const seen = Object.entries(functions).flatMap(([name, value]) => {
  const isError = typeof value === "function" && value.prototype instanceof Error;
  return typeof value === "function" && !isError ? [name] : [];
});

it("knows every exported function", () => {
  const known = new Set([...Object.keys(plain), ...withCore, ...everyOptimizer.map(([name]) => name), "LanewiseError"]);
  expect(seen.filter((name) => !known.has(name))).toEqual([]);
});

describe("functions", () => {
  it.each(Object.entries(plain))("%s", async (name, args) => {
    const run = functions[name]!;
    expect(await escaped(() => run(...(args as never[])))).toBeUndefined();
    expect(await attack({ args, run })).toEqual([]);
  });

  it.each(["createCoreSync", "createCore"] as const)("%s", async (name) => {
    const options = {
      backend: "auto",
      arithmetic: "reproducible",
      wide: false,
      threads: 1,
      memory: { initialBytes: 65536 },
    };
    const run = async (given: never) => (await makers[name](given)).dispose();
    expect(await attack({ args: [options], run })).toEqual([]);
    const memory = { attach: new WebAssembly.Memory({ initial: 4 }), allocate: () => 1024, free() {} };
    expect(
      await attack({ args: [memory], run: (given: never) => entry.createCoreSync({ memory: given }).dispose() }),
    ).toEqual([]);
  });
});

describe.each(["wasm", "js"] as const)("methods and functions of a core on %s", (backend) => {
  const make = () => entry.createCoreSync({ backend, memory: { initialBytes: 65536, maximumBytes: 2 ** 26 } });
  const model = make();
  const names = Object.keys(calls(model));
  model.dispose();
  it.each(names)("%s", async (name) => {
    const core = make();
    const call = calls(core)[name]!;
    expect(await attack(call, core)).toEqual([]);
    core.dispose();
  });
});
