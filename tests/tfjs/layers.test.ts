import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { type Acceleration, accelerate } from "lanewise/tfjs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Fitted, fitLayer, LAYERS } from "./layers.js";

/** Largest difference, relative to numbers above 1, of losses, predictions and weights after twenty steps. */
const TOLERANCE = 2e-5;

function farthest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let most = 0;
  for (let i = 0; i < actual.length; i++) {
    const distance = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    most = Math.max(most, Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance);
  }
  return most;
}

describe("fit with every layer on the accelerated wasm backend, beside the cpu backend", () => {
  const expected = new Map<string, Fitted>();
  let acceleration: Acceleration;

  beforeAll(async () => {
    await tf.setBackend("cpu");
    for (const layer of LAYERS) expected.set(layer.name, await fitLayer(layer));
    await tf.setBackend("wasm");
    acceleration = await accelerate();
  });
  beforeEach(() => tf.disposeVariables());
  afterAll(() => acceleration.restore());

  it.each(LAYERS.map((layer) => [layer.name, layer] as const))("%s", async (name, layer) => {
    const { losses, weights, memory } = await fitLayer(layer);
    const { losses: theirLosses, weights: theirWeights, memory: theirMemory } = expected.get(name)!;
    expect(theirLosses[19]!).toBeLessThan(theirLosses[0]!);
    expect(farthest(losses, theirLosses)).toBeLessThan(TOLERANCE);
    expect(farthest(weights, theirWeights)).toBeLessThan(TOLERANCE);
    expect(memory[1]).toEqual(memory[0]);
    expect(memory).toEqual(theirMemory);
  });
});
