import { describe, expect, it } from "vitest";
import type { Core, Tensor } from "../../../src/index.js";
import { CheckpointError, DisposedError, OptionError, OutOfMemoryError, SGD, ShapeError } from "../../../src/index.js";
import {
  binaryCrossEntropy,
  dense,
  dropout,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  huber,
  type Layer,
  type Loss,
  meanSquaredError,
  normal,
  relu,
  Sequential,
  sigmoid,
  softmaxCrossEntropy,
  Trainer,
  type TrainerOptions,
  tanh,
  uniform,
} from "../../../src/nn/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { forward64, losses64 } from "../../helpers/float64-network.js";
import { randomSource, randomValues } from "../../helpers/random.js";

/** An optimizer that only keeps the gradients it was given. */
function recorder() {
  const gradients: Record<string, Float32Array> = {};
  const optimizer = () => ({
    step(given: Readonly<Record<string, Tensor>>) {
      for (const [name, tensor] of Object.entries(given)) gradients[name] = tensor.data.slice();
    },
    dispose() {},
  });
  return { gradients, optimizer };
}

/** Plain gradient descent, enough to see learning. */
function descent(learningRate: number) {
  return (parameters: Readonly<Record<string, Tensor>>) => ({
    step(gradients: Readonly<Record<string, Tensor>>) {
      for (const [name, { data }] of Object.entries(parameters)) {
        gradients[name]!.data.forEach((g, i) => {
          data[i] = data[i]! - learningRate * g;
        });
      }
    },
    dispose() {},
  });
}

function rowsOf(values: ArrayLike<number>, width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, i) =>
    Array.from({ length: width }, (_, j) => values[i * width + j]!),
  );
}

function copyOfParameters({ parameters }: Sequential): Record<string, Float64Array> {
  return Object.fromEntries(Object.entries(parameters).map(([name, { data }]) => [name, Float64Array.from(data)]));
}

const networks: [string, Layer[], () => Loss, "values" | "classes" | "binary"][] = [
  ["tanh, mean squared error", [dense(5, 7), tanh(), dense(7, 3)], meanSquaredError, "values"],
  ["relu, softmax", [dense(6, 9), relu(), dense(9, 4), relu(), dense(4, 5)], softmaxCrossEntropy, "classes"],
  ["sigmoid at the end, binary", [dense(4, 6), sigmoid(), dense(6, 2), sigmoid()], binaryCrossEntropy, "binary"],
  [
    "sigmoid at the end, squared",
    [dense(4, 6, { bias: false }), tanh(), dense(6, 2), sigmoid()],
    meanSquaredError,
    "values",
  ],
  [
    "activations without a dense layer before them, Huber",
    [tanh(), dense(3, 4), relu(), tanh(), dense(4, 2)],
    huber,
    "values",
  ],
  ["a sigmoid of a tanh, binary", [dense(3, 2), tanh(), sigmoid()], binaryCrossEntropy, "binary"],
  ["one layer", [dense(3, 1)], meanSquaredError, "values"],
];

describe.each(backends)("a network on %s", (backend) => {
  it.each(networks)("has the gradients of float64: %s", (_, layers, makeLoss, kind) => {
    const core = makeCore(backend);
    const model = new Sequential(core, layers, { seed: 3 });
    const rows = 8;
    const x = randomValues(rows * model.inputs, 1);
    const next = randomSource(2);
    const y = Float32Array.from({ length: rows * model.outputs }, () =>
      kind === "binary" ? +(next() < 0.5) : next() * 2 - 1,
    );
    if (kind === "classes") {
      y.fill(0);
      for (let i = 0; i < rows; i++) y[i * model.outputs + Math.floor(next() * model.outputs)] = 1;
    }
    const { gradients, optimizer } = recorder();
    const loss = makeLoss();
    const value = new Trainer(model, { loss, optimizer }).step(x, y);

    const parameters = copyOfParameters(model);
    const value64 = () =>
      losses64[loss.name]!(
        rowsOf(x, model.inputs).map((row) => forward64(layers, parameters, row)),
        rowsOf(y, model.outputs),
      );
    expect(Math.abs(value - value64())).toBeLessThan(2e-6 * Math.max(1, Math.abs(value)));
    for (const [name, values] of Object.entries(parameters)) {
      for (let i = 0; i < values.length; i++) {
        const h = 1e-6;
        const kept = values[i]!;
        values[i] = kept + h;
        const up = value64();
        values[i] = kept - h;
        const down = value64();
        values[i] = kept;
        expect(Math.abs(gradients[name]![i]! - (up - down) / (2 * h)), `${name}[${i}]`).toBeLessThan(2e-6);
      }
    }
  });

  it("takes binary targets with or without a sigmoid at the end", () => {
    const core = makeCore(backend);
    const layers = [dense(3, 5), tanh(), dense(5, 2)];
    const y = [1, 0, 0, 1, 1, 1];
    const x = randomValues(9, 5);
    const results = [layers, [...layers, sigmoid()]].map((all) => {
      const { gradients, optimizer } = recorder();
      const trainer = new Trainer(new Sequential(core, all, { seed: 1 }), { loss: binaryCrossEntropy(), optimizer });
      return { loss: trainer.step(x, y), gradients, evaluation: trainer.evaluate(x, y) };
    });
    expect(results[0]).toEqual(results[1]);
  });

  it("takes class indices as well as probabilities", () => {
    const core = makeCore(backend);
    const x = randomValues(12, 7);
    const results = [Uint8Array.of(2, 0, 1), [0, 0, 1, 1, 0, 0, 0, 1, 0]].map((y) => {
      const { gradients, optimizer } = recorder();
      const model = new Sequential(core, [dense(4, 3)], { seed: 1 });
      const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
      return { loss: trainer.step(x, y), gradients, evaluation: trainer.evaluate(x, y) };
    });
    expect(results[0]).toEqual(results[1]);
  });

  it("predicts what float64 predicts, a row at a time or a thousand", () => {
    const core = makeCore(backend);
    const layers = [dense(6, 10), relu(), dropout(0.5), dense(10, 3), sigmoid()];
    const model = new Sequential(core, layers, { seed: 9 });
    const x = randomValues(1000 * 6, 11);
    const y = model.predict(x);
    expect(y.shape).toEqual([1000, 3]);
    const parameters = copyOfParameters(model);
    rowsOf(x, 6).forEach((row, i) => {
      const expected = forward64(layers, parameters, row);
      for (let j = 0; j < 3; j++) expect(Math.abs(y.data[i * 3 + j]! - expected[j]!)).toBeLessThan(1e-6);
    });
    for (const i of [0, 255, 256, 999]) {
      const alone = model.predict(core.tensor([1, 6], x.subarray(i * 6, i * 6 + 6)));
      expectSameBits(alone.data, y.data.slice(i * 3, i * 3 + 3), `row ${i}`);
    }
    expect(model.predict(new Float32Array(0)).shape).toEqual([0, 3]);
  });

  it("evaluates loss and accuracy over everything", () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(2, 2, { bias: false, initializer: uniform(0, 0) })]);
    model.parameters["0.weight"]!.set([1, 0, 0, 1]);
    const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: recorder().optimizer });
    const rows = 600;
    const x = Float32Array.from({ length: rows * 2 }, (_, i) => +(i % 2 === (i >> 1) % 2));
    const y = Uint8Array.from({ length: rows }, (_, i) => (i < 450 ? i % 2 : 1 - (i % 2)));
    const { loss, accuracy } = trainer.evaluate(x, y);
    expect(accuracy).toBe(0.75);
    expect(loss).toBeCloseTo(Math.log(1 + Math.E) - 0.75, 6);
    const regression = new Trainer(model, { loss: meanSquaredError(), optimizer: recorder().optimizer });
    expect(regression.evaluate(x, x)).toEqual({ loss: 0, accuracy: Number.NaN });
    const binary = new Trainer(model, { loss: binaryCrossEntropy(), optimizer: recorder().optimizer });
    expect(binary.evaluate([2, -1, 1, 1], [1, 0, 0, 1]).accuracy).toBe(0.75);
  });

  it("drops the same units for the same seed, scales the others, and not when it predicts", () => {
    const core = makeCore(backend);
    const rows = 200;
    const gradientsOf = (seed: number) => {
      const { gradients, optimizer } = recorder();
      const model = new Sequential(core, [dense(1, 50, { initializer: uniform(1, 1) }), dropout(0.25), dense(50, 1)], {
        seed: 1,
      });
      const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer, seed });
      const losses = [
        trainer.step(new Float32Array(rows).fill(1), new Float32Array(rows)),
        trainer.step(new Float32Array(rows).fill(1), new Float32Array(rows)),
      ];
      return { losses, gradients, model };
    };
    const a = gradientsOf(1);
    expect(gradientsOf(1).gradients).toEqual(a.gradients);
    expect(gradientsOf(2).gradients).not.toEqual(a.gradients);
    expect(a.losses[0]).not.toBe(a.losses[1]);
    const y = a.model.predict([1]).data[0]!;
    expect(y).toBeCloseTo(
      forward64(
        [dense(1, 50), dense(50, 1)],
        {
          "0.weight": a.model.parameters["0.weight"]!.data,
          "0.bias": a.model.parameters["0.bias"]!.data,
          "1.weight": a.model.parameters["2.weight"]!.data,
        },
        [1],
      )[0]!,
      5,
    );
  });

  it("gives and takes its state, and refuses what is none", () => {
    const core = makeCore(backend);
    const make = (optimizer: TrainerOptions["optimizer"]) =>
      new Trainer(new Sequential(core, [dense(1, 2)]), { loss: meanSquaredError(), optimizer });
    const trainer = make((parameters) => new SGD(core, parameters, { momentum: 0.9 }));
    const { random, ...optimizer } = trainer.state();
    expect(random).toMatch(/^[0-9a-f]{40}$/);
    expect(optimizer).toEqual((trainer.optimizer as SGD).state());
    expect(trainer.description()).toEqual((trainer.optimizer as SGD).description());
    trainer.step(new Float32Array(3).fill(1), new Float32Array(6));
    const state = trainer.state();
    for (const bad of [null, {}, { ...state, random: random.slice(1) }, { ...state, random: 5 }, { random }]) {
      expect(() => trainer.load(bad as never)).toThrow(CheckpointError);
      expect(trainer.state()).toEqual(state);
    }
    const other = make(() => ({ step() {}, dispose() {} }));
    expect(() => other.state()).toThrow(OptionError);
    expect(() => other.load(state)).toThrow(/optimizer has no state\(\) and load\(\)/);
    expect(() => other.description()).toThrow(/optimizer has no description\(\)/);
    trainer.dispose();
    expect(() => trainer.state()).toThrow(DisposedError);
    expect(() => trainer.load(state)).toThrow(DisposedError);
  });

  it("repeats the dropout of a step that was refused", () => {
    const core = makeCore(backend);
    const losses = [false, true].map((refuse) => {
      let refusals = refuse ? 1 : 0;
      const optimizer = () => ({
        step() {
          if (refusals-- > 0) throw new Error("refused");
        },
        dispose() {},
      });
      const model = new Sequential(core, [dense(1, 9), dropout(0.5), dense(9, 1)], { seed: 1 });
      const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
      if (refuse) expect(() => trainer.step([1], [0])).toThrow("refused");
      return [trainer.step([1], [0]), trainer.step([1], [0])];
    });
    expect(losses[0]).toEqual(losses[1]);
  });

  it("allocates nothing after the first batch of the largest size", () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(8, 16), relu(), dense(16, 4)], { seed: 1 });
    const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: descent(0.1) });
    const x = randomValues(32 * 8, 1);
    const y = new Uint8Array(32);
    trainer.step(x, y);
    const { bytesInUse } = core.memory;
    for (let i = 0; i < 20; i++) {
      trainer.step(x, y);
      trainer.step(x.subarray(0, 80), y.subarray(0, 10));
    }
    expect(core.memory.bytesInUse).toBe(bytesInUse);
    trainer.dispose();
    model.dispose();
  });

  it("learns with fit, reports as it goes, and repeats itself for the same seed", async () => {
    const train = async (seed: number) => {
      const core = makeCore(backend);
      const model = new Sequential(core, [dense(2, 16, { initializer: heNormal() }), tanh(), dense(16, 2)], {
        seed: 4,
      });
      const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: descent(0.3), seed });
      const x = randomValues(400, 1);
      const y = Uint8Array.from({ length: 200 }, (_, i) => +(x[2 * i]! * x[2 * i + 1]! > 0));
      const progress: string[] = [];
      const epochs = [];
      const onProgress = ({ epoch, batch, batches }: { epoch: number; batch: number; batches: number }) =>
        progress.push(`${epoch}:${batch}/${batches}`);
      const options = { epochs: 60, batchSize: 32, validation: { x, y }, onProgress };
      for await (const epoch of trainer.fit({ x: core.tensor([200, 2], x), y }, options)) epochs.push(epoch);
      return { epochs, progress, parameters: Object.values(model.parameters).map(({ data }) => data.slice()) };
    };
    const first = await train(1);
    expect(first.epochs.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(first.progress.slice(0, 8)).toEqual([
      "1:1/7",
      "1:2/7",
      "1:3/7",
      "1:4/7",
      "1:5/7",
      "1:6/7",
      "1:7/7",
      "2:1/7",
    ]);
    expect(first.epochs.at(-1)!.loss).toBeLessThan(first.epochs[0]!.loss / 2);
    expect(first.epochs.at(-1)!.validation!.accuracy).toBeGreaterThan(0.9);
    expect(await train(1)).toEqual(first);
    expect((await train(2)).parameters).not.toEqual(first.parameters);
  });

  it("stops between two batches when it is told to", async () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(2, 1)]);
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: descent(0.1) });
    const abort = new AbortController();
    let batches = 0;
    const onProgress = () => {
      if (++batches === 3) abort.abort(new Error("enough"));
    };
    const run = trainer.fit(
      { x: new Float32Array(200), y: new Float32Array(100) },
      { epochs: 9, batchSize: 10, signal: abort.signal, onProgress },
    );
    await expect(run.next()).rejects.toThrow("enough");
    expect(batches).toBe(3);
  });

  it("says which argument is wrong, and changes nothing", async () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(2, 3)], { seed: 1 });
    const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: descent(1) });
    trainer.step([1, 2], [0]);
    trainer.evaluate([1, 2], [0]);
    const foreign = makeCore(backend).tensor([1, 2]);
    const wide = core.tensor([1, 3]);
    const shape = (action: () => unknown, text: RegExp) => expectUnchanged(core, action, ShapeError, text);
    const option = (action: () => unknown, text: RegExp) => expectUnchanged(core, action, OptionError, text);
    for (const use of [(x: never, y: never) => trainer.step(x, y), (x: never, y: never) => trainer.evaluate(x, y)]) {
      const call = (x: unknown, y: unknown) => () => use(x as never, y as never);
      shape(call([1, 2, 3], [0]), /x has 3 elements, expected a multiple of 2/);
      shape(call(wide, [0]), /x has shape \[1,3\], expected \[rows, 2\]/);
      shape(call([1, 2], [0, 1]), /y has 2 elements/);
      option(call([1, 2], [3]), /y\[0\] is 3, expected a class index from 0 to 2/);
      option(call([1, 2], [0.5]), /y\[0\] is 0\.5/);
      option(call([1, 2], [-1]), /y\[0\] is -1/);
      option(call([1, 2], undefined), /y is undefined/);
      option(call("12", [0]), /x is "12"/);
      option(call(foreign, [0]), /x belongs to another core/);
    }
    option(() => model.predict([1, [2]] as never), /x\[1\] is Array\(1\), expected a number/);
    option(() => trainer.step([1, "2"] as never, [0]), /x\[1\] is "2"/);
    option(() => new Sequential(core, [dense(1, 1)], { seed: 2 ** 32 }), /seed is 4294967296/);
    shape(() => trainer.step([], []), /x has no rows/);
    shape(
      () => new Sequential(core, [dense(2, 3), dense(4, 1)]),
      /layers\[1\] takes 4 inputs, but the layer before it has 3 outputs/,
    );
    option(
      () => new Sequential(core, []),
      /^options.inputShape is missing, expected the shape of a row of x, such as \[784\]$/,
    );
    option(() => new Sequential(core, [dense(1, 1), {} as never]), /layers\[1\] is Object/);
    option(() => new Sequential(core, 5 as never), /layers is 5/);
    option(() => new Sequential({} as Core, [dense(1, 1)]), /core is Object, expected a Core/);
    option(() => new Sequential(core, [dense(1, 1)], { seed: -1 }), /seed is -1/);
    option(() => new Trainer(model, { loss: 1 as never, optimizer: descent(1) }), /loss is 1/);
    option(() => new Trainer(model, { loss: huber(), optimizer: 1 as never }), /optimizer is 1/);
    option(() => new Trainer(model, { loss: huber(), optimizer: (() => 1) as never }), /optimizer returned 1/);
    option(() => new Trainer({} as never, { loss: huber(), optimizer: descent(1) }), /model is Object/);
    option(() => dense(0, 1), /inputs is 0/);
    option(() => dense(1, 1, { initializer: 1 as never }), /initializer is 1/);
    option(() => dense(1, 1, { initialiser: heNormal() } as never), /options\.initialiser is not an option/);
    option(() => dropout(1), /rate is 1/);
    option(() => dropout(Number.NaN), /rate is NaN/);
    option(() => huber(0), /delta is 0/);
    const bad = async (options: object, text: RegExp) => {
      await expect(trainer.fit({ x: [1, 2], y: [0] }, options).next()).rejects.toThrow(text);
    };
    const parameters = copyOfParameters(model);
    await bad({ validation: { x: [1, 2, 3], y: [0] } }, /validation\.x has 3 elements/);
    await bad({ validation: { x: [1, 2], y: [7] } }, /validation\.y\[0\] is 7/);
    await bad({ validation: 5 }, /validation is 5/);
    await bad({ signal: 5 }, /signal is 5, expected an AbortSignal/);
    await bad({ onProgress: 5 }, /onProgress is 5/);
    await bad({ shuffle: 1 }, /shuffle is 1/);
    await expect(trainer.fit(undefined as never).next()).rejects.toThrow(/data is undefined, expected an object/);
    expect(copyOfParameters(model)).toEqual(parameters);
    await expect(trainer.fit({ x: [], y: [] }).next()).rejects.toThrow(/data\.x has no rows/);
    await expect(trainer.fit({ x: [1, 2], y: [0] }, { epochs: -1 }).next()).rejects.toThrow(/epochs is -1/);
    await expect(trainer.fit({ x: [1, 2], y: [0] }, { batchSize: 0 }).next()).rejects.toThrow(/batchSize is 0/);
    await expect(trainer.fit({ x: [1, 2], y: [5] }).next()).rejects.toThrow(/class index/);
  });

  it("gives everything back on dispose, and refuses use afterwards", () => {
    const core = makeCore(backend);
    const model = new Sequential(core, [dense(3, 4), relu(), dense(4, 2)]);
    const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: recorder().optimizer });
    trainer.step(new Float32Array(30), new Uint8Array(10));
    trainer.evaluate(new Float32Array(30), new Uint8Array(10));
    const scratch = core.tensor([1]);
    trainer.dispose();
    trainer.dispose();
    expect(() => trainer.step(new Float32Array(3), [0])).toThrow(DisposedError);
    model.predict([1, 2, 3]).dispose();
    model.dispose();
    model.dispose();
    expect(() => model.predict([1, 2, 3])).toThrow(/model was used after dispose/);
    expect(() => new Trainer(model, { loss: huber(), optimizer: recorder().optimizer })).toThrow(DisposedError);
    scratch.dispose();
    // The core's scratch block is all that is left.
    expect(core.memory.bytesInUse).toBeLessThan(8192);
  });

  it("frees what it took when memory runs out", () => {
    const core = makeCore(backend, { memory: { maximumBytes: 2 ** 20 } });
    expect(() => new Sequential(core, [dense(100, 100), dense(100, 10_000)])).toThrow(OutOfMemoryError);
    expect(core.memory.bytesInUse).toBe(0);
    const model = new Sequential(core, [dense(100, 100)]);
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer: recorder().optimizer });
    const { bytesInUse } = core.memory;
    expect(() => trainer.step(new Float32Array(100_000), new Float32Array(100_000))).toThrow(OutOfMemoryError);
    expect(core.memory.bytesInUse).toBe(bytesInUse);
    expect(trainer.step(new Float32Array(100), new Float32Array(100))).toBe(0);
  });
});

describe("initialization", () => {
  const statistics = (values: Float32Array) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return {
      mean,
      variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length,
      low: Math.min(...values),
      high: Math.max(...values),
    };
  };
  const weights = (initializer: ReturnType<typeof uniform>, seed = 1) => {
    const model = new Sequential(makeCore("js"), [dense(300, 200, { initializer })], { seed });
    return model.parameters["0.weight"]!.data;
  };

  it.each([
    ["uniform", uniform(-2, 4), 1, 3, 6],
    ["normal", normal(0.5, 2), 0.5, 4, Number.POSITIVE_INFINITY],
    ["glorotUniform", glorotUniform(), 0, 2 / 500, 2 * Math.sqrt(6 / 500)],
    ["glorotNormal", glorotNormal(), 0, 2 / 500, Number.POSITIVE_INFINITY],
    ["heUniform", heUniform(), 0, 2 / 300, 2 * Math.sqrt(6 / 300)],
    ["heNormal", heNormal(), 0, 2 / 300, Number.POSITIVE_INFINITY],
  ] as const)("%s has its mean, variance and range", (_, initializer, mean, variance, range) => {
    const found = statistics(weights(initializer));
    const deviations = 5 / Math.sqrt(60_000);
    expect(Math.abs(found.mean - mean)).toBeLessThan(Math.sqrt(variance) * deviations);
    expect(Math.abs(found.variance / variance - 1)).toBeLessThan(2 * deviations);
    expect(found.high - found.low).toBeLessThanOrEqual(range);
    expect(found.high - found.low).toBeGreaterThan(Math.min(range, 6 * Math.sqrt(variance)) * 0.99);
  });

  it("depends on the seed alone", () => {
    expect(weights(heNormal(), 5)).toEqual(weights(heNormal(), 5));
    expect(weights(heNormal(), 5)).not.toEqual(weights(heNormal(), 6));
    const [wasm, js] = backends.map(
      (backend) => new Sequential(makeCore(backend), [dense(30, 20, { initializer: normal() })], { seed: 8 }),
    );
    expectSameBits(wasm!.parameters["0.weight"]!.data, js!.parameters["0.weight"]!.data, "weights");
  });
});
