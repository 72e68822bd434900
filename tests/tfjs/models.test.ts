import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { accelerateModel } from "lanewise/tfjs";
import { describe, expect, it } from "vitest";
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
    found = await train(theirs, xs, ys, EPOCHS);
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
    expect(acceleration.layers).toEqual(ours.layers.map(({ name }) => name));
    const result = await train(ours, xs, ys, EPOCHS);
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
