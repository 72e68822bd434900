import * as nn from "../../src/nn/index.js";

/** A layer, and the shape of an example that it takes. */
export interface LayerCase {
  readonly input: readonly number[];
  readonly make: () => nn.Layer;
  /** Inputs are indices below this. */
  readonly indices?: number;
}

const series = [5, 4];
const image = [6, 5, 4];

/** Every function of lanewise/nn that makes a layer of one input; a test compares the names with the exports. */
export const everyLayer: Readonly<Record<string, LayerCase>> = {
  dense: { input: [4], make: () => nn.dense(6, { activation: "relu" }) },
  relu: { input: [7], make: () => nn.relu() },
  tanh: { input: [7], make: () => nn.tanh() },
  sigmoid: { input: [7], make: () => nn.sigmoid() },
  activation: { input: [7], make: () => nn.activation("silu") },
  elu: { input: [7], make: () => nn.elu() },
  gelu: { input: [7], make: () => nn.gelu() },
  hardSigmoid: { input: [7], make: () => nn.hardSigmoid() },
  hardSwish: { input: [7], make: () => nn.hardSwish() },
  leakyRelu: { input: [7], make: () => nn.leakyRelu() },
  logSoftmax: { input: [7], make: () => nn.logSoftmax() },
  mish: { input: [7], make: () => nn.mish() },
  prelu: { input: [7], make: () => nn.prelu() },
  relu6: { input: [7], make: () => nn.relu6() },
  selu: { input: [7], make: () => nn.selu() },
  silu: { input: [7], make: () => nn.silu() },
  softmax: { input: [7], make: () => nn.softmax() },
  softplus: { input: [7], make: () => nn.softplus() },
  softsign: { input: [7], make: () => nn.softsign() },
  batchNorm: { input: image, make: () => nn.batchNorm() },
  layerNorm: { input: series, make: () => nn.layerNorm() },
  groupNorm: { input: image, make: () => nn.groupNorm(2) },
  rmsNorm: { input: series, make: () => nn.rmsNorm() },
  conv1d: { input: series, make: () => nn.conv1d(3, { kernelSize: 3, padding: "same" }) },
  conv2d: { input: image, make: () => nn.conv2d(3, { kernelSize: 3, padding: "same" }) },
  conv2dTranspose: { input: image, make: () => nn.conv2dTranspose(3, { kernelSize: 2 }) },
  depthwiseConv2d: { input: image, make: () => nn.depthwiseConv2d({ kernelSize: 3 }) },
  separableConv2d: { input: image, make: () => nn.separableConv2d(3, { kernelSize: 3 }) },
  dropout: { input: [9], make: () => nn.dropout(0.4) },
  embedding: { input: [5], make: () => nn.embedding(11, 3), indices: 11 },
  positionalEmbedding: { input: series, make: () => nn.positionalEmbedding(8) },
  gru: { input: series, make: () => nn.gru(3, { returnSequences: true }) },
  lstm: { input: series, make: () => nn.lstm(3) },
  simpleRnn: { input: series, make: () => nn.simpleRnn(3) },
  bidirectional: { input: series, make: () => nn.bidirectional(nn.gru(3)) },
  timeDistributed: { input: series, make: () => nn.timeDistributed(nn.dense(3)) },
  multiHeadAttention: { input: series, make: () => nn.multiHeadAttention(2) },
  averagePool1d: { input: series, make: () => nn.averagePool1d(2) },
  averagePool2d: { input: image, make: () => nn.averagePool2d(2) },
  maxPool1d: { input: series, make: () => nn.maxPool1d(2) },
  maxPool2d: { input: image, make: () => nn.maxPool2d(2) },
  globalAveragePool1d: { input: series, make: () => nn.globalAveragePool1d() },
  globalAveragePool2d: { input: image, make: () => nn.globalAveragePool2d() },
  globalMaxPool1d: { input: series, make: () => nn.globalMaxPool1d() },
  globalMaxPool2d: { input: image, make: () => nn.globalMaxPool2d() },
  flatten: { input: image, make: () => nn.flatten() },
  reshape: { input: [12], make: () => nn.reshape([3, 4]) },
  upsample2d: { input: image, make: () => nn.upsample2d(2) },
};

/** Functions of lanewise/nn that make something else. */
export const notLayers = [
  ...["add", "concat"], // of several inputs
  ...["accuracy", "auc", "confusionMatrix", "f1", "precision", "r2", "recall"],
  ...["glorotNormal", "glorotUniform", "heNormal", "heUniform", "normal", "orthogonal", "uniform"],
  ...["binaryCrossEntropy", "hinge", "huber", "klDivergence", "meanAbsoluteError", "meanSquaredError"],
  ...["softmaxCrossEntropy", "input", "multiply", "Layer", "Model", "Sequential", "Trainer", "Random"],
  ...[
    "findLearningRate",
    "exportTfjs",
    "importKeras",
    "importPytorch",
    "importTfjs",
    "layerConfig",
    "loadModel",
    "packModel",
    "saveModel",
  ],
  ...["batches", "fitStandardizer", "oneHot", "splitRows", "standardizer", "weightDecayGroups"],
];

/** Exports that neither list knows. */
export function unlistedExports(): string[] {
  const known = new Set([...Object.keys(everyLayer), ...notLayers]);
  return Object.entries(nn).flatMap(([name, value]) => (typeof value === "function" && !known.has(name) ? [name] : []));
}
