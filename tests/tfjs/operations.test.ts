import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { type Acceleration, accelerate } from "lanewise/tfjs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { randomSource, randomValues } from "../helpers/random.js";
import { difference } from "./matrix.js";
import { OPERATIONS, type Plan } from "./operations.js";

const RUNS = 60;

describe("operations and their gradients on the accelerated wasm backend, beside the cpu backend", () => {
  let acceleration: Acceleration;
  beforeAll(async () => {
    await tf.setBackend("wasm");
    acceleration = await accelerate();
  });
  afterAll(() => acceleration.restore());
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  /** The result, and the gradients of the operands. */
  async function run(backend: string, plan: Plan, seed: number): Promise<Float32Array[]> {
    const { shapes, hasNoGradient } = plan;
    const run = (backend === "cpu" && plan.reference) || plan.run;
    await tf.setBackend(backend);
    const inputs = shapes.map((shape, i) => tf.tensor(randomValues(tf.util.sizeFromShape(shape), seed + i), shape));
    const before = tf.memory().numTensors;
    const outputs = [tf.tidy(() => run(...inputs))];
    expect(tf.memory().numTensors).toBe(before + 1);
    const [y] = outputs as [tf.Tensor];
    if (!hasNoGradient) {
      outputs.push(...tf.grads(run)(inputs, tf.tensor(randomValues(y.size, seed + 100), y.shape)));
    }
    return outputs.map((tensor) => Float32Array.from(tensor.dataSync()));
  }

  it.each(OPERATIONS.map((operation) => [operation.name, operation] as const))("%s", async (_, { plan }) => {
    for (let i = 0; i < RUNS; i++) {
      const seed = Math.floor(Math.random() * 2 ** 32);
      const next = randomSource(seed);
      const drawn = plan((low, high) => low + Math.floor(next() * (high - low + 1)));
      const expected = await run("cpu", drawn, seed);
      const actual = await run("wasm", drawn, seed);
      expected.forEach((values, j) => {
        const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
        expect(difference(actual[j]!, values, 1e-5 * largest), `seed ${seed}, number ${j}`).toBeUndefined();
      });
    }
  });
});
