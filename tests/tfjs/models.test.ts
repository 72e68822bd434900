import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { accelerateModel, adam, rmsprop } from "lanewise/tfjs";
import { describe, expect, it } from "vitest";
import { randomValues } from "../helpers/random.js";
import { build, MODELS, train } from "./models.js";

/** The largest difference of two lists of numbers, as a share of the largest number. */
function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [difference, largest] = [0, 1];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
    if (Number.isNaN(actual[i]!) || Number.isNaN(expected[i]!)) return Number.NaN;
  }
  return difference / largest;
}

const EPOCHS = 10; // of five batches: 50 steps

/** What TensorFlow.js's cpu backend makes of a case; the wasm backend lacks half of the gradients. */
const expected = new Map<string, Awaited<ReturnType<typeof train>>>();

async function reference(model: (typeof MODELS)[number]) {
  let found = expected.get(model.name);
  if (found === undefined) {
    await tf.setBackend("cpu");
    const { model: theirs, xs, ys } = build(model);
    found = await train(theirs, xs, ys, EPOCHS, model.batchSize);
    expected.set(model.name, found);
    tf.dispose([xs, ys]);
    theirs.dispose();
  }
  return found;
}

describe.each(["cpu", "wasm"])("on the %s backend, after 50 steps", (backend) => {
  it.each(MODELS)("$name is what TensorFlow.js makes of it", async (model) => {
    const theirs = await reference(model);
    await tf.setBackend(backend);
    const { model: ours, xs, ys } = build(model);
    const before = ours.getWeights().map((weight) => Float32Array.from(weight.dataSync()));
    const acceleration = await accelerateModel(ours);
    expect(acceleration.left).toEqual({});
    expect(acceleration.layers).toEqual(ours.layers.slice(1).map(({ name }) => name)); // without the input
    const result = await train(ours, xs, ys, EPOCHS, model.batchSize);
    expect(Object.keys(result.history)).toEqual(Object.keys(theirs.history));
    for (const [name, values] of Object.entries(theirs.history)) {
      const share = name === "acc" ? 1.01 / 22 : BOUND; // a row whose largest outputs are all but equal
      expect(distance(result.history[name]!, values), name).toBeLessThan(share);
    }
    expect(distance(result.evaluation.slice(0, 1), theirs.evaluation.slice(0, 1))).toBeLessThan(BOUND);
    expect(distance(result.prediction, theirs.prediction)).toBeLessThan(BOUND);
    for (const [i, weights] of theirs.weights.entries())
      expect(distance(result.weights[i]!, weights)).toBeLessThan(BOUND);
    expect(result.weights.some((weights, i) => distance(weights, before[i]!) > 100 * BOUND)).toBe(true);
    acceleration.restore();
    // The weights are the model's own: without Lanewise it predicts the same.
    const prediction = ours.predict(xs) as tf.Tensor;
    expect(distance(prediction.dataSync(), result.prediction)).toBeLessThan(BOUND);
    tf.dispose([xs, ys, prediction]);
    ours.dispose();
  });
});

/** Of the largest number, or of 1 if all are smaller. */
const BOUND = 2e-5;

function classifier(optimizer: tf.Optimizer | string = tf.train.rmsprop(0.01, 0.9, 0.5)) {
  const { dense } = tf.layers;
  const model = tf.sequential({
    layers: [
      dense({
        units: 6,
        activation: "tanh",
        inputShape: [4],
        kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }),
      }),
      dense({ units: 3, activation: "softmax", kernelInitializer: tf.initializers.glorotUniform({ seed: 4 }) }),
    ],
  });
  model.compile({ optimizer, loss: "categoricalCrossentropy", metrics: ["accuracy"] });
  return model;
}

function data(rows = 30) {
  const x = tf.tensor2d(randomValues(rows * 4, 1), [rows, 4]);
  const y = tf.tidy(() =>
    tf.oneHot(
      tf.tensor1d(
        Array.from({ length: rows }, (_, i) => (i * 7) % 3),
        "int32",
      ),
      3,
    ),
  );
  return { x, y };
}

const values = (model: tf.LayersModel) => model.getWeights().flatMap((weight) => Array.from(weight.dataSync()));

describe.each(["cpu", "wasm"])("fit on the %s backend", (backend) => {
  /** The same with both; what `run` returns must be near. */
  async function compare(
    run: (model: tf.Sequential, kept: ReturnType<typeof data>) => Promise<number[]>,
  ): Promise<void> {
    await tf.setBackend(backend);
    const kept = data();
    const results: number[][] = [];
    for (const isOurs of [false, true]) {
      const model = classifier();
      if (isOurs) expect((await accelerateModel(model)).left).toEqual({});
      results.push([...(await run(model, kept)), ...values(model)]);
      model.dispose();
    }
    tf.dispose([kept.x, kept.y]);
    expect(distance(results[1]!, results[0]!)).toBeLessThan(BOUND);
  }

  it("splits off validation data, weights classes, begins at an epoch", async () => {
    await compare(async (model, { x, y }) => {
      const classWeight = { 0: 1, 1: 3, 2: 0.5 };
      const options = { epochs: 5, initialEpoch: 2, batchSize: 7, validationSplit: 0.2, classWeight, shuffle: false };
      const { history, epoch } = await model.fit(x, y, options);
      expect(epoch).toEqual([2, 3, 4]);
      expect(Object.keys(history)).toEqual(["val_loss", "val_acc", "loss", "acc"]);
      return Object.values(history).flat() as number[];
    });
  });

  it("calls callbacks with the logs of TensorFlow.js, and they find the weights of the moment", async () => {
    await compare(async (model, { x, y }) => {
      const seen: number[] = [];
      const order: string[] = [];
      await model.fit(x, y, {
        epochs: 2,
        batchSize: 16,
        shuffle: false,
        validationData: [x, y],
        callbacks: {
          onTrainBegin: () => void order.push("begin"),
          onTrainEnd: () => void order.push("end"),
          onEpochBegin: (epoch) => void order.push(`epoch ${epoch}`),
          onBatchBegin: (batch) => void order.push(`batch ${batch}`),
          onBatchEnd: (batch, logs) => {
            seen.push(batch, logs!.batch!, logs!.size!, logs!.loss!, logs!.acc!, ...values(model));
          },
          onEpochEnd: (epoch, logs) => {
            seen.push(epoch, logs!.loss!, logs!.val_loss!, logs!.acc!, logs!.val_acc!);
            // The weights that a callback sets are those that training goes on with.
            const halves = tf.tidy(() => model.getWeights().map((weight) => tf.keep(weight.mul(0.5))));
            model.setWeights(halves);
            tf.dispose(halves);
            (model.optimizer as unknown as { learningRate: number }).learningRate = 0.002;
          },
        },
      });
      expect(order).toEqual(["begin", "epoch 0", "batch 0", "batch 1", "epoch 1", "batch 0", "batch 1", "end"]);
      return seen;
    });
  });

  it("stops early, and when stopTraining is set", async () => {
    await compare(async (model, { x, y }) => {
      const stopping = tf.callbacks.earlyStopping({ monitor: "loss", minDelta: 10, patience: 2 });
      const early = await model.fit(x, y, { epochs: 9, shuffle: false, callbacks: stopping });
      expect(early.epoch).toHaveLength(3);
      const set = await model.fit(x, y, {
        epochs: 9,
        batchSize: 10,
        shuffle: false,
        callbacks: {
          onBatchEnd(batch) {
            if (batch === 1) model.stopTraining = true;
          },
        },
      });
      expect(set.epoch).toHaveLength(1);
      return [...early.history.loss!, ...set.history.loss!] as number[];
    });
  });

  it("trains single batches, evaluates, and shuffles all rows", async () => {
    await compare(async (model, { x, y }) => {
      const results: number[] = [];
      for (let i = 0; i < 4; i++) results.push(...((await model.trainOnBatch(x, y)) as number[]));
      const [loss, accuracy] = tf.tidy(() =>
        (model.evaluate(x, y, { batchSize: 4 }) as tf.Scalar[]).map((value) => value.dataSync()[0]!),
      );
      // One batch of all: the order of the rows does not matter.
      const { history } = await model.fit(x, y, { epochs: 2, batchSize: 30, shuffle: true });
      return [...results, loss!, accuracy!, ...(history.loss as number[])];
    });
  });

  it("trains from a dataset", async () => {
    await compare(async (model, { x, y }) => {
      const batches = [0, 10, 20].map((at) => ({ xs: x.slice([at], [10]), ys: y.slice([at], [10]) }));
      const { history } = await model.fitDataset(tf.data.array(batches), { epochs: 2 });
      return history.loss as number[];
    });
  });

  it.each([
    ["tf.train.rmsprop", () => tf.train.rmsprop(0.01, 0.9, 0.5)],
    ["tf.train.adam", () => tf.train.adam(0.01)],
    ["tf.train.momentum", () => tf.train.momentum(0.01, 0.9)],
    ["tf.train.adagrad", () => tf.train.adagrad(0.01)],
    ["tf.train.sgd", () => tf.train.sgd(0.01)],
    ["rmsprop", () => rmsprop(0.01, 0.9, 0.5)],
    ["adam", () => adam(0.01)],
    ["rmsprop that accumulates", () => rmsprop({ learningRate: 0.01, accumulationSteps: 2 })],
  ] as const)("hands the state of %s over, to and fro", async (_, optimizer) => {
    await tf.setBackend(backend);
    const { x, y } = data();
    const options = { epochs: 2, batchSize: 10, shuffle: false };
    const results: number[][] = [];
    for (const isOurs of [false, true]) {
      const model = classifier(optimizer());
      await model.fit(x, y, options);
      const acceleration = isOurs ? await accelerateModel(model) : undefined;
      await model.fit(x, y, options);
      const saved = (await model.optimizer.getWeights()).flatMap(({ tensor }) => Array.from(tensor.dataSync()));
      acceleration?.restore();
      await model.fit(x, y, options);
      const after = (await model.optimizer.getWeights()).flatMap(({ tensor }) => Array.from(tensor.dataSync()));
      results.push([...saved, ...after, ...values(model)]);
      model.dispose();
    }
    tf.dispose([x, y]);
    expect(distance(results[1]!, results[0]!)).toBeLessThan(BOUND);
  });

  it("makes no tensors that stay", async () => {
    await tf.setBackend(backend);
    const { x, y } = data();
    const model = classifier();
    await accelerateModel(model);
    const work = async () => {
      await model.fit(x, y, { epochs: 2, validationSplit: 0.5, callbacks: { onBatchEnd: () => {} } });
      tf.dispose(await model.trainOnBatch(x, y));
      tf.dispose([model.predict(x), model.evaluate(x, y)].flat() as tf.Tensor[]);
    };
    await work();
    const { numTensors } = tf.memory();
    await work();
    expect(tf.memory().numTensors).toBe(numTensors);
    // A loop that lets others run: what they set in between is what training goes on with, wherever it is in memory.
    const zeros = model.getWeights().map((weight) => tf.zerosLike(weight));
    let sets = 0;
    const timer = setInterval(() => {
      sets++;
      model.setWeights(zeros);
    }, 0);
    await model.fit(x, y, { epochs: 20, yieldEvery: "batch" });
    clearInterval(timer);
    expect(sets).toBeGreaterThan(0);
    expect(values(model).every((value) => Math.abs(value) < 10)).toBe(true);
    tf.dispose([x, y, ...zeros]);
    const acceleration = await accelerateModel(model);
    expect(acceleration.layers).toHaveLength(2);
    model.dispose();
    expect(acceleration.layers).toEqual([]);
    expect(Object.hasOwn(model, "dispose")).toBe(false);
  });

  it.each([
    ["rmsprop", () => tf.train.rmsprop(0.01, 0.9, 0.5)],
    ["adam, which corrects by the steps of all", () => tf.train.adam(0.01)],
  ] as const)("passes over what is frozen without compiling anew: %s", async (_, optimizer) => {
    await compare(async (model, { x, y }) => {
      model.compile({ optimizer: optimizer(), loss: "categoricalCrossentropy" });
      const losses: number[] = [];
      for (const isTrained of [true, false, true]) {
        model.layers[1]!.trainable = isTrained;
        const before = model.layers[1]!.getWeights()[0]!.dataSync().slice();
        const { history } = await model.fit(x, y, { epochs: 2, batchSize: 9, shuffle: false });
        losses.push(...(history["loss"] as number[]));
        expect(distance(model.layers[1]!.getWeights()[0]!.dataSync(), before) > 0).toBe(isTrained);
      }
      // Nothing is left to train: TensorFlow.js's error.
      for (const layer of model.layers) layer.trainable = false;
      await expect(model.trainOnBatch(x, y)).rejects.toThrow(/at least one of the input variables to be trainable/);
      await expect(model.fit(x, y, { epochs: 1 })).rejects.toThrow(
        /at least one of the input variables to be trainable/,
      );
      return losses;
    });
  });

  it("follows a model that is compiled anew, and one that is loaded from what it saved", async () => {
    await tf.setBackend(backend);
    const { x, y } = data();
    const model = classifier();
    const acceleration = await accelerateModel(model);
    expect(await accelerateModel(model)).toBe(acceleration);
    model.compile({ optimizer: tf.train.sgd(0.1), loss: "meanSquaredError" });
    const { history } = await model.fit(x, y, { epochs: 2, shuffle: false });
    expect(Object.keys(history)).toEqual(["loss"]);
    expect(acceleration.left).toEqual({});
    expect(acceleration.layers).toHaveLength(model.layers.length);
    model.add(tf.layers.dense({ units: 3 }));
    model.compile({ optimizer: tf.train.sgd(0.1), loss: "meanSquaredError" });
    expect(acceleration.left).toEqual({});
    expect(acceleration.layers).toHaveLength(model.layers.length);
    model.compile({ optimizer: tf.train.sgd(0.1), loss: "cosineProximity" });
    await model.fit(x, y, { epochs: 1, shuffle: false });
    expect(acceleration.left).toEqual({ model: "Lanewise lacks the loss cosineProximity" });
    expect(acceleration.layers).toEqual([]);
    let artifacts: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (saved) => {
        artifacts = saved;
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" } };
      }),
    );
    const loaded = await tf.loadLayersModel(tf.io.fromMemory(artifacts!));
    expect(values(loaded)).toEqual(values(model));
    tf.dispose([x, y]);
  });
});

/** An activation of one's own. */
class Cube extends tf.serialization.Serializable {
  static readonly className = "cube";
  getConfig() {
    return {};
  }
  apply(x: tf.Tensor): tf.Tensor {
    return tf.pow(x, 3);
  }
}

it.each([
  ["a class", () => [tf.layers.gaussianNoise({ stddev: 1 })], "Lanewise lacks the class GaussianNoise"],
  [
    "a regularizer",
    () => [tf.layers.dense({ units: 2, kernelRegularizer: "l1l2" })],
    "Lanewise lacks a kernelRegularizer",
  ],
  [
    "an activation",
    () => {
      tf.serialization.registerClass(Cube);
      return [tf.layers.dense({ units: 2, activation: "cube" as "relu" })];
    },
    'Lanewise lacks the activation "cube"',
  ],
  ["an option", () => [tf.layers.reLU({ maxValue: 5 })], "Lanewise lacks maxValue 5"],
] as const)("%s that Lanewise lacks leaves the model as it was", async (_, make, reason) => {
  await tf.setBackend("cpu");
  const made = make().map((layer, i) => ({ layer, name: `part${i}` }));
  const model = tf.sequential({
    layers: [tf.layers.dense({ units: 4, inputShape: [4] }), ...made.map(({ layer }) => layer)],
  });
  model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
  const { model: inner } = model as unknown as { model: object };
  const before = Object.keys(inner);
  const acceleration = await accelerateModel(model);
  expect(acceleration.layers).toEqual([]);
  expect(acceleration.left).toEqual({ [made[0]!.layer.name]: reason });
  expect(Object.keys(inner)).toEqual(before);
});

it("refuses what is no model, and ids that there are not", async () => {
  await tf.setBackend("wasm");
  await expect(accelerateModel(5 as never)).rejects.toThrow("model is 5, expected a LayersModel");
  const model = tf.sequential({ layers: [tf.layers.embedding({ inputDim: 4, outputDim: 2, inputShape: [2] })] });
  model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
  expect((await accelerateModel(model)).left).toEqual({});
  expect(() => model.predict(tf.tensor2d([[1, 4]]))).toThrow("x[1] is 4");
});
