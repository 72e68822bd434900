import * as tf from "@tensorflow/tfjs";
import { randomValues } from "../helpers/random.js";

// Models of one layer of interest each, for fit on any backend: so it knows nothing of the test runner.

/** A layer, in a model that ends in a dense layer of two outputs. */
export interface LayerCase {
  readonly name: string;
  /** Of one example. */
  readonly inputShape: readonly number[];
  /** Integers below this bound in place of random numbers. */
  readonly ids?: number;
  build(input: tf.SymbolicTensor): tf.SymbolicTensor;
}

const { layers } = tf;
const IMAGE = [7, 6, 3];
const SEQUENCE = [5, 4];

/** One layer. */
const one = (name: string, inputShape: readonly number[], make: () => tf.layers.Layer): LayerCase => ({
  name,
  inputShape,
  build: (input) => make().apply(input) as tf.SymbolicTensor,
});

const image = (name: string, make: () => tf.layers.Layer) => one(name, IMAGE, make);
const sequence = (name: string, make: () => tf.layers.Layer) => one(name, SEQUENCE, make);

/** A layer before one that has no parameters of its own, so that its gradient is needed. */
const behind = (
  name: string,
  inputShape: readonly number[],
  first: () => tf.layers.Layer,
  second: () => tf.layers.Layer,
): LayerCase => ({
  name,
  inputShape,
  build: (input) => second().apply(first().apply(input)) as tf.SymbolicTensor,
});

const conv = (options: object = {}) => layers.conv2d({ filters: 5, kernelSize: 3, ...options });
const negative = () => conv({ activation: "relu", biasInitializer: "ones" });

/** A layer that has no seed of its own: 1 − x is all below 0 behind relu and the like. */
const below = () => layers.dense({ units: 3, biasInitializer: tf.initializers.constant({ value: -4 }) });

export const LAYERS: readonly LayerCase[] = [
  one("dense", [9], () => layers.dense({ units: 7, activation: "relu" })),
  one("dense over a sequence", SEQUENCE, () => layers.dense({ units: 7, activation: "tanh" })),
  image("conv2d, valid", () => conv({ activation: "relu" })),
  image("conv2d, same, strides", () => conv({ padding: "same", strides: [2, 1], activation: "tanh" })),
  image("conv2d, 1 × 1", () => conv({ kernelSize: 1 })),
  behind(
    "conv2d twice",
    IMAGE,
    () => conv({ activation: "relu" }),
    () => conv({ padding: "same" }),
  ),
  sequence("conv1d", () => layers.conv1d({ filters: 6, kernelSize: 3, activation: "relu" })),
  image("conv2dTranspose", () => layers.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2 })),
  behind(
    "conv3d twice",
    [4, 5, 4, 2],
    () => layers.conv3d({ filters: 3, kernelSize: 2, activation: "relu" }),
    () => layers.conv3d({ filters: 4, kernelSize: 2 }),
  ),
  image("depthwiseConv2d", () => layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 })),
  behind(
    "depthwiseConv2d behind conv2d",
    IMAGE,
    () => conv(),
    () => layers.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: "same" }),
  ),
  image("separableConv2d", () => layers.separableConv2d({ filters: 6, kernelSize: 3, activation: "relu" })),
  behind("maxPooling2d", IMAGE, negative, () => layers.maxPooling2d({ poolSize: 2 })),
  behind("maxPooling2d of windows below 0", IMAGE, below, () => layers.maxPooling2d({ poolSize: 2 })),
  behind(
    "maxPooling2d, overlapping, same",
    IMAGE,
    () => conv(),
    () => layers.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" }),
  ),
  behind("maxPooling1d", SEQUENCE, below, () => layers.maxPooling1d({ poolSize: 2 })),
  behind(
    "averagePooling2d",
    IMAGE,
    () => conv(),
    () => layers.averagePooling2d({ poolSize: 2 }),
  ),
  behind(
    "averagePooling2d, overlapping, same",
    IMAGE,
    () => conv(),
    () => layers.averagePooling2d({ poolSize: 3, strides: 2, padding: "same" }),
  ),
  behind("averagePooling1d", SEQUENCE, below, () => layers.averagePooling1d({ poolSize: 2 })),
  behind(
    "globalAveragePooling2d",
    IMAGE,
    () => conv(),
    () => layers.globalAveragePooling2d({}),
  ),
  behind(
    "globalMaxPooling2d",
    IMAGE,
    () => conv(),
    () => layers.globalMaxPooling2d({}),
  ),
  behind(
    "batchNormalization of images",
    IMAGE,
    () => conv(),
    () => layers.batchNormalization(),
  ),
  behind(
    "batchNormalization of rows",
    [9],
    () => layers.dense({ units: 6 }),
    () => layers.batchNormalization(),
  ),
  behind(
    "layerNormalization",
    [9],
    () => layers.dense({ units: 6 }),
    () => layers.layerNormalization(),
  ),
  behind("layerNormalization of a sequence", SEQUENCE, below, () => layers.layerNormalization()),
  {
    ...one("embedding", [6], () => layers.embedding({ inputDim: 11, outputDim: 5 })),
    ids: 11,
  },
  sequence("simpleRNN", () => layers.simpleRNN({ units: 6 })),
  sequence("simpleRNN, sequences", () => layers.simpleRNN({ units: 6, returnSequences: true })),
  sequence("lstm", () => layers.lstm({ units: 6 })),
  sequence("lstm, sequences, sigmoid", () => {
    return layers.lstm({ units: 6, returnSequences: true, recurrentActivation: "sigmoid" });
  }),
  sequence("gru", () => layers.gru({ units: 6 })),
  sequence("bidirectional lstm", () => {
    return layers.bidirectional({ layer: layers.lstm({ units: 4 }) as tf.RNN, mergeMode: "concat" });
  }),
  one("convLstm2d", [3, 5, 4, 2], () => layers.convLstm2d({ filters: 3, kernelSize: 3 }) as tf.layers.Layer),
  sequence("timeDistributed", () => layers.timeDistributed({ layer: layers.dense({ units: 3, activation: "relu" }) })),
  // Without chance: what is compared is the path through the layer.
  behind(
    "dropout",
    [9],
    () => layers.dense({ units: 6 }),
    () => layers.dropout({ rate: 0 }),
  ),
  behind(
    "prelu",
    IMAGE,
    () => conv(),
    () => layers.prelu(),
  ),
  behind(
    "prelu, one slope a row",
    IMAGE,
    () => conv(),
    () => layers.prelu({ sharedAxes: [2, 3] }),
  ),
  behind(
    "leakyReLU",
    IMAGE,
    () => conv(),
    () => layers.leakyReLU({}),
  ),
  behind("softmax", SEQUENCE, below, () => layers.softmax({ axis: -1 })),
  behind(
    "zeroPadding2d",
    IMAGE,
    () => conv(),
    () =>
      layers.zeroPadding2d({
        padding: [
          [1, 0],
          [2, 1],
        ],
      }),
  ),
  {
    name: "attention by dot and softmax",
    inputShape: SEQUENCE,
    build(input) {
      const [query, key, value] = [3, 3, 4].map((units) => layers.dense({ units }).apply(input)) as tf.SymbolicTensor[];
      const scores = layers.dot({ axes: [2, 2] }).apply([query!, key!]) as tf.SymbolicTensor;
      const weights = layers.softmax({ axis: -1 }).apply(scores) as tf.SymbolicTensor;
      return layers.dot({ axes: [2, 1] }).apply([weights, value!]) as tf.SymbolicTensor;
    },
  },
  {
    name: "two branches, added and concatenated",
    inputShape: IMAGE,
    build(input) {
      const [a, b] = [1, 3].map((kernelSize) =>
        conv({ kernelSize, padding: "same" }).apply(input),
      ) as tf.SymbolicTensor[];
      const sum = layers.add().apply([a!, b!]) as tf.SymbolicTensor;
      return layers.concatenate().apply([sum, a!]) as tf.SymbolicTensor;
    },
  },
];

/** What came of a fit. */
export interface Fitted {
  readonly losses: number[];
  readonly weights: Float32Array;
  /** Tensors and bytes that TensorFlow.js counts, more than before: after the first epoch, the last, and at the end. */
  readonly memory: readonly (readonly [tensors: number, bytes: number])[];
}

const BATCH = 8;

/** Twenty steps of momentum on the present backend, from weights that depend on the case alone. */
export async function fitLayer({ inputShape, ids, build }: LayerCase): Promise<Fitted> {
  const before = tf.memory();
  const grown = () => [tf.memory().numTensors - before.numTensors, tf.memory().numBytes - before.numBytes] as const;
  const input = tf.input({ shape: [...inputShape] });
  const features = build(input);
  const flat = features.shape.length > 2 ? layers.flatten().apply(features) : features;
  const model = tf.model({ inputs: input, outputs: layers.dense({ units: 2 }).apply(flat) as tf.SymbolicTensor });
  model.setWeights(
    model.getWeights().map(({ shape, size }, i) => {
      // The moving variance of batch normalization must not be negative.
      const isVariance = model.weights[i]!.name.includes("variance");
      return tf.tensor(isVariance ? new Float32Array(size).fill(1) : randomValues(size, i, 0.3), shape);
    }),
  );
  model.compile({ optimizer: tf.train.momentum(0.02, 0.9), loss: "meanSquaredError" });
  const count = BATCH * inputShape.reduce((product, size) => product * size, 1);
  const values = randomValues(count, 1000, 1);
  const x = tf.tensor(ids === undefined ? values : values.map((_, i) => (i * 7) % ids), [BATCH, ...inputShape]);
  const y = tf.tensor2d(randomValues(2 * BATCH, 1001), [BATCH, 2]);
  const memory: (readonly [number, number])[] = [];
  const losses: number[] = [];
  for (const epochs of [1, 19]) {
    const { history } = await model.fit(x, y, { epochs, batchSize: BATCH, shuffle: false, verbose: 0 });
    losses.push(...(history["loss"] as number[]));
    memory.push(grown());
  }
  const weights = Float32Array.from(model.getWeights().flatMap((weight) => Array.from(weight.dataSync())));
  const predictions = model.predict(x) as tf.Tensor;
  losses.push(...Array.from(predictions.dataSync()));
  tf.dispose([x, y, predictions]);
  model.optimizer.dispose();
  model.dispose();
  memory.push(grown());
  return { losses, weights, memory };
}

/** What `distance` must be below after twenty steps. */
export const TOLERANCE = 2e-5;

/** Largest difference of losses, predictions and weights, relative to numbers above 1. */
export function distance(actual: Fitted, expected: Fitted): number {
  let most = 0;
  for (const part of ["losses", "weights"] as const) {
    if (actual[part].length !== expected[part].length) return Number.POSITIVE_INFINITY;
    expected[part].forEach((value, i) => {
      const difference = Math.abs(actual[part][i]! - value) / Math.max(1, Math.abs(value));
      most = Math.max(most, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
    });
  }
  return most;
}

/** Layers that differ on the present backend from the cpu backend, with their distances. */
export async function compareLayers(names: readonly string[]): Promise<{ compared: number; failures: string[] }> {
  const backend = tf.getBackend();
  const layers = LAYERS.filter(({ name }) => names.includes(name));
  const failures: string[] = [];
  for (const layer of layers) {
    await tf.setBackend("cpu");
    const expected = await fitLayer(layer);
    await tf.setBackend(backend);
    const far = distance(await fitLayer(layer), expected);
    if (!(far < TOLERANCE)) failures.push(`${layer.name}: ${far}`);
  }
  return { compared: layers.length, failures };
}

/** A layer for each family of kernels. */
export const FEW_LAYERS: readonly string[] = [
  "dense",
  "conv2d twice",
  "separableConv2d",
  "maxPooling2d of windows below 0",
  "averagePooling2d",
  "batchNormalization of images",
  "layerNormalization",
  "embedding",
  "lstm",
  "attention by dot and softmax",
];
