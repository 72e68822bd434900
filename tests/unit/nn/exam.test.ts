// The entry exam: what every exported layer and every exported loss has to pass. A new one must have a line here.

import { describe, expect, it } from "vitest";
import { type Core, DisposedError, RMSProp, type Shape, type Tensor } from "../../../src/index.js";
import * as nn from "../../../src/nn/index.js";
import { type Layer, type Loss, Model, Sequential, Trainer } from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { makeCore } from "../../helpers/cores.js";
import { randomSource, randomValues } from "../../helpers/random.js";

/** A layer to examine: how it is made, shapes of its inputs, and options that it must refuse. */
interface Candidate {
  make: () => Layer;
  inputs: Shape[];
  /** Values of the first input, where they are not any numbers. */
  values?: (index: number) => number;
  /** Not differentiable everywhere near random points, or not a function of x alone. */
  kinks?: boolean;
  refuses: (() => unknown)[];
}

const image = [[5, 6, 4]] satisfies Shape[];
const line = [[7, 4]] satisfies Shape[];
const rows = [[6]] satisfies Shape[];
const bad = (make: (options: never) => unknown) => [
  () => make({ nmae: "x" } as never),
  () => make({ name: "7" } as never),
];

const layers: Record<string, Candidate> = {
  activation: { make: () => nn.activation("tanh"), inputs: rows, refuses: [() => nn.activation("tan" as never)] },
  add: { make: () => nn.add(), inputs: [[6], [6]], refuses: [() => nn.add().apply(nn.input([3]))] },
  averagePool1d: { make: () => nn.averagePool1d(2), inputs: line, refuses: [() => nn.averagePool1d(0)] },
  averagePool2d: {
    make: () => nn.averagePool2d(2, { padding: "same" }),
    inputs: image,
    refuses: [() => nn.averagePool2d(0)],
  },
  batchNorm: {
    make: () => nn.batchNorm(),
    inputs: image,
    refuses: [() => nn.batchNorm({ eps: -1 }), ...bad(nn.batchNorm)],
  },
  bidirectional: {
    make: () => nn.bidirectional(nn.gru(3)),
    inputs: line,
    refuses: [() => nn.bidirectional(5 as never)],
  },
  concat: { make: () => nn.concat(), inputs: [[3], [2]], refuses: [() => nn.concat(-2)] },
  conv1d: { make: () => nn.conv1d(3, { kernelSize: 3 }), inputs: line, refuses: [() => nn.conv1d(0)] },
  conv2d: {
    make: () => nn.conv2d(3, { kernelSize: [3, 2], strides: 2, padding: "same" }),
    inputs: image,
    refuses: [() => nn.conv2d(0), () => nn.conv2d(3, { padding: "full" as never }), ...bad((o) => nn.conv2d(3, o))],
  },
  conv2dTranspose: {
    make: () => nn.conv2dTranspose(3, { strides: 2 }),
    inputs: image,
    refuses: [() => nn.conv2dTranspose(0)],
  },
  dense: {
    make: () => nn.dense(5),
    inputs: rows,
    refuses: [() => nn.dense(0), () => nn.dense(2, { bias: 1 as never }), ...bad((o) => nn.dense(3, o))],
  },
  depthwiseConv2d: {
    make: () => nn.depthwiseConv2d({ multiplier: 2 }),
    inputs: image,
    refuses: [() => nn.depthwiseConv2d({ multiplier: 0 })],
  },
  dropout: {
    make: () => nn.dropout(0.4),
    inputs: rows,
    kinks: true,
    refuses: [() => nn.dropout(1), () => nn.dropout("1" as never)],
  },
  elu: { make: () => nn.elu(), inputs: rows, refuses: bad(nn.elu) },
  embedding: {
    make: () => nn.embedding(9, 4),
    inputs: [[5]],
    values: (i) => (i * 7) % 9,
    refuses: [() => nn.embedding(0, 4)],
  },
  flatten: { make: () => nn.flatten(), inputs: image, refuses: [] },
  gelu: { make: () => nn.gelu(), inputs: rows, refuses: [() => nn.gelu({ approximate: 1 } as never)] },
  globalAveragePool1d: { make: () => nn.globalAveragePool1d(), inputs: line, refuses: [] },
  globalAveragePool2d: { make: () => nn.globalAveragePool2d(), inputs: image, refuses: [] },
  globalMaxPool1d: { make: () => nn.globalMaxPool1d(), inputs: line, kinks: true, refuses: [] },
  globalMaxPool2d: { make: () => nn.globalMaxPool2d(), inputs: image, kinks: true, refuses: [] },
  groupNorm: { make: () => nn.groupNorm(2), inputs: image, refuses: [() => nn.groupNorm(0)] },
  gru: {
    make: () => nn.gru(5, { returnSequences: true }),
    inputs: line,
    refuses: [() => nn.gru(0), ...bad((o) => nn.gru(3, o))],
  },
  hardSigmoid: { make: () => nn.hardSigmoid(), inputs: rows, kinks: true, refuses: [] },
  hardSwish: { make: () => nn.hardSwish(), inputs: rows, kinks: true, refuses: [] },
  layerNorm: { make: () => nn.layerNorm(), inputs: line, refuses: bad(nn.layerNorm) },
  leakyRelu: { make: () => nn.leakyRelu(), inputs: rows, kinks: true, refuses: [] },
  logSoftmax: { make: () => nn.logSoftmax(), inputs: rows, refuses: [] },
  lstm: { make: () => nn.lstm(5), inputs: line, refuses: [() => nn.lstm(0), ...bad((o) => nn.lstm(3, o))] },
  maxPool1d: { make: () => nn.maxPool1d(2), inputs: line, kinks: true, refuses: [() => nn.maxPool1d(0)] },
  maxPool2d: {
    make: () => nn.maxPool2d([2, 3], { strides: 1 }),
    inputs: image,
    kinks: true,
    refuses: [() => nn.maxPool2d(-1)],
  },
  relu6: { make: () => nn.relu6(), inputs: rows, kinks: true, refuses: [] },
  mish: { make: () => nn.mish(), inputs: rows, refuses: [] },
  multiHeadAttention: {
    make: () => nn.multiHeadAttention(2, { keySize: 3, causal: true }),
    inputs: line,
    refuses: [() => nn.multiHeadAttention(0)],
  },
  positionalEmbedding: {
    make: () => nn.positionalEmbedding(9),
    inputs: line,
    refuses: [() => nn.positionalEmbedding(0)],
  },
  prelu: { make: () => nn.prelu(), inputs: rows, kinks: true, refuses: [] },
  relu: { make: () => nn.relu(), inputs: rows, kinks: true, refuses: [] },
  reshape: { make: () => nn.reshape([2, 3]), inputs: rows, refuses: [() => nn.reshape([0])] },
  rmsNorm: { make: () => nn.rmsNorm(), inputs: line, refuses: [() => nn.rmsNorm({ eps: -1 })] },
  selu: { make: () => nn.selu(), inputs: rows, kinks: true, refuses: [] },
  separableConv2d: { make: () => nn.separableConv2d(3), inputs: image, refuses: [() => nn.separableConv2d(0)] },
  sigmoid: { make: () => nn.sigmoid(), inputs: rows, refuses: [] },
  silu: { make: () => nn.silu(), inputs: rows, refuses: [] },
  simpleRnn: { make: () => nn.simpleRnn(4), inputs: line, refuses: [() => nn.simpleRnn(0)] },
  softmax: { make: () => nn.softmax(), inputs: rows, refuses: [] },
  softplus: { make: () => nn.softplus(), inputs: rows, refuses: [] },
  softsign: { make: () => nn.softsign(), inputs: rows, refuses: [] },
  tanh: { make: () => nn.tanh(), inputs: rows, refuses: [] },
  timeDistributed: {
    make: () => nn.timeDistributed(nn.dense(3)),
    inputs: line,
    refuses: [() => nn.timeDistributed(5 as never)],
  },
  upsample2d: { make: () => nn.upsample2d(2), inputs: image, refuses: [() => nn.upsample2d(0)] },
};

/** A loss to examine, with targets that it takes. */
interface LossCandidate {
  make: () => Loss;
  target: (next: () => number) => number;
  refuses: (() => unknown)[];
}

const sign = (next: () => number) => (next() < 0.5 ? -1 : 1);
const any = (next: () => number) => next() * 2 - 1;
const losses: Record<string, LossCandidate> = {
  binaryCrossEntropy: {
    make: () => nn.binaryCrossEntropy(),
    target: (next) => +(next() < 0.5),
    refuses: [() => nn.binaryCrossEntropy({ labelSmoothing: 2 })],
  },
  hinge: { make: () => nn.hinge(), target: sign, refuses: [] },
  huber: { make: () => nn.huber(), target: any, refuses: [() => nn.huber(0), () => nn.huber(Number.NaN)] },
  klDivergence: { make: () => nn.klDivergence(), target: (next) => next() / 4, refuses: [] },
  meanAbsoluteError: { make: () => nn.meanAbsoluteError(), target: any, refuses: [] },
  meanSquaredError: { make: () => nn.meanSquaredError(), target: any, refuses: [] },
  softmaxCrossEntropy: {
    make: () => nn.softmaxCrossEntropy(),
    target: (next) => next() / 4,
    refuses: [() => nn.softmaxCrossEntropy({ classWeights: [-1, 1, 1, 1] })],
  },
};

/** Exports that are neither layers nor losses. */
const OTHERS =
  /^(Layer|Model|Random|Sequential|Trainer|input|multiply|uniform|normal|orthogonal|(glorot|he)(Normal|Uniform)|load.*|save.*|import.*|export.*|.*[sS]tandardizer|oneHot|splitRows|batches|layerConfig|shuffledSplit|findLearningRate|packModel|.*Metric)$/;

it("examines every layer and loss that is exported", () => {
  const functions = Object.entries(nn).filter(([name, value]) => typeof value === "function" && !OTHERS.test(name));
  const known = new Set([...Object.keys(layers), ...Object.keys(losses)]);
  expect(functions.map(([name]) => name).filter((name) => !known.has(name))).toEqual([]);
});

const BATCH = 3;

/** A model of one layer, behind a dense layer where the input is not made of ids, so that gradients go through it. */
function modelOf(core: Core, { make, inputs, values }: Candidate): Model {
  const symbols = inputs.map((shape) => nn.input(shape));
  const before = values
    ? symbols
    : symbols.map((x) => nn.dense(x.shape.at(-1)!, { name: `before${x.order}` }).apply(x));
  const y = make().apply(before.length === 1 ? before[0]! : before);
  return new Model(core, { inputs: symbols, outputs: y, seed: 3 });
}

function batchOf({ inputs, values }: Candidate): Float32Array | Float32Array[] {
  const all = inputs.map((shape, i) => {
    const count = BATCH * shape.reduce((a, b) => a * b, 1);
    return i === 0 && values ? Float32Array.from({ length: count }, (_, k) => values(k)) : randomValues(count, i + 1);
  });
  return all.length === 1 ? all[0]! : all;
}

const names = (tensors: Readonly<Record<string, Tensor>>) => Object.values(tensors);

describe.each(Object.entries(layers))("layer %s", (_, candidate) => {
  it("has the same bits on Wasm and JavaScript, forward, backward and in training", () => {
    const [wasm, js] = (["wasm", "js"] as const).map((backend) => {
      const core = makeCore(backend);
      const model = modelOf(core, candidate);
      const x = batchOf(candidate);
      const y = model.forward(x, { training: true, seed: 7 });
      const out = [y.data.slice()];
      const dx = model.backward(randomValues(y.size, 9));
      for (const tensor of [dx].flat() as Tensor[]) out.push(tensor.data.slice());
      out.push(model.gradients.block.data.slice());
      const optimizer = (parameters: Readonly<Record<string, Tensor>>) => new RMSProp(core, parameters);
      const trainer = new Trainer(model, { loss: nn.meanSquaredError(), optimizer, seed: 2 });
      const losses = [1, 2, 3].map(() => trainer.step(x as never, randomValues(BATCH * model.outputs, 4)));
      out.push(Float32Array.from(losses), ...names(model.parameters).map(({ data }) => data.slice()));
      out.push(...names(model.buffers).map(({ data }) => data.slice()), model.predict(x).data.slice());
      return out;
    });
    for (const [i, values] of wasm!.entries()) expectSameBits(values, js![i]!, `output ${i}`);
  });

  it.skipIf(candidate.kinks)("has the gradient of its output along a random direction", () => {
    const core = makeCore("wasm");
    const model = modelOf(core, candidate);
    const x = batchOf(candidate);
    const dy = randomValues(BATCH * model.outputs, 9);
    const objective = () => {
      const y = model.forward(x, { training: true, seed: 7 });
      return y.data.reduce((sum, value, i) => sum + value * dy[i]!, 0);
    };
    objective();
    model.backward(dy);
    const directions = Object.entries(model.parameters).map(([name, tensor], i) => {
      const direction = randomValues(tensor.size, 20 + i);
      return { tensor, direction, start: tensor.data.slice(), gradient: model.gradients[name]!.data.slice() };
    });
    const slope = directions.reduce((sum, { direction, gradient }) => {
      return sum + gradient.reduce((inner, g, i) => inner + g * direction[i]!, 0);
    }, 0);
    const h = 2 ** -8;
    const at = (by: number) => {
      for (const { tensor, direction, start } of directions)
        tensor.data.set(start.map((v, i) => v + by * direction[i]!));
      return objective();
    };
    const measured = (at(h) - at(-h)) / (2 * h);
    expect(Math.abs(slope - measured)).toBeLessThan(2e-2 * Math.max(1, Math.abs(measured)));
  });

  it("allocates nothing after its first batch, gives everything back, and refuses use after dispose", () => {
    const core = makeCore("wasm");
    const model = modelOf(core, candidate);
    const x = batchOf(candidate);
    const optimizer = (parameters: Readonly<Record<string, Tensor>>) => new RMSProp(core, parameters);
    const trainer = new Trainer(model, { loss: nn.meanSquaredError(), optimizer });
    const y = randomValues(BATCH * model.outputs, 4);
    trainer.step(x as never, y);
    const { bytesInUse } = core.memory;
    for (let i = 0; i < 3; i++) trainer.step(x as never, y);
    expect(core.memory.bytesInUse).toBe(bytesInUse);
    trainer.dispose();
    model.dispose();
    expect(() => model.predict(x)).toThrow(DisposedError);
    const scratch = core.scratch(0);
    core.release(scratch);
    expect(core.memory.bytesInUse).toBe(0);
  });

  it("refuses what it cannot be, and shapes that it cannot take", () => {
    for (const make of candidate.refuses) expect(make).toThrow(/is|expected|applied/);
    for (const make of candidate.refuses)
      expect(make).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }));
  });
});

describe.each(Object.entries(losses))("loss %s", (_, { make, target, refuses }) => {
  const next = randomSource(5);
  const targets = Float32Array.from({ length: BATCH * 4 }, () => target(next));
  const x = randomValues(BATCH * 6, 1);

  it("has the same bits on Wasm and JavaScript, weighted or not", () => {
    const [wasm, js] = (["wasm", "js"] as const).map((backend) => {
      const core = makeCore(backend);
      const layers = [nn.dense(4), ...(make().name === "klDivergence" ? [nn.softmax()] : [])];
      const model = new Sequential(core, layers, { inputShape: [6], seed: 1 });
      const optimizer = (parameters: Readonly<Record<string, Tensor>>) => new RMSProp(core, parameters);
      const trainer = new Trainer(model, { loss: make(), optimizer });
      const losses = [trainer.step(x, targets), trainer.step(x, targets, { sampleWeights: [1, 0.5, 2] })];
      return [
        Float32Array.from([...losses, trainer.evaluate(x, targets).loss]),
        model.parameters["0.weight"]!.data.slice(),
      ];
    });
    for (const [i, values] of wasm!.entries()) expectSameBits(values, js![i]!, `output ${i}`);
  });

  it("falls along its negative gradient", () => {
    const core = makeCore("wasm");
    const layers = [nn.dense(4), ...(make().name === "klDivergence" ? [nn.softmax()] : [])];
    const model = new Sequential(core, layers, { inputShape: [6], seed: 1 });
    const trainer = new Trainer(model, { loss: make(), optimizer: () => ({ step() {}, dispose() {} }) });
    const before = trainer.backward(x, targets);
    const rate = 2 ** -7;
    let expected = 0;
    for (const [name, { data }] of Object.entries(model.parameters)) {
      trainer.gradients[name]!.data.forEach((g, i) => {
        data[i] = data[i]! - rate * g;
        expected += rate * g * g;
      });
    }
    const fallen = before - trainer.evaluate(x, targets).loss;
    expect(fallen).toBeGreaterThan(0.8 * expected);
    expect(fallen).toBeLessThan(1.05 * expected + 1e-6);
  });

  it("refuses options that make no sense", () => {
    for (const refused of refuses) expect(refused).toThrow(/expected/);
  });
});
