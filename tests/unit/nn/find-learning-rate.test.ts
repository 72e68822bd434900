import { createCore, RMSProp, SGD } from "lanewise";
import { batchNorm, dense, dropout, findLearningRate, meanSquaredError, Sequential } from "lanewise/nn";
import { describe, expect, it } from "vitest";

const x = Float32Array.from({ length: 64 }, (_, i) => ((i * 37) % 64) / 32 - 1);
const y = x.map((value, i) => 3 * value + (i % 3) - 1);

describe("findLearningRate", () => {
  it("finds where gradient descent on a parabola diverges, and changes nothing", async () => {
    using core = await createCore();
    // The loss is about mean(x²)·(w − 3)² + a constant, so gradient descent diverges above 1 / mean(x²), which is about 3.
    using model = new Sequential(core, [dense(1, 1, { bias: false })]);
    const before = model.parameters["0.weight"]!.data.slice();
    const { trials, suggested } = await findLearningRate(
      model,
      { x, y },
      {
        loss: meanSquaredError(),
        optimizer: (parameters, learningRate) => new SGD(core, parameters, { learningRate }),
        batchSize: 16,
        from: 1e-3,
        to: 1e3,
        steps: 200,
      },
    );
    expect(model.parameters["0.weight"]!.data).toEqual(before);
    expect(trials[0]!.learningRate).toBe(1e-3);
    expect(trials.length).toBeLessThan(200);
    const ratio = (1e3 / 1e-3) ** (1 / 199);
    for (const [i, { learningRate }] of trials.entries()) expect(learningRate).toBeCloseTo(1e-3 * ratio ** i, 8);
    const least = trials.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect(suggested).toBe(least.learningRate / 10);
    // It is least about where the divergence begins: the last losses are up again.
    expect(10 * suggested).toBeGreaterThan(0.3);
    expect(10 * suggested).toBeLessThan(30);
    expect(trials.at(-1)!.loss).toBeGreaterThan(4 * least.loss);
  });

  it("smooths the losses of the batches, and restores buffers", async () => {
    using core = await createCore();
    using model = new Sequential(core, [dense(1, 4), batchNorm(), dropout(0.2), dense(1)]);
    const tensors = () => [...Object.values(model.parameters), ...Object.values(model.buffers)];
    const before = tensors().map(({ data }) => data.slice());
    const options = { loss: meanSquaredError(), batchSize: 16, steps: 3, from: 1e-4, to: 1e-2, shuffle: false };
    const { trials } = await findLearningRate(
      model,
      { x, y },
      { ...options, optimizer: (parameters, learningRate) => new RMSProp(core, parameters, { learningRate }) },
    );
    expect(tensors().map(({ data }) => data.slice())).toEqual(before);
    expect(trials.map(({ learningRate }) => learningRate)).toEqual(
      [1e-4, 1e-3, 1e-2].map((r) => expect.closeTo(r, 10)),
    );
    const raw = trials.map(({ loss }, i) => {
      const weights = (n: number) => Array.from({ length: n }, (_, k) => 0.9 ** k).reduce((a, b) => a + b, 0);
      return i === 0 ? loss : loss * weights(i + 1) - 0.9 * trials[i - 1]!.loss * weights(i);
    });
    for (const loss of raw) expect(loss).toBeGreaterThan(0);
  });

  it("refuses what makes no sense, by rejection", async () => {
    using core = await createCore();
    using model = new Sequential(core, [dense(1, 1)]);
    const optimizer = (parameters: Parameters<typeof Object.keys>[0], learningRate: (i: number) => number) =>
      new SGD(core, parameters as never, { learningRate });
    const options = { loss: meanSquaredError(), optimizer };
    const find = (more: object) => findLearningRate(model, { x, y }, { ...options, ...more });
    await expect(find({ from: 0 })).rejects.toThrow("from");
    await expect(find({ from: 1, to: 1 })).rejects.toThrow("to is 1, expected more than from");
    await expect(find({ steps: 1 })).rejects.toThrow("steps");
    await expect(find({ step: 5 })).rejects.toThrow("step");
    await expect(find({ optimizer: undefined })).rejects.toThrow("optimizer is undefined, expected a function");
    const trainer = {} as Sequential;
    await expect(findLearningRate(trainer, { x, y }, {} as never)).rejects.toThrow(/^model is .+ a Sequential/);
    const bad = findLearningRate(model, { x: x.map(() => Number.NaN), y }, options);
    await expect(bad).rejects.toThrow("from is 0.000001, at which the loss is not a finite number");
  });
});
