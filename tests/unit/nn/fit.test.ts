import { describe, expect, it } from "vitest";
import { OptionError, RMSProp, type Tensor } from "../../../src/index.js";
import {
  accuracy,
  auc,
  binaryCrossEntropy,
  confusionMatrix,
  dense,
  type Epoch,
  f1,
  input,
  type Loss,
  type Metric,
  Model,
  meanSquaredError,
  precision,
  r2,
  recall,
  relu,
  Sequential,
  sigmoid,
  softmaxCrossEntropy,
  Trainer,
  tanh,
} from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const core = makeCore("js");
const rmsprop = (learningRate: number) => (parameters: Readonly<Record<string, Tensor>>) =>
  new RMSProp(core, parameters, { learningRate });

/** Two classes that a curve separates. */
function classes(rows: number, seed: number) {
  const x = randomValues(rows * 2, seed);
  const y = Uint8Array.from({ length: rows }, (_, i) => +(x[2 * i]! * x[2 * i + 1]! > 0));
  return { x, y };
}

function classifier(seed = 1) {
  const model = new Sequential(core, [dense(16, { activation: "tanh" }), dense(2)], { inputShape: [2], seed });
  return new Trainer(model, { loss: softmaxCrossEntropy(), optimizer: rmsprop(0.02) });
}

describe("fit", () => {
  it("keeps the last rows for validation", async () => {
    const { x, y } = classes(200, 1);
    const share = await classifier().fit({ x, y }, { epochs: 3, validation: 0.25 });
    const split = await classifier().fit(
      { x: x.subarray(0, 300), y: y.subarray(0, 150) },
      { epochs: 3, validation: { x: x.subarray(300), y: y.subarray(150) } },
    );
    expect(share).toEqual(split);
    const tensors = { x: core.tensor([200, 2], x), y: core.tensor([200], y) };
    expect(await classifier().fit(tensors, { epochs: 3, validation: 0.25 })).toEqual(split);
    await expect(classifier().fit({ x, y }, { validation: 1 })).rejects.toThrow(
      /validation is 1, expected a share above 0/,
    );
    await expect(classifier().fit({ x: [1, 2], y: [0] }, { validation: 0.1 })).rejects.toThrow(/which is no row of 1/);
  });

  it("reports metrics of training and validation", async () => {
    const data = classes(300, 2);
    const largest = ({ outputs }: { outputs: Float32Array }) => outputs.reduce((a, b) => Math.max(a, b));
    const metrics = ["accuracy", "confusionMatrix", f1, largest] as const;
    const trainer = classifier();
    const history = await trainer.fit(data, { epochs: 30, validation: data, metrics });
    const last = history.at(-1)!;
    expect(last.validation!.metrics!.accuracy).toBe(last.validation!.accuracy);
    expect(last.metrics!.accuracy).toBeGreaterThan(0.85);
    const matrix = last.validation!.metrics!.confusionMatrix as number[][];
    expect(matrix.flat().reduce((a, b) => a + b)).toBe(300);
    expect((matrix[0]![0]! + matrix[1]![1]!) / 300).toBe(last.validation!.accuracy);
    expect(Object.keys(last.metrics!)).toEqual(["accuracy", "confusionMatrix", "f1", "largest"]);
    const again = trainer.evaluate(data.x, data.y, { metrics: [recall, precision] });
    expect(again.metrics!.recall).toBeGreaterThan(0.8);
    await expect(trainer.fit(data, { metrics: ["acc" as never] })).rejects.toThrow(
      /metrics\[0\] is "acc", expected a function/,
    );
  });

  it("stops early, and goes back to the best epoch", async () => {
    const data = classes(60, 3);
    const validation = classes(60, 4);
    const trainer = classifier();
    const options = { epochs: 500, validation, earlyStopping: { patience: 8 } };
    const history = await trainer.fit(data, options);
    expect(history.length).toBeLessThan(500);
    const losses = history.map((epoch) => epoch.validation!.loss);
    const best = losses.indexOf(Math.min(...losses));
    expect(best).toBe(history.length - 1 - 8);
    expect(trainer.evaluate(validation.x, validation.y).loss).toBe(losses[best]);
    const accuracies = await classifier().fit(data, {
      ...options,
      earlyStopping: { monitor: "validation.accuracy", patience: 2, restoreBest: false },
    });
    expect(accuracies.length).toBeLessThan(500);
    const bad = classifier().fit(data, { earlyStopping: { monitor: "validation.loss" } });
    await expect(bad).rejects.toThrow(
      /earlyStopping\.monitor is "validation\.loss", expected one of "loss"; "validation/,
    );
    const named = { validation, metrics: ["accuracy"], earlyStopping: { monitor: "val_loss" } } as const;
    await expect(classifier().fit(data, named)).rejects.toThrow(
      /"val_loss", expected one of "loss", "accuracy", "validation\.accuracy", "validation\.loss"$/,
    );
    const inherited = classifier().fit(data, { earlyStopping: { monitor: "toString" } });
    await expect(inherited).rejects.toThrow(/earlyStopping\.monitor is "toString", expected one of "loss"; /);
    const typo = classifier().fit(data, { earlyStopping: { patiance: 2 } as never });
    await expect(typo).rejects.toThrow(/earlyStopping\.patiance is not an option/);
  });

  it("counts epochs without an improvement as Keras does", async () => {
    const values = [5, 4, 4, 4.5, 3, 3.5, 3.2, 3.1, 2, 2, 2, 2, 2, 2];
    // The loop of keras.callbacks.EarlyStopping.
    const lastEpoch = (patience: number): number => {
      let [best, wait] = [Number.POSITIVE_INFINITY, 0];
      for (const [epoch, value] of values.entries()) {
        wait++;
        if (value < best) [best, wait] = [value, 0];
        else if (wait >= patience) return epoch + 1;
      }
      return values.length;
    };
    const data = classes(8, 1);
    for (const patience of [0, 1, 2, 3, 5, 9]) {
      let epoch = 0;
      const error = (): number => values[epoch++]!;
      const earlyStopping = { monitor: "error", patience, restoreBest: false };
      const history = await classifier().fit(data, { epochs: values.length, metrics: [error], earlyStopping });
      expect(history.length, `patience ${patience}`).toBe(lastEpoch(patience));
    }
  });

  it("weights classes as it weights samples", async () => {
    const { x, y } = classes(100, 5);
    const byClass = await classifier().fit({ x, y }, { epochs: 2, classWeights: [1, 3] });
    const bySample = await classifier().fit(
      { x, y },
      { epochs: 2, sampleWeights: Float32Array.from(y, (c) => (c ? 3 : 1)) },
    );
    expect(byClass).toEqual(bySample);
    expect(await classifier().fit({ x, y }, { epochs: 2, classWeights: { 1: 3 } })).toEqual(bySample);
    const oneHot = Float32Array.from({ length: 200 }, (_, i) => +(y[i >> 1] === i % 2));
    expect(await classifier().fit({ x, y: oneHot }, { epochs: 2, classWeights: { 1: 3 } })).toEqual(bySample);
    expect(byClass).not.toEqual(await classifier().fit({ x, y }, { epochs: 2 }));
    await expect(classifier().fit({ x, y }, { classWeights: [1] })).rejects.toThrow(
      /classWeights has 1 elements, expected 2/,
    );
    await expect(classifier().fit({ x, y }, { classWeights: { 5: 1 } })).rejects.toThrow(/index of classWeights is 5/);
    for (const key of ["", " 1", "1.0", "0x1"]) {
      await expect(classifier().fit({ x, y }, { classWeights: { [key]: 1 } as never })).rejects.toThrow(
        `index of classWeights is "${key}"`,
      );
    }
  });

  it("refuses class weights where a row has no one class", async () => {
    const optimizer = (parameters: Readonly<Record<string, Tensor>>) => new RMSProp(core, parameters);
    const x = input([4]);
    const y = dense(3).apply(x);
    for (const [model, loss, targets, found] of [
      [
        new Sequential(core, [dense(3)], { inputShape: [2, 4] }),
        softmaxCrossEntropy(),
        [0, 1],
        "outputs of shape [2,3]",
      ],
      [
        new Model(core, { inputs: x, outputs: [y, y] }),
        [softmaxCrossEntropy(), softmaxCrossEntropy()],
        [
          [0, 1],
          [1, 0],
        ],
        "2 outputs",
      ],
    ] as const) {
      const trainer = new Trainer(model, { loss: loss as Loss, optimizer });
      await expect(
        trainer.fit({ x: new Float32Array(8), y: targets as never }, { classWeights: { 0: 2 } }),
      ).rejects.toThrow(
        `classWeights is for samples of one class, but the model has ${found}; expected the loss's own`,
      );
    }
  });

  it("tells callbacks, and ends when one says so", async () => {
    const data = classes(64, 6);
    const seen: string[] = [];
    const callback = {
      onBatch: ({ epoch, batch }: { epoch: number; batch: number }) => seen.push(`${epoch}:${batch}`),
      onEpoch: ({ epoch }: Epoch) => epoch < 2,
    };
    const history = await classifier().fit(data, { epochs: 9, callbacks: [callback] });
    expect(history).toHaveLength(2);
    expect(seen).toEqual(["1:1", "1:2", "2:1", "2:2"]);
    await expect(classifier().fit(data, { callbacks: [{ onEpochEnd() {} } as never] })).rejects.toThrow(
      /callbacks\[0\]\.onEpochEnd is not an option/,
    );
    await expect(classifier().fit(data, { callbacks: [{}, { onBatch: 3 as never }] })).rejects.toThrow(
      /^callbacks\[1\]\.onBatch is 3, expected a function/,
    );
    await expect(classifier().fit(data, { callbacks: [{ onEpoch: null as never }] })).rejects.toThrow(
      /^callbacks\[0\]\.onEpoch is null, expected a function/,
    );
  });

  it("waits for callbacks that return promises, and fails as they do", async () => {
    const data = classes(64, 6);
    const later = () => new Promise<void>((done) => setTimeout(done, 1));
    const seen: string[] = [];
    const callback = {
      async onBatch({ batch }: { batch: number }) {
        seen.push(`begins ${batch}`);
        await later();
        seen.push(`ends ${batch}`);
      },
      async onEpoch({ epoch }: Epoch) {
        await later();
        return epoch < 2;
      },
    };
    expect(await classifier().fit(data, { epochs: 9, callbacks: [callback] })).toHaveLength(2);
    const epoch = ["begins 1", "ends 1", "begins 2", "ends 2"];
    expect(seen).toEqual([...epoch, ...epoch]);
    const reason = new Error("disk full");
    const failing = classifier();
    await expect(
      failing.fit(data, { callbacks: [{ onEpoch: () => later().then(() => Promise.reject(reason)) }] }),
    ).rejects.toBe(reason);
    expect(await failing.fit(data)).toHaveLength(1);
  });

  it("validates on something, under names of its own", async () => {
    const data = classes(64, 6);
    await expect(classifier().fit(data, { validation: { x: [], y: [] } })).rejects.toThrow(
      /^validation\.x has no rows, expected at least one$/,
    );
    await expect(classifier().fit(data, { metrics: [() => 1, "f1", () => 2] })).rejects.toThrow(
      /^metrics\[2\] has the name "metric" of metrics\[0\], expected another$/,
    );
    expect(() => classifier().evaluate(data.x, data.y, { metrics: ["f1", "f1"] })).toThrow(OptionError);
  });

  it("leaves batches out that the optimizer skips", async () => {
    const model = new Sequential(core, [dense(1, 1)], { seed: 1 });
    const optimizer = (parameters: Readonly<Record<string, Tensor>>) =>
      new RMSProp(core, parameters, { onNonFinite: "skip" });
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
    const [epoch] = await trainer.fit({ x: [1, 2, Number.NaN, 4], y: [1, 2, 3, 4] }, { batchSize: 1 });
    expect(epoch!.skipped).toBe(1);
    expect(Number.isFinite(epoch!.loss)).toBe(true);
    expect(trainer.optimizer.iterations).toBe(3);
  });

  it("does not say that a batch was skipped which waits in an accumulation", async () => {
    const model = new Sequential(core, [dense(1, 1)], { seed: 1 });
    const optimizer = (parameters: Readonly<Record<string, Tensor>>) =>
      new RMSProp(core, parameters, { accumulationSteps: 2 });
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
    const [epoch] = await trainer.fit({ x: [1, 2, Number.NaN], y: [1, 2, 3] }, { batchSize: 1, shuffle: false });
    expect(epoch).toEqual({ epoch: 1, epochs: 1, loss: Number.NaN }); // the last update took it in
    expect(model.predict([1]).data[0]).toBeNaN();
  });

  it("drops the gradients of an unfinished accumulation when it fails", async () => {
    const model = new Sequential(core, [dense(1, 1)], { seed: 1 });
    const optimizer = (parameters: Readonly<Record<string, Tensor>>) =>
      new RMSProp(core, parameters, { accumulationSteps: 4 });
    const trainer = new Trainer(model, { loss: meanSquaredError(), optimizer });
    const data = { x: [1, 2, 3, 4, 5, 6, 7], y: [1, 2, 3, 4, 5, 6, 7] };
    const controller = new AbortController();
    const reason = new Error("enough");
    const abort = { onBatch: ({ batch }: { batch: number }) => (batch === 6 ? controller.abort(reason) : undefined) };
    const options = { batchSize: 1, callbacks: [abort], signal: controller.signal };
    await expect(trainer.fit(data, options)).rejects.toBe(reason);
    expect(trainer.optimizer.iterations).toBe(1);
    expect(trainer.state().accumulatedSteps).toBeUndefined();

    // What was disposed of has nothing to drop, and the error is the first one.
    const other = new Trainer(model, { loss: meanSquaredError(), optimizer });
    const dispose = { onBatch: () => other.dispose() };
    await expect(other.fit(data, { batchSize: 1, callbacks: [dispose] })).rejects.toThrow("trainer was used after");
    const third = new Trainer(model, { loss: meanSquaredError(), optimizer });
    const mine = new Error("mine");
    const onProgress = (): void => {
      third.optimizer.dispose();
      throw mine;
    };
    await expect(third.fit(data, { batchSize: 1, onProgress })).rejects.toBe(mine);
    await expect(third.fit(data, { batchSize: 1 })).rejects.toThrow("optimizer was used after");
  });

  it("refuses targets that make no sense", async () => {
    const model = new Sequential(core, [dense(2, 1), sigmoid()]);
    const trainer = new Trainer(model, { loss: binaryCrossEntropy(), optimizer: rmsprop(0.01) });
    expect(() => trainer.step([1, 2], [-1])).toThrow(/y\[0\] is -1, expected a probability/);
    await expect(trainer.fit({ x: [1, 2], y: [255] })).rejects.toThrow(/data\.y\[0\] is 255/);
  });
});

describe("metrics", () => {
  const input = (outputs: number[], targets: number[], columns: number, areIndices = false, threshold = 0.5) => ({
    outputs: Float32Array.from(outputs),
    targets: Float32Array.from(targets),
    areIndices,
    rows: outputs.length / columns,
    columns,
    threshold,
  });
  const value = (metric: Metric, of: ReturnType<typeof input>) => metric.compute(of);

  // Reference values: scikit-learn 1.5, average="macro" for several classes.
  it("are those of scikit-learn", () => {
    const three = input(
      [0.8, 0.1, 0.1, 0.2, 0.5, 0.3, 0.1, 0.2, 0.7, 0.3, 0.4, 0.3, 0.9, 0, 0.1],
      [0, 1, 2, 2, 1],
      3,
      true,
    );
    expect(confusionMatrix.compute(three)).toEqual([
      [1, 0, 0],
      [1, 1, 0],
      [0, 1, 1],
    ]);
    expect(value(accuracy, three)).toBeCloseTo(0.6, 12);
    expect(value(precision, three)).toBeCloseTo(2 / 3, 12);
    expect(value(recall, three)).toBeCloseTo(2 / 3, 12);
    expect(value(f1, three)).toBeCloseTo(11 / 18, 12);
    const two = input([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 1);
    expect(value(auc, two)).toBe(0.75);
    expect(value(auc, input([0.5, 0.5, 0.5, 0.9], [0, 1, 1, 1], 1))).toBeCloseTo(2 / 3, 12);
    expect(value(auc, input([1, 2], [1, 1], 1))).toBeNaN();
    expect(value(precision, two)).toBe(1);
    expect(value(recall, two)).toBe(0.5);
    expect(value(r2, input([2.5, 0, 2, 8], [3, -0.5, 2, 7], 1))).toBeCloseTo(0.948608137, 6);
  });
});

describe("predictions", () => {
  it("are probabilities and classes", () => {
    const layers = [dense(4), relu(), dense(3)];
    const model = new Sequential(core, layers, { inputShape: [2], seed: 2 });
    const x = randomValues(10, 1);
    const probabilities = model.predictProbabilities(x);
    const classes = model.predictClasses(x);
    for (let row = 0; row < 5; row++) {
      const own = [...probabilities.subarray(row * 3, row * 3 + 3)];
      expect(own.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      expect(own[classes[row]!]).toBe(Math.max(...own));
    }
    const logits = new Sequential(core, [dense(2, 1)], { seed: 3 });
    const ended = new Sequential(core, [dense(2, 1), sigmoid()], { seed: 3 });
    expect(logits.predictProbabilities(x)).toEqual(ended.predictProbabilities(x));
    expect([...logits.predictClasses(x)]).toEqual(Array.from(ended.predict(x).data, (p) => +(p > 0.5)));
  });

  it("go where they are told to", () => {
    const model = new Sequential(core, [dense(2, 3), tanh()], { seed: 1 });
    const out = core.tensor([4, 3]);
    const { bytesInUse } = core.memory;
    expect(model.predict(randomValues(8, 1), { out })).toBe(out);
    const used = core.memory.bytesInUse;
    for (let i = 0; i < 5; i++) model.predict(randomValues(8, i), { out });
    expect(core.memory.bytesInUse).toBe(used);
    expect(used - bytesInUse).toBeGreaterThan(0);
    expect(() => model.predict(randomValues(8, 1), { out: core.tensor([3, 4]) })).toThrow(
      /out has shape \[3,4\], expected \[4,3\]/,
    );
  });

  it("have a summary", () => {
    const model = new Sequential(core, [dense(128, { activation: "relu" }), dense(10, { name: "head" })], {
      inputShape: [784],
    });
    expect(model.summary()).toBe(
      [
        "layer         output       parameters",
        "0 (dense)     [rows, 128]     100,480",
        "head (dense)  [rows, 10]        1,290",
        "101,770 parameters",
      ].join("\n"),
    );
  });
});
