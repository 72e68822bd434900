import { describe, expect, it } from "vitest";
import { createCore } from "../../../src/entry/inline.js";
import { type Core, OptionError, RMSProp, SGD, ShapeError, type Tensor } from "../../../src/index.js";
import {
  activation,
  add,
  batchNorm,
  binaryCrossEntropy,
  concat,
  conv1d,
  conv2d,
  conv2dTranspose,
  dense,
  depthwiseConv2d,
  elu,
  embedding,
  flatten,
  gelu,
  groupNorm,
  hardSigmoid,
  hinge,
  input,
  type Layer,
  type Loss,
  layerNorm,
  leakyRelu,
  loadModel,
  Model,
  meanSquaredError,
  mish,
  multiHeadAttention,
  packModel,
  positionalEmbedding,
  prelu,
  reshape,
  rmsNorm,
  Sequential,
  saveModel,
  selu,
  separableConv2d,
  silu,
  softmax,
  softmaxCrossEntropy,
  softplus,
  Trainer,
  timeDistributed,
} from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomSource, randomValues } from "../../helpers/random.js";

const WORDS = 11;
const PLACES = 6;

/** Two blocks of a transformer over sequences of ids, with every kind of normalization. */
function transformer(core: Core): Model {
  const ids = input([PLACES]);
  let h = positionalEmbedding(PLACES + 2).apply(embedding(WORDS, 8).apply(ids));
  for (const [norm, activation] of [
    [layerNorm(), gelu()],
    [rmsNorm(), silu()],
  ] as const) {
    const seen = multiHeadAttention(2, { causal: true }).apply(norm.apply(h));
    h = add().apply([h, seen]);
    const wide = dense(12, { activation }).apply(groupNorm(2).apply(h));
    h = add().apply([h, dense(8).apply(prelu({ start: 0.25 }).apply(wide))]);
  }
  return new Model(core, { inputs: ids, outputs: dense(WORDS).apply(batchNorm().apply(h)), seed: 5 });
}

function sequences(rows: number, seed: number): { x: Float32Array; y: Float32Array } {
  const next = randomSource(seed);
  const x = Float32Array.from({ length: rows * PLACES }, () => Math.floor(next() * WORDS));
  return { x, y: x.map((_, i) => (i % PLACES === 0 ? x[i]! : x[i - 1]!)) };
}

function train(core: Core, steps: number): { losses: number[]; parameters: Record<string, number[]> } {
  using model = transformer(core);
  const loss = softmaxCrossEntropy({ labelSmoothing: 0.05 });
  using trainer = new Trainer(model, { loss, optimizer: (parameters) => new RMSProp(core, parameters) });
  const losses = Array.from({ length: steps }, (_, step) => {
    const { x, y } = sequences(7, step);
    return trainer.step(x, y, { sampleWeights: [1, 2, 0.5, 1, 0, 1, 3] });
  });
  const named = [...Object.entries(model.parameters), ...Object.entries(model.buffers)];
  return { losses, parameters: Object.fromEntries(named.map(([name, tensor]) => [name, tensor.toArray()])) };
}

describe("a transformer", () => {
  it("has the same bits on every backend, and with threads", async () => {
    const one = train(makeCore("wasm"), 5);
    const js = train(makeCore("js"), 5);
    const core = await createCore({ threads: 2 });
    const threads = train(core, 5);
    core.dispose();
    for (const other of [js, threads]) {
      expectSameBits(other.losses, one.losses, "losses");
      for (const [name, values] of Object.entries(one.parameters)) {
        expectSameBits(other.parameters[name]!, values, name);
      }
    }
    expect(Object.keys(one.parameters)).toContain("3.query.weight");
  });

  it("learns to repeat the word before", () => {
    const core = makeCore("wasm");
    using model = transformer(core);
    using trainer = new Trainer(model, {
      loss: softmaxCrossEntropy(),
      optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 5e-3 }),
    });
    for (let step = 0; step < 300; step++) {
      const { x, y } = sequences(32, step);
      trainer.step(x, y);
    }
    const { x, y } = sequences(100, 1000);
    expect(trainer.evaluate(x, y).accuracy).toBeGreaterThan(0.98);
  });

  it("has the gradients that differences of its loss say", () => {
    const core = makeCore("js");
    using model = transformer(core);
    using trainer = new Trainer(model, {
      loss: softmaxCrossEntropy({ labelSmoothing: 0.1 }),
      optimizer: (parameters) => new SGD(core, parameters),
    });
    const { x, y } = sequences(5, 3);
    const next = randomSource(9);
    // Parameters near their start are so small that nothing is curved; this makes all of them matter.
    for (const tensor of Object.values(model.parameters)) tensor.set(tensor.data.map((value) => value + next() - 0.5));
    const lossAt = () => trainer.backward(x, y);
    lossAt();
    for (const [name, tensor] of Object.entries(model.parameters)) {
      const gradient = trainer.gradients[name]!.data.slice();
      // Along the sign of the gradient the slope is its 1-norm: no part of it can hide.
      const direction = gradient.map((value) => Math.sign(value));
      const start = tensor.data.slice();
      const h = 2 ** -9 / Math.sqrt(tensor.size);
      tensor.set(start.map((value, i) => value + h * direction[i]!));
      const up = lossAt();
      tensor.set(start.map((value, i) => value - h * direction[i]!));
      const down = lossAt();
      tensor.set(start);
      const slope = gradient.reduce((sum, value) => sum + Math.abs(value), 0);
      const measured = (up - down) / (2 * h);
      // The loss has 24 bits, and the second difference grows with h².
      const bound = 0.02 * slope + 2 ** -21 / h;
      expect(Math.abs(measured - slope), `${name}: ${measured}, ${slope}`).toBeLessThanOrEqual(bound);
    }
  });
});

describe.each(backends)("layers on %s", (backend) => {
  it("batchNorm moves its statistics in training alone, and normalizes with them elsewhere", () => {
    const core = makeCore(backend);
    using model = new Sequential(core, [batchNorm({ momentum: 0.5, eps: 0 })], { inputShape: [2] });
    const x = Float32Array.of(1, 10, 3, 30);
    const { movingMean, movingVariance } = {
      movingMean: model.buffers["0.movingMean"]!,
      movingVariance: model.buffers["0.movingVariance"]!,
    };
    expectSameBits(model.predict(x).data, x, "with mean 0 and variance 1");
    expectSameBits(model.forward(x, { training: true }).data, [-1, -1, 1, 1], "training");
    expectSameBits(movingMean.data, [1, 10], "moving mean");
    expectSameBits(movingVariance.data, [1, 50.5], "moving variance");
    model.forward(x);
    model.predict(x);
    expectSameBits(movingMean.data, [1, 10], "moving mean afterwards");
    expect(model.predict(x).data[3]).toBeCloseTo(20 / Math.sqrt(50.5), 5);
    // Fixed statistics: y is a straight line in x.
    model.forward(x);
    const dx = model.backward(Float32Array.of(1, 1, 0, 0));
    expect(dx.data[1]).toBeCloseTo(1 / Math.sqrt(50.5), 6);
    expectSameBits(dx.data.slice(2), [0, 0], "no other row");
    expect(model.gradients["0.beta"]!.toArray()).toEqual([1, 1]);
  });

  it("embedding refuses what is no id, and changes nothing", () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [embedding(5, 3), flatten(), dense(2)], { inputShape: [2] });
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: (p) => new SGD(core, p) });
    trainer.step([0, 1, 2, 4], [0, 0, 0, 0]);
    for (const bad of [5, -1, 1.5, Number.NaN]) {
      const x = Float32Array.of(0, 4, bad, 1);
      expectUnchanged(
        core,
        () => trainer.step(x, new Float32Array(4)),
        OptionError,
        /^x\[2\] is .*, expected an id from 0 to 4$/,
      );
      expectUnchanged(core, () => model.predict(x), OptionError, /^x\[2\]/);
    }
    const a = input([2]);
    const b = input([1]);
    const two = new Model(core, {
      inputs: [a, b],
      outputs: concat().apply([a, flatten().apply(embedding(3, 1).apply(b))]),
    });
    two.predict([[9, 9], [2]]);
    expect(() => two.predict([[9, 9], [3]])).toThrow(/^x\[1\]\[0\] is 3, expected an id from 0 to 2$/);
  });

  it("losses refuse targets that make no sense", () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(3, 2)]);
    const x = new Float32Array(6).fill(1);
    const trainerOf = (loss: Loss) => new Trainer(model, { loss, optimizer: (p) => new SGD(core, p) });
    for (const [loss, text] of [
      [binaryCrossEntropy(), /^y\[1\] is 2, expected a probability from 0 to 1$/],
      [softmaxCrossEntropy(), /^y\[1\] is 2, expected a probability/],
      [hinge(), /^y\[1\] is 2, expected −1 or 1/],
    ] as const) {
      const trainer = trainerOf(loss);
      trainer.step(x, [0, 1, 1, 0]);
      expectUnchanged(core, () => trainer.step(x, [0, 2, 1, 0]), OptionError, text);
    }
    const single = new Sequential(core, [dense(3, 1)]);
    const useless = new Trainer(single, { loss: softmaxCrossEntropy(), optimizer: (p) => new SGD(core, p) });
    expect(() => useless.step(x, [0, 1])).toThrow(
      /softmaxCrossEntropy over one output is always 0; use binaryCrossEntropy/,
    );
    const short = trainerOf(softmaxCrossEntropy({ classWeights: [1, 2, 3] }));
    expect(() => short.step(x, [0, 1])).toThrow(/^classWeights has 3 elements, expected 2: one for each class$/);
  });

  describe.each([
    ["softmax", softmaxCrossEntropy, [[0], [1], [2], [1], [0]]],
    [
      "sigmoid",
      binaryCrossEntropy,
      [
        [0, 1, 1],
        [1, 0, 0],
        [0, 0, 1],
        [1, 1, 0],
        [0, 1, 0],
      ],
    ],
  ] as const)("%s at the end of a model", (name, loss, rows) => {
    const options = (core: Core) => ({ loss: loss(), optimizer: (p: Record<string, Tensor>) => new SGD(core, p) });
    const x = randomValues(5 * 4, 1);
    const y = rows.flat();
    const ends = {
      "by name": () => [dense(3, { activation: name })],
      "as an option": () => [dense(3, { activation: activation(name) })],
      "as a layer": () => [dense(3), activation(name)],
    };
    /** The same for the steps of a sequence. */
    const sequenceEnds = {
      "of every step, by name": () => [timeDistributed(dense(3, { activation: name }))],
      "of every step of every step": () => [timeDistributed(timeDistributed(dense(3, { activation: name })))],
      "of every step, as a layer": () => [timeDistributed(dense(3)), timeDistributed(activation(name))],
    };

    it("is computed by its loss: training has the bits that it has without", () => {
      const core = makeCore(backend);
      const train = (layers: Layer[]) => {
        using model = new Sequential(core, layers, { inputShape: [4], seed: 2 });
        using trainer = new Trainer(model, options(core));
        const losses = [trainer.step(x, y), trainer.step(x, y), trainer.evaluate(x, y).loss];
        return [...losses, trainer.evaluate(x, y).accuracy, ...model.parameters["0.weight"]!.data];
      };
      const expected = train([dense(3)]);
      for (const [how, layers] of Object.entries(ends)) expectSameBits(train(layers()), expected, how);

      const steps = (layers: Layer[]) => {
        using model = new Sequential(core, layers, { inputShape: [5, 1, 4], seed: 2 });
        using trainer = new Trainer(model, options(core));
        const targets = name === "softmax" ? Float32Array.from(y) : y;
        const losses = [trainer.step(x, targets), trainer.step(x, targets), trainer.evaluate(x, targets).loss];
        return [...losses, ...model.parameters["0.weight"]!.data, ...model.predictProbabilities(x)];
      };
      const sequence = steps(sequenceEnds["of every step, by name"]());
      expectSameBits(sequence.slice(0, 3), expected.slice(0, 3), "losses of steps");
      for (const [how, layers] of Object.entries(sequenceEnds)) expectSameBits(steps(layers()), sequence, how);
      expect(sequence.slice(-15).every((p) => p > 0 && p < 1)).toBe(true);
    });

    it("makes predictions probabilities, also before training, packed, and from a file that needs only dense", () => {
      const core = makeCore(backend);
      using plain = new Sequential(core, [dense(3)], { inputShape: [4], seed: 2 });
      const logits = Array.from(plain.predict(x).data);
      const exact = logits.map((z, i) => {
        const row = logits.slice(i - (i % 3), i - (i % 3) + 3);
        return name === "sigmoid" ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / row.reduce((s, v) => s + Math.exp(v), 0);
      });
      for (const [how, layers] of Object.entries(ends)) {
        using model = new Sequential(core, layers(), { inputShape: [4], seed: 2 });
        const before = model.predict(x).data.slice();
        for (const [i, p] of before.entries()) expect(Math.abs(p - exact[i]!), how).toBeLessThan(1e-6);
        expectSameBits(model.predictProbabilities(x), before, `${how}, predictProbabilities`);
        using packed = packModel(model);
        expectSameBits(packed.predict(x).data, before, `${how}, packed`);
        const known = how === "as a layer" ? { dense, activation } : { dense };
        using again = loadModel(core, saveModel(model), { layers: known }).model;
        expectSameBits(again.predict(x).data, before, `${how}, loaded`);
        expect(model.summary()).toContain("0 (dense)");
      }
    });
  });

  it("a softmax that other layers read is computed for them, and by the loss itself", () => {
    const core = makeCore(backend);
    const [x, y] = [randomValues(5 * 4, 1), [Float32Array.of(0, 1, 2, 1, 0), randomValues(5, 2)]];
    const train = (joined: boolean) => {
      const from = input([4]);
      const [logits, p] = joined
        ? [undefined, dense(3, { activation: "softmax", name: "a" }).apply(from)]
        : [dense(3, { name: "a" }).apply(from), undefined];
      const probabilities = p ?? softmax().apply(logits!);
      const outputs = [logits ?? p!, dense(1, { name: "b" }).apply(probabilities)];
      using model = new Model(core, { inputs: from, outputs, seed: 3 });
      const loss = [softmaxCrossEntropy(), meanSquaredError()];
      using trainer = new Trainer(model, { loss, optimizer: (parameters) => new SGD(core, parameters) });
      return [trainer.step(x, y), trainer.step(x, y), ...model.parameters["a.weight"]!.data];
    };
    expectSameBits(train(true), train(false), "losses and weights");
  });

  it.each([
    ["softmax", binaryCrossEntropy, /^the model ends in softmax, expected sigmoid or none for binaryCrossEntropy$/],
    ["sigmoid", softmaxCrossEntropy, /^the model ends in sigmoid, expected softmax or none for softmaxCrossEntropy$/],
  ] as const)("probabilities of %s are not taken for logits", (name, loss, message) => {
    const core = makeCore(backend);
    for (const layers of [[dense(2, { activation: name })], [dense(2), activation(name)]]) {
      using model = new Sequential(core, layers, { inputShape: [4] });
      using trainer = new Trainer(model, { loss: loss(), optimizer: (p) => new SGD(core, p) });
      expectUnchanged(core, () => trainer.step([1, 2, 3, 4], [[1, 0]]), OptionError, message);
    }
  });

  it("softmax by name learns under other losses, with the gradient that float64 has", () => {
    const core = makeCore(backend);
    using model = new Sequential(core, [dense(3, { activation: "softmax" })], { inputShape: [4], seed: 2 });
    using trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: (p) => new SGD(core, p) });
    const [x, y] = [randomValues(5 * 4, 1), randomValues(5 * 3, 2)];
    trainer.backward(x, y);
    const weight = model.parameters["0.weight"]!.data;
    const lossOf = (w: readonly number[]) => {
      let sum = 0;
      for (let row = 0; row < 5; row++) {
        const z = [0, 1, 2].map((j) => [0, 1, 2, 3].reduce((s, i) => s + x[row * 4 + i]! * w[i * 3 + j]!, 0));
        const total = z.reduce((s, v) => s + Math.exp(v), 0);
        for (const [j, v] of z.entries()) sum += (Math.exp(v) / total - y[row * 3 + j]!) ** 2 / 15;
      }
      return sum;
    };
    for (const [i, gradient] of trainer.gradients["0.weight"]!.data.entries()) {
      const at = (by: number) => lossOf(Array.from(weight, (w, k) => w + (k === i ? by : 0)));
      expect(Math.abs(gradient - (at(1e-4) - at(-1e-4)) / 2e-4)).toBeLessThan(1e-6);
    }
  });

  it("weights of rows are weights of all answers in a row", () => {
    const core = makeCore(backend);
    const layers = [dense(6), reshape([2, 3])];
    const x = randomValues(4 * 5, 1);
    const y = Float32Array.of(0, 1, 2, 0, 1, 1, 2, 2);
    const sampleWeights = [1, 0, 2, 0.5];
    for (const classWeights of [undefined, [0.5, 1, 4]]) {
      using model = new Sequential(core, layers, { inputShape: [5], seed: 1 });
      const options = classWeights === undefined ? {} : { classWeights };
      using trainer = new Trainer(model, { loss: softmaxCrossEntropy(options), optimizer: (p) => new SGD(core, p) });
      const loss = trainer.backward(x, y, { sampleWeights });
      let expected = 0;
      for (let row = 0; row < 4; row++) {
        for (let answer = 0; answer < 2; answer++) {
          const target = y[2 * row + answer]!;
          const logits = model.predict(x.slice(row * 5, row * 5 + 5)).data.slice(3 * answer, 3 * answer + 3);
          const own = Math.log(logits.reduce((s, z) => s + Math.exp(z), 0)) - logits[target]!;
          expected += (own * sampleWeights[row]! * (classWeights?.[target] ?? 1)) / 8;
        }
      }
      expect(loss).toBeCloseTo(expected, 5);
    }
  });
});

describe("layers", () => {
  const errorOf =
    (layer: Layer, ...shapes: number[][]) =>
    () => {
      layer.apply(shapes.length === 1 ? input(shapes[0]!) : shapes.map((shape) => input(shape)));
    };

  it("refuse shapes that they cannot take", () => {
    expect(errorOf(groupNorm(3), [4, 8])).toThrow(ShapeError);
    expect(errorOf(groupNorm(3), [4, 8])).toThrow(
      "groupNorm was applied to shape [4,8], expected a last axis that is a multiple of 3",
    );
    expect(errorOf(positionalEmbedding(4), [5, 8])).toThrow(/expected \[places, width\] with at most 4 places/);
    expect(errorOf(positionalEmbedding(4), [8])).toThrow(ShapeError);
    const attention = multiHeadAttention(2);
    expect(errorOf(attention, [8])).toThrow(ShapeError);
    expect(errorOf(attention, [5, 7])).toThrow(/expected a width that is a multiple of 2, or keySize/);
    expect(errorOf(attention, [5, 8], [6, 8], [7, 8])).toThrow(/expected as many places/);
    expect(errorOf(attention, [5, 8], [6])).toThrow(/a mask of shape \[6\], expected as many places/);
    expect(errorOf(attention, [5, 8], [6, 8], [6, 8], [6, 8])).toThrow(ShapeError);
    errorOf(attention, [5, 8], [6, 4], [6, 3], [6])();
    expect(batchNorm().outputShape([3, 4])).toEqual([3, 4]);
    for (const layer of [batchNorm(), layerNorm(), softmax(), prelu()]) {
      expect(() => layer.outputShape([])).toThrow(/was applied to shape \[\], expected at least one axis/);
    }
  });

  it("refuse options that there are not", () => {
    for (const [make, text] of [
      [() => batchNorm({ momentum: 2 }), /^momentum is 2/],
      [() => batchNorm({ eps: -1 }), /^eps is -1/],
      [() => layerNorm({ epsilon: 1 } as object), /epsilon/],
      [() => rmsNorm({ center: true } as object), /center/],
      [() => groupNorm(0), /^groups is 0/],
      [() => embedding(0, 3), /^count is 0/],
      [() => embedding(2 ** 25, 3), /^count is 33554432/],
      [() => multiHeadAttention(2, { keySize: 0 }), /^keySize is 0/],
      [() => multiHeadAttention(1.5), /^heads is 1.5/],
      [() => gelu({ approximate: 1 as unknown as boolean }), /^approximate is 1/],
      [() => elu({ alpha: Number.NaN }), /^alpha is NaN/],
      [() => leakyRelu({ alpha: 1 } as object), /alpha/],
      [() => hardSigmoid({ slope: 0 }), /^slope is 0, expected a number above 0/],
      [() => softmaxCrossEntropy({ labelSmoothing: 2 }), /^labelSmoothing is 2/],
      [() => softmaxCrossEntropy({ classWeights: [1, -1] }), /^classWeights\[1\] is -1/],
      [() => binaryCrossEntropy({ positiveWeight: -1 }), /^positiveWeight is -1/],
      [() => silu({ name: "7" }), /^name is "7"/],
    ] as const) {
      expect(make).toThrow(OptionError);
      expect(make).toThrow(text);
    }
  });

  it("activations go by name, too", () => {
    for (const name of ["relu", "tanh", "sigmoid", "elu", "gelu", "leakyRelu", "softmax", "prelu", "mish"] as const) {
      const layer = activation(name);
      expect(layer.kind).toBe(name);
    }
    const core = makeCore("js");
    using model = new Sequential(core, [activation("selu", { name: "s" }), dense(1)], { inputShape: [2] });
    expect(model.predict([0, 0]).size).toBe(1);
    expect(() => activation("constructor" as never)).toThrow(
      /^name is "constructor", expected one of "relu", .*"softsign"$/,
    );
  });

  it("take the four activations that every network has by name, and say what to pass for others", () => {
    const layersWith = (activation: never) => [
      () => dense(2, { activation }),
      () => conv1d(2, { activation }),
      () => conv2d(2, { activation }),
      () => conv2dTranspose(2, { activation }),
      () => depthwiseConv2d({ activation }),
      () => separableConv2d(2, { activation }),
    ];
    for (const name of ["relu", "tanh", "sigmoid", "softmax"])
      for (const make of layersWith(name as never)) expect(make().activation?.kind).toBe(name);
    for (const name of ["elu", "gelu", "logSoftmax", "swich"]) {
      const names = '"relu", "tanh", "sigmoid", "softmax"';
      const message = `activation is "${name}", expected one of ${names}, or a layer: gelu() instead of "gelu"`;
      for (const make of layersWith(name as never)) expect(make).toThrow(new OptionError(message));
    }
    for (const name of ["elu", "gelu", "logSoftmax"])
      for (const make of layersWith(activation(name as "gelu") as never)) expect(make().activation?.kind).toBe(name);
  });

  it("say how they were made", () => {
    expect(batchNorm().config()).toEqual([{ momentum: 0.99, eps: 1e-3, unbiased: false, scale: true, center: true }]);
    expect(rmsNorm().config()).toEqual([{ eps: 1e-6, scale: true }]);
    expect(groupNorm(4).config()).toEqual([4, { eps: 1e-3, scale: true, center: true }]);
    expect(layerNorm({ center: false }).config()).toEqual([{ eps: 1e-3, scale: true, center: false }]);
    expect(multiHeadAttention(2, { keySize: 3 }).config()).toEqual([2, { keySize: 3, causal: false, bias: true }]);
    expect(elu().config()).toEqual([{ alpha: 1 }]);
    expect(dense(2, { activation: "tanh", name: "d" }).config()).toEqual([
      2,
      { bias: true, activation: "tanh", name: "d" },
    ]);
    expect([gelu(), selu(), softplus(), mish()].map(({ kind }) => kind)).toEqual(["gelu", "selu", "softplus", "mish"]);
    const model = new Sequential(makeCore("js"), [batchNorm({ scale: false, name: "n" }), dense(2)], {
      inputShape: [3],
    });
    expect(Object.keys(model.parameters)).toEqual(["n.beta", "1.weight", "1.bias"]);
  });
});
