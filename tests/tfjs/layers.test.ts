import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { type Acceleration, accelerate } from "lanewise/tfjs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { distance, type Fitted, fitLayer, LAYERS, TOLERANCE } from "./layers.js";

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
    const ours = await fitLayer(layer);
    const theirs = expected.get(name)!;
    expect(theirs.losses[19]!).toBeLessThan(theirs.losses[0]!);
    expect(distance(ours, theirs)).toBeLessThan(TOLERANCE);
    expect(ours.memory[1]).toEqual(ours.memory[0]);
    expect(ours.memory).toEqual(theirs.memory);
  });
});
