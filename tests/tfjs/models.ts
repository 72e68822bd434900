import * as tf from "@tensorflow/tfjs";
import { randomValues } from "../helpers/random.js";

// Models that are trained by Lanewise and by TensorFlow.js's cpu backend, and compared.

/** A model for each layer that both have. */
export interface ModelCase {
  readonly name: string;
  /** Of one example. */
  readonly inputShape: readonly number[];
  /** Integers below this bound in place of random numbers. */
  readonly ids?: number;
  readonly loss?: string;
  /** Default 5. */
  readonly batchSize?: number;
  readonly optimizer?: () => tf.Optimizer;
  apply(x: tf.SymbolicTensor): tf.SymbolicTensor;
}

const { layers } = tf;
type Made = tf.layers.Layer;
const chain =
  (...all: (() => Made)[]) =>
  (x: tf.SymbolicTensor) =>
    all.reduce((y, make) => make().apply(y) as tf.SymbolicTensor, x);
/** The layer, then a dense one of three outputs. */
const headed =
  (...all: (() => Made)[]) =>
  (x: tf.SymbolicTensor) => {
    const y = chain(...all)(x);
    const flat = y.shape.length > 2 ? (layers.flatten().apply(y) as tf.SymbolicTensor) : y;
    return layers.dense({ units: 3 }).apply(flat) as tf.SymbolicTensor;
  };
const image = [7, 6, 2];
const sequence = [5, 3];

const activations = ["relu", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "swish", "mish", "hardSigmoid"];

export const MODELS: readonly ModelCase[] = [
  { name: "dense", inputShape: [5], apply: headed(() => layers.dense({ units: 4, activation: "tanh" })) },
  {
    name: "dense over steps, no bias",
    inputShape: sequence,
    apply: headed(() => layers.dense({ units: 4, useBias: false })),
  },
  ...activations.map((name) => ({
    name: `activation ${name}`,
    inputShape: [6],
    apply: headed(
      () => layers.dense({ units: 5, activation: name as "relu" }),
      () => layers.activation({ activation: name as "relu" }),
    ),
  })),
  {
    name: "softmax in the middle",
    inputShape: [6],
    apply: headed(
      () => layers.dense({ units: 4 }),
      () => layers.softmax({}),
    ),
  },
  {
    name: "leakyReLU",
    inputShape: [6],
    apply: headed(
      () => layers.dense({ units: 5 }),
      () => layers.leakyReLU({ alpha: 0.2 }),
    ),
  },
  {
    name: "elu layer, relu layer",
    inputShape: [6],
    apply: headed(
      () => layers.elu({}),
      () => layers.dense({ units: 5 }),
      () => layers.reLU(),
    ),
  },
  {
    name: "relu6 by name, relu6 layer",
    inputShape: [6],
    apply: headed(
      () => layers.dense({ units: 5, activation: "relu6" }),
      () => layers.dense({ units: 5 }),
      () => layers.reLU({ maxValue: 6 }),
    ),
  },
  {
    name: "prelu",
    inputShape: [6],
    apply: headed(
      () => layers.dense({ units: 5 }),
      () => layers.prelu({}),
    ),
  },
  {
    name: "dropout of rate 0, reshape",
    inputShape: [6],
    apply: headed(
      () => layers.dropout({ rate: 0 }),
      () => layers.reshape({ targetShape: [2, 3] }),
      () => layers.dense({ units: 2 }),
    ),
  },
  {
    name: "conv1d",
    inputShape: [9, 2],
    apply: headed(() => layers.conv1d({ filters: 3, kernelSize: 3, strides: 2, padding: "same", activation: "relu" })),
  },
  {
    name: "conv2d",
    inputShape: image,
    apply: headed(() => layers.conv2d({ filters: 3, kernelSize: 3, activation: "relu" })),
  },
  {
    name: "conv2d, strides, same",
    inputShape: image,
    apply: headed(() =>
      layers.conv2d({ filters: 3, kernelSize: [3, 2], strides: [2, 1], padding: "same", useBias: false }),
    ),
  },
  {
    name: "conv2dTranspose",
    optimizer: () => tf.train.sgd(0.005),
    inputShape: image,
    apply: headed(() =>
      layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, padding: "same", activation: "tanh" }),
    ),
  },
  {
    name: "depthwiseConv2d",
    inputShape: image,
    apply: headed(() => layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, activation: "relu" })),
  },
  {
    name: "separableConv2d",
    inputShape: image,
    apply: headed(() => layers.separableConv2d({ filters: 3, kernelSize: 3, depthMultiplier: 2, padding: "same" })),
  },
  {
    name: "maxPooling2d",
    inputShape: image,
    apply: headed(
      () => layers.conv2d({ filters: 2, kernelSize: 2 }),
      () => layers.maxPooling2d({ poolSize: 2 }),
    ),
  },
  {
    name: "averagePooling2d",
    inputShape: image,
    apply: headed(
      () => layers.conv2d({ filters: 2, kernelSize: 2 }),
      () => layers.averagePooling2d({ poolSize: 3, strides: 2 }),
    ),
  },
  {
    name: "pooling 1d",
    inputShape: [9, 2],
    apply: headed(
      () => layers.conv1d({ filters: 3, kernelSize: 2 }),
      () => layers.maxPooling1d({ poolSize: 2 }),
      () => layers.averagePooling1d({ poolSize: 2, strides: 1 }),
    ),
  },
  {
    name: "globalAveragePooling2d",
    inputShape: image,
    apply: headed(
      () => layers.conv2d({ filters: 4, kernelSize: 2 }),
      () => layers.globalAveragePooling2d({}),
    ),
  },
  {
    name: "globalMaxPooling2d",
    inputShape: image,
    apply: headed(
      () => layers.conv2d({ filters: 4, kernelSize: 2 }),
      () => layers.globalMaxPooling2d({}),
    ),
  },
  {
    name: "globalAveragePooling1d",
    inputShape: sequence,
    apply: headed(
      () => layers.dense({ units: 4 }),
      () => layers.globalAveragePooling1d({}),
    ),
  },
  {
    name: "globalMaxPooling1d",
    inputShape: sequence,
    apply: headed(
      () => layers.dense({ units: 4 }),
      () => layers.globalMaxPooling1d({}),
    ),
  },
  {
    name: "batchNormalization",
    inputShape: [6],
    apply: headed(
      () => layers.batchNormalization(),
      () => layers.dense({ units: 4 }),
    ),
  },
  {
    name: "batchNormalization of images",
    inputShape: image,
    apply: headed(
      () => layers.batchNormalization({ momentum: 0.9 }),
      () => layers.conv2d({ filters: 2, kernelSize: 2 }),
    ),
  },
  {
    name: "layerNormalization",
    inputShape: [6],
    apply: headed(
      () => layers.dense({ units: 5 }),
      () => layers.layerNormalization({}),
    ),
  },
  {
    name: "embedding",
    inputShape: [4],
    ids: 11,
    apply: headed(() => layers.embedding({ inputDim: 11, outputDim: 3 })),
  },
  {
    name: "simpleRNN",
    inputShape: sequence,
    apply: headed(() => layers.simpleRNN({ units: 4, recurrentInitializer: "glorotUniform" })),
  },
  {
    name: "simpleRNN, all steps",
    inputShape: sequence,
    apply: headed(() =>
      layers.simpleRNN({ units: 4, returnSequences: true, goBackwards: true, recurrentInitializer: "glorotUniform" }),
    ),
  },
  {
    name: "lstm",
    inputShape: sequence,
    apply: headed(() => layers.lstm({ units: 4, recurrentInitializer: "glorotUniform" })),
  },
  {
    name: "lstm, sigmoid",
    inputShape: sequence,
    apply: headed(() =>
      layers.lstm({
        units: 4,
        recurrentActivation: "sigmoid",
        returnSequences: true,
        recurrentInitializer: "glorotUniform",
      }),
    ),
  },
  {
    name: "gru",
    inputShape: sequence,
    apply: headed(() => layers.gru({ units: 4, recurrentInitializer: "glorotUniform" })),
  },
  {
    name: "bidirectional",
    inputShape: sequence,
    apply: headed(() =>
      layers.bidirectional({
        layer: layers.lstm({ units: 3, recurrentInitializer: "glorotUniform", returnSequences: true }) as tf.RNN,
        mergeMode: "concat",
      }),
    ),
  },
  {
    name: "bidirectional, sum",
    inputShape: sequence,
    apply: headed(() =>
      layers.bidirectional({
        layer: layers.gru({ units: 3, recurrentInitializer: "glorotUniform" }) as tf.RNN,
        mergeMode: "sum",
      }),
    ),
  },
  {
    name: "timeDistributed",
    inputShape: sequence,
    apply: headed(() => layers.timeDistributed({ layer: layers.dense({ units: 4, activation: "relu" }) })),
  },
  {
    name: "upSampling2d",
    batchSize: 1, // for larger ones the gradient of TensorFlow.js's cpu backend is wrong
    inputShape: [3, 2, 2],
    apply: headed(
      () => layers.conv2d({ filters: 2, kernelSize: 2, padding: "same" }),
      () => layers.upSampling2d({ size: [2, 3] }),
      () => layers.conv2d({ filters: 1, kernelSize: 2 }),
    ),
  },
  {
    name: "add and concatenate, a shared layer",
    inputShape: [6],
    apply(x) {
      const shared = layers.dense({ units: 6, activation: "tanh" });
      const a = shared.apply(x) as tf.SymbolicTensor;
      const b = shared.apply(a) as tf.SymbolicTensor;
      const sum = layers.add().apply([a, b, x]) as tf.SymbolicTensor;
      const all = layers.concatenate().apply([sum, b]) as tf.SymbolicTensor;
      return layers.dense({ units: 3 }).apply(all) as tf.SymbolicTensor;
    },
  },
  {
    name: "a model as a layer, used twice",
    inputShape: [6],
    apply(x) {
      const inner = tf.sequential({
        layers: [layers.dense({ units: 6, activation: "relu", inputShape: [6] }), layers.dense({ units: 6 })],
      });
      const y = inner.apply(inner.apply(x)) as tf.SymbolicTensor;
      return layers.dense({ units: 3 }).apply(y) as tf.SymbolicTensor;
    },
  },
  {
    name: "a frozen layer",
    inputShape: [6],
    apply: headed(
      () => layers.dense({ units: 5, activation: "relu", trainable: false }),
      () => layers.dense({ units: 4 }),
    ),
  },
  ...(["meanAbsoluteError", "hinge"] as const).map((loss) => ({
    name: loss,
    inputShape: [5],
    loss,
    apply: headed(() => layers.dense({ units: 4, activation: "tanh" })),
  })),
  {
    name: "categoricalCrossentropy",
    inputShape: [5],
    loss: "categoricalCrossentropy",
    apply: chain(
      () => layers.dense({ units: 4, activation: "relu" }),
      () => layers.dense({ units: 3, activation: "softmax" }),
    ),
  },
  {
    name: "sparseCategoricalCrossentropy, softmax by itself",
    inputShape: [5],
    loss: "sparseCategoricalCrossentropy",
    apply: chain(
      () => layers.dense({ units: 3 }),
      () => layers.softmax({}),
    ),
  },
  {
    name: "sparseCategoricalCrossentropy of steps",
    inputShape: sequence,
    loss: "sparseCategoricalCrossentropy",
    apply: chain(() => layers.dense({ units: 3, activation: "softmax" })),
  },
  {
    name: "binaryCrossentropy",
    inputShape: [5],
    loss: "binaryCrossentropy",
    apply: chain(
      () => layers.dense({ units: 4, activation: "relu" }),
      () => layers.dense({ units: 3, activation: "sigmoid" }),
    ),
  },
  {
    name: "meanSquaredError after softmax",
    inputShape: [5],
    apply: chain(() => layers.dense({ units: 3, activation: "softmax" })),
  },
  ...Object.entries({
    sgd: () => tf.train.sgd(0.1),
    momentum: () => tf.train.momentum(0.02, 0.9),
    nesterov: () => tf.train.momentum(0.02, 0.9, true),
    rmsprop: () => tf.train.rmsprop(0.005, 0.9, 0.5),
    adam: () => tf.train.adam(0.01),
    adagrad: () => tf.train.adagrad(0.05),
  }).map(([name, optimizer]) => ({
    name: `optimizer ${name}`,
    inputShape: [5],
    optimizer,
    apply: headed(() => layers.dense({ units: 4, activation: "tanh" })),
  })),
];

const ROWS = 22;

/** A compiled model with the same weights each time, and data. */
export function build({
  inputShape,
  ids,
  loss = "meanSquaredError",
  optimizer = () => tf.train.sgd(0.05),
  apply,
}: ModelCase) {
  const x = tf.input({ shape: [...inputShape] });
  const model = tf.model({ inputs: x, outputs: apply(x) });
  model.compile({
    optimizer: optimizer(),
    loss,
    metrics: ["accuracy", "mse"].slice(0, loss.startsWith("sparse") ? 1 : 2),
  });
  setWeights(model);
  const size = inputShape.reduce((product, length) => product * length, ROWS);
  const values = randomValues(size, 5);
  const xs = tf.tensor(ids === undefined ? values : values.map((value) => Math.floor(((value + 1) / 2) * ids)), [
    ROWS,
    ...inputShape,
  ]);
  const row = model.outputs[0]!.shape.slice(1) as number[];
  const answers = row.slice(0, -1).reduce((product, length) => product * length, ROWS);
  const classes = randomValues(answers, 6).map((value) => Math.floor(((value + 1) / 2) * 3));
  const ys = tf.tidy(() => {
    if (loss.startsWith("sparse")) return tf.tensor(classes, [ROWS, ...row.slice(0, -1), 1]);
    if (loss.endsWith("Crossentropy")) return tf.oneHot(tf.tensor1d(classes, "int32"), 3).toFloat();
    const numbers = randomValues(answers * row.at(-1)!, 7);
    return tf.tensor(loss === "hinge" ? numbers.map((value) => (value < 0 ? -1 : 1)) : numbers, [ROWS, ...row]);
  });
  return { model, xs, ys };
}

/** Weights that are the same for the same shapes; moving variances must not be negative. */
function setWeights(model: tf.LayersModel): void {
  const weights = model.weights.map((weight, i) => {
    const values = randomValues(tf.util.sizeFromShape(weight.shape as number[]), 100 + i, 0.6);
    const kept = weight.originalName.endsWith("moving_variance") ? values.map((value) => 1 + Math.abs(value)) : values;
    return tf.tensor(kept, weight.shape as number[]);
  });
  model.setWeights(weights);
  tf.dispose(weights);
}

/** Everything that training has made of a model, after steps in batches that do not fill the last one. */
export async function train(model: tf.LayersModel, xs: tf.Tensor, ys: tf.Tensor, epochs: number, batchSize = 5) {
  const { history } = await model.fit(xs, ys, { epochs, batchSize, shuffle: false, verbose: 0 });
  const evaluation = tf.tidy(() => [model.evaluate(xs, ys)].flat().map((value) => value.dataSync()[0]!));
  const prediction = tf.tidy(() => Float32Array.from((model.predict(xs) as tf.Tensor).dataSync()));
  const weights = model.getWeights().map((weight) => Float32Array.from(weight.dataSync()));
  return { history: history as Record<string, number[]>, evaluation, prediction, weights };
}
