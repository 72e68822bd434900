import * as tf from "@tensorflow/tfjs";
import { adagrad, adam, adamw, type LanewiseOptimizer, momentum, rmsprop, sgd } from "lanewise/tfjs";
import { randomValues } from "../helpers/random.js";

// What is run on every backend, in Node and in browsers: so it knows nothing of the test runner.

/** An optimizer of Lanewise beside TensorFlow.js's, or beside another of its own that must do the same. */
export interface Pair {
  name: string;
  ours(): LanewiseOptimizer;
  theirs(): tf.Optimizer;
  /** 0: the same bits. Else the largest difference of a parameter after all steps. */
  tolerance: number;
}

const rate = 0.01;

export const PAIRS: readonly Pair[] = [
  { name: "rmsprop", ours: () => rmsprop(rate), theirs: () => tf.train.rmsprop(rate), tolerance: 0 },
  {
    name: "rmsprop, all arguments",
    ours: () => rmsprop(rate, 0.8, 0.5, 1e-5),
    theirs: () => tf.train.rmsprop(rate, 0.8, 0.5, 1e-5),
    tolerance: 0,
  },
  {
    name: 'rmsprop, dialect "tfjs"',
    ours: () => rmsprop({ learningRate: rate, momentum: 0.9, dialect: "tfjs" }),
    theirs: () => tf.train.rmsprop(rate, 0.9, 0.9),
    tolerance: 0,
  },
  {
    name: 'rmsprop, dialect "tfjs", centered',
    // With its own epsilon all of this would be NaN.
    ours: () => rmsprop({ learningRate: rate, momentum: 0.5, eps: 1e-14, centered: true, dialect: "tfjs" }),
    theirs: () => tf.train.rmsprop(rate, 0.9, 0.5, 1e-14, true),
    tolerance: 0,
  },
  { name: "adagrad", ours: () => adagrad(0.1), theirs: () => tf.train.adagrad(0.1), tolerance: 0 },
  { name: "adagrad, from 1", ours: () => adagrad(0.1, 1), theirs: () => tf.train.adagrad(0.1, 1), tolerance: 0 },
  { name: "sgd", ours: () => sgd(rate), theirs: () => tf.train.sgd(rate), tolerance: 0 },
  { name: "momentum", ours: () => momentum(rate, 0.9), theirs: () => tf.train.momentum(rate, 0.9), tolerance: 0 },
  {
    name: "momentum, Nesterov",
    ours: () => momentum(rate, 0.9, true),
    theirs: () => tf.train.momentum(rate, 0.9, true),
    tolerance: 0,
  },
  { name: "adam", ours: () => adam(), theirs: () => tf.train.adam(), tolerance: 2e-6 },
  {
    name: "adam, all arguments",
    ours: () => adam(rate, 0.8, 0.9, 1e-4),
    theirs: () => tf.train.adam(rate, 0.8, 0.9, 1e-4),
    tolerance: 2e-5,
  },
  // Without decay AdamW is Adam.
  { name: "adamw", ours: () => adamw(rate, 0.9, 0.999, null, 0), theirs: () => adam(rate), tolerance: 0 },
];

export const SHAPES: Readonly<Record<string, readonly number[][]>> = {
  scalar: [[]],
  "a vector": [[37]],
  "a dense layer": [[30, 7], [7]],
  "a convolution": [[3, 3, 2, 5], [5], [1, 1, 5, 3], [3]],
  "ten of many": [[64], [3, 3], [1], [2, 3, 4], [0], [5, 1], [129], [8, 8], [], [33, 2]],
};

/** Parameters after `steps` steps with given gradients, all one after the other. */
export function walk(make: () => tf.Optimizer, shapes: readonly number[][], steps: number): Float32Array {
  const variables = shapes.map((shape, i) => {
    const initial = tf.tensor(randomValues(tf.util.sizeFromShape(shape), i), shape);
    const made = tf.variable(initial);
    initial.dispose();
    return made;
  });
  const optimizer = make();
  for (let step = 0; step < steps; step++) {
    const gradients = variables.map(({ name, shape, size }, i) => ({
      name,
      tensor: tf.tensor(randomValues(size, 1000 * step + i, 10 ** ((step % 7) - 4)), shape),
    }));
    optimizer.applyGradients(gradients);
    for (const { tensor } of gradients) tensor.dispose();
  }
  const values = variables.flatMap((variable) => Array.from(variable.dataSync()));
  optimizer.dispose();
  tf.dispose(variables);
  return Float32Array.from(values);
}

/** Weights and predictions of a small network after a hundred steps of `fit`. */
export async function fit(make: () => tf.Optimizer): Promise<Float32Array> {
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 16, activation: "tanh", inputShape: [20], kernelInitializer: seeded(1) }),
      tf.layers.dense({ units: 11, activation: "relu", kernelInitializer: seeded(2) }),
      tf.layers.dense({ units: 3, kernelInitializer: seeded(3) }),
    ],
  });
  const optimizer = make();
  model.compile({ optimizer, loss: "meanSquaredError" });
  const x = tf.tensor2d(randomValues(80 * 20, 4), [80, 20]);
  const y = tf.tensor2d(randomValues(80 * 3, 5), [80, 3]);
  await model.fit(x, y, { epochs: 20, batchSize: 16, shuffle: false, verbose: 0 });
  const predictions = model.predict(x) as tf.Tensor;
  const values = [...model.getWeights(), predictions].flatMap((tensor) => Array.from(tensor.dataSync()));
  tf.dispose([x, y, predictions]);
  model.dispose();
  optimizer.dispose();
  return Float32Array.from(values);
}

/** What is wrong with the numbers, in words; undefined if nothing is. NaN is NaN. */
export function difference(actual: Float32Array, expected: Float32Array, tolerance: number): string | undefined {
  if (actual.length !== expected.length || actual.length === 0)
    return `${actual.length} numbers, not ${expected.length}`;
  for (let i = 0; i < actual.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    const isSame = tolerance === 0 ? Object.is(a, b) : Math.abs(a - b) <= tolerance;
    if (!isSame) return `[${i}] is ${a}, not ${b}`;
  }
  return undefined;
}

/** Pairs over every model: what differs, by name. An empty list would be no proof, so comparisons are counted. */
export async function runMatrix(
  steps: number,
  names = PAIRS.map(({ name }) => name),
): Promise<{ compared: number; failures: string[] }> {
  const failures: string[] = [];
  let compared = 0;
  const check = (name: string, actual: Float32Array, expected: Float32Array, tolerance: number): void => {
    compared++;
    const found = difference(actual, expected, tolerance);
    if (found) failures.push(`${name}: ${found}`);
  };
  for (const { name, ours, theirs, tolerance } of PAIRS) {
    if (!names.includes(name)) continue;
    for (const [shape, shapes] of Object.entries(SHAPES)) {
      check(`${name}, ${shape}`, walk(ours, shapes, steps), walk(theirs, shapes, steps), tolerance);
    }
    if (!name.includes("centered")) check(`${name}, fit`, await fit(ours), await fit(theirs), 10 * tolerance);
  }
  return { compared, failures };
}
