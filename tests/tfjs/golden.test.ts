import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { type RMSPropOptions, rmsprop } from "lanewise/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { readGolden, startParameters } from "../golden/vectors.js";
import { expectSameBits } from "../helpers/bits.js";

// TensorFlow.js's own tests, and what its optimizer computed, through the optimizers that stand in its place.

interface Published {
  entries: {
    name: string;
    dialect: string;
    options: { learningRate: number; decay: number; momentum: number; centered?: boolean };
    parameters: { x: number[] };
    expected: { after: number; parameters: { x: number[] } }[];
    tolerance: { absolute: number };
  }[];
}

const vectors = new URL("../golden/vectors/published.json", import.meta.url);
const published = (JSON.parse(readFileSync(vectors, "utf8")) as Published).entries.filter(
  ({ dialect }) => dialect === "tfjs",
);
const golden = readGolden("tfjs");

describe.each(["cpu", "wasm"])("%s backend", (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  it("has cases", () => {
    expect(published).toHaveLength(2);
    expect(golden.cases.length).toBeGreaterThan(10);
  });

  it.each(published)("published: $name", async ({ options, parameters, expected, tolerance }) => {
    const x = tf.variable(tf.tensor1d(parameters.x));
    const make = () => rmsprop({ ...options, dialect: "tfjs" });
    let optimizer = make();
    for (const { after, parameters } of expected) {
      while (optimizer.iterations < after) {
        optimizer.minimize(() => x.square().sum() as tf.Scalar);
      }
      x.dataSync().forEach((value, i) => {
        expect(Math.abs(value - parameters.x[i]!)).toBeLessThan(tolerance.absolute);
      });
      // As there, the state goes to another optimizer after each step.
      const next = make();
      await next.setWeights(await optimizer.getWeights());
      optimizer.dispose();
      optimizer = next;
    }
    expect(expected.length).toBeGreaterThan(1);
    if (options.centered) expect(x.square().sum().dataSync()[0]).toBeCloseTo(1.520341, 6);
    x.dispose();
  });

  it.each(golden.cases)("recorded: $name", ({ options, learningRates, arrays, gradient, steps }) => {
    const start = startParameters();
    const names = ["a", "b"] as const;
    const variables = names.map((name) => tf.variable(tf.tensor1d(start[name]), true, name));
    const schedule = learningRates && { learningRate: (iteration: number) => learningRates[iteration]! };
    const optimizer = rmsprop({ ...(options as RMSPropOptions), ...schedule, dialect: "tfjs" });
    for (let step = 0; step < steps; step++) {
      optimizer.applyGradients(
        names.map((name) => {
          const values = gradient(name, step);
          return { name, tensor: (values && tf.tensor1d(values)) as tf.Tensor };
        }),
      );
      for (const [i, name] of names.entries()) {
        expectSameBits(variables[i]!.dataSync(), arrays[name].parameter![step]!, `${name} after step ${step + 1}`);
      }
    }
    optimizer.dispose();
    tf.dispose(variables);
  });
});
