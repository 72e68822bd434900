import * as tf from "@tensorflow/tfjs";
import { randomValues } from "../helpers/random.js";

// Networks whose fit is measured; they know nothing of a test runner, and run on any backend.

export interface Network {
  readonly name: string;
  /** Of one example. */
  readonly inputShape: readonly number[];
  /** Integers below this bound in place of random numbers. */
  readonly ids?: number;
  readonly batchSize: number;
  /** Batches of a fit on the wasm backend, and on the cpu backend, where a convolution takes seconds. */
  readonly batches: readonly [wasm: number, cpu: number];
  layers(): tf.layers.Layer[];
}

const { layers } = tf;
const conv = (filters: number, options: object = {}) =>
  layers.conv2d({ filters, kernelSize: 3, activation: "relu", ...options });
const pool = () => layers.maxPooling2d({ poolSize: 2 });
const dense = (units: number) => layers.dense({ units, activation: "relu" });

/** Depthwise and pointwise convolution, each with batch normalization and a rectifier that ends at 6. */
const block = (filters: number, strides: number) => [
  layers.depthwiseConv2d({ kernelSize: 3, strides, padding: "same", useBias: false }),
  layers.batchNormalization(),
  layers.reLU({ maxValue: 6 }),
  layers.conv2d({ filters, kernelSize: 1, useBias: false }),
  layers.batchNormalization(),
  layers.reLU({ maxValue: 6 }),
];

export const NETWORKS: readonly Network[] = [
  { name: "784-128-10", inputShape: [784], batchSize: 32, batches: [64, 16], layers: () => [dense(128)] },
  {
    name: "784-256-128-10",
    inputShape: [784],
    batchSize: 128,
    batches: [32, 4],
    layers: () => [dense(256), dense(128)],
  },
  {
    name: "24-batchNorm-16-3, a micro:bit trainer's",
    inputShape: [24],
    batchSize: 60,
    batches: [64, 64],
    layers: () => [layers.batchNormalization(), dense(16)],
  },
  {
    name: "CNN 28 × 28, 8 and 16 filters",
    inputShape: [28, 28, 1],
    batchSize: 32,
    batches: [16, 1],
    layers: () => [conv(8), pool(), conv(16), pool(), layers.flatten()],
  },
  {
    name: "CNN 28 × 28, 32 and 64 filters, dense 128",
    inputShape: [28, 28, 1],
    batchSize: 32,
    batches: [8, 1],
    layers: () => [conv(32), pool(), conv(64), pool(), layers.flatten(), dense(128)],
  },
  {
    name: "MobileNet-like blocks, 32 × 32",
    inputShape: [32, 32, 3],
    batchSize: 16,
    batches: [8, 1],
    layers: () => [
      conv(16, { strides: 2, padding: "same" }),
      ...block(32, 1),
      ...block(64, 2),
      layers.globalAveragePooling2d({}),
    ],
  },
  {
    name: "text: embedding, LSTM 32 over 40 words",
    inputShape: [40],
    ids: 2000,
    batchSize: 32,
    batches: [8, 2],
    layers: () => [
      layers.embedding({ inputDim: 2000, outputDim: 32 }),
      layers.lstm({ units: 32, recurrentInitializer: "glorotNormal" }),
    ],
  },
  {
    name: "text: embedding, average of 40 words",
    inputShape: [40],
    ids: 5000,
    batchSize: 32,
    batches: [32, 8],
    layers: () => [layers.embedding({ inputDim: 5000, outputDim: 32 }), layers.globalAveragePooling1d({})],
  },
];

/** A network with random data, to be fitted as often as one likes. */
export function prepare(network: Network, optimizer: tf.Optimizer, batches: number) {
  const { inputShape, ids, batchSize } = network;
  const input = tf.input({ shape: [...inputShape] });
  const features = network.layers().reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
  const output = layers.dense({ units: 10, activation: "softmax" }).apply(features) as tf.SymbolicTensor;
  const model = tf.model({ inputs: input, outputs: output });
  model.compile({ optimizer, loss: "categoricalCrossentropy", metrics: ["accuracy"] });
  const rows = batches * batchSize;
  const values = randomValues(rows * inputShape.reduce((product, size) => product * size, 1), 1);
  const x = tf.tensor(ids === undefined ? values : values.map((value) => Math.floor(((value + 1) / 2) * ids)), [
    rows,
    ...inputShape,
  ]);
  const classes = tf.tensor1d(
    Array.from({ length: rows }, (_, i) => (i * 7) % 10),
    "int32",
  );
  const y = tf.oneHot(classes, 10).toFloat();
  classes.dispose();
  return {
    model,
    fit: (epochs = 1) => model.fit(x, y, { epochs, batchSize, shuffle: false, verbose: 0 }),
    dispose() {
      model.dispose();
      tf.dispose([x, y]);
    },
  };
}
