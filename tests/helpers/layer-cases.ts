import type { Core } from "../../src/core.js";
import type { Layer, SymbolicTensor } from "../../src/nn/index.js";
import * as nn from "../../src/nn/index.js";

/** A use of every layer that the package exports: how it is made, and the shapes of its inputs. */
export type LayerCase = readonly [make: () => Layer, ...shapes: readonly (readonly number[])[]];

const image = [7, 6, 4] as const;
const sequence = [5, 3] as const;
const gates = { activation: "relu", recurrentActivation: { hardSigmoid: 0.25 }, returnSequences: true } as const;

/** By the name of the function that is exported; options are not the defaults wherever there are others. */
export const LAYER_CASES: Readonly<Record<string, readonly LayerCase[]>> = {
  activation: [
    [() => nn.activation("relu"), [3]],
    [() => nn.activation("tanh", { name: "t" }), [3]],
    [() => nn.activation("gelu", { name: "g" }), [3]],
  ],
  relu: [[() => nn.relu(), [3]]],
  tanh: [[() => nn.tanh({ name: "a" }), [3]]],
  sigmoid: [[() => nn.sigmoid(), [3]]],
  elu: [[() => nn.elu({ alpha: 0.7, name: "e" }), [3]]],
  gelu: [
    [() => nn.gelu({ approximate: true }), [3]],
    [() => nn.gelu(), [3]],
  ],
  hardSigmoid: [[() => nn.hardSigmoid({ slope: 0.3 }), [3]]],
  hardSwish: [[() => nn.hardSwish(), [3]]],
  leakyRelu: [[() => nn.leakyRelu({ slope: 0.05 }), [3]]],
  logSoftmax: [[() => nn.logSoftmax({ name: "l" }), [3]]],
  mish: [[() => nn.mish(), [3]]],
  prelu: [[() => nn.prelu({ start: 0.25 }), [3]]],
  relu6: [[() => nn.relu6({ name: "r" }), [3]]],
  selu: [[() => nn.selu(), [3]]],
  silu: [[() => nn.silu({ name: "s" }), [3]]],
  softmax: [[() => nn.softmax({ name: "s" }), [3]]],
  softplus: [[() => nn.softplus(), [3]]],
  softsign: [[() => nn.softsign(), [3]]],
  add: [[() => nn.add(), [3], [3], [3]]],
  batchNorm: [
    [() => nn.batchNorm({ momentum: 0.8, eps: 0.01, unbiased: true, scale: false, name: "b" }), [3]],
    [() => nn.batchNorm(), image],
  ],
  bidirectional: [
    [() => nn.bidirectional(nn.lstm(4), { mergeMode: "ave", name: "b" }), sequence],
    [() => nn.bidirectional(nn.gru(3, { masked: true, returnSequences: true })), sequence, [5]],
  ],
  concat: [
    [() => nn.concat(0), [2, 3], [1, 3]],
    [() => nn.concat(), [2, 3], [2, 1]],
  ],
  conv1d: [[() => nn.conv1d(4, { kernelSize: 2, padding: "causal", dilation: 2, activation: nn.gelu() }), sequence]],
  conv2d: [
    [() => nn.conv2d(6, { kernelSize: [2, 3], strides: [2, 1], padding: "same", groups: 2, bias: false }), image],
    [
      () =>
        nn.conv2d(2, {
          padding: [
            [1, 0],
            [2, 1],
          ],
          dilation: 2,
          initializer: nn.heNormal(),
          activation: "relu",
          name: "c",
        }),
      image,
    ],
  ],
  conv2dTranspose: [[() => nn.conv2dTranspose(3, { kernelSize: 2, strides: [2, 3], activation: "tanh" }), image]],
  dense: [
    [() => nn.dense(4), [3]],
    [() => nn.dense(3, 4, { bias: false, activation: "relu", initializer: nn.heUniform(), name: "d" }), [3]],
    [() => nn.dense(4, { activation: nn.elu({ alpha: 2 }) }), sequence],
    [() => nn.dense(4, { activation: nn.relu({ name: "inner" }) }), [3]],
  ],
  depthwiseConv2d: [[() => nn.depthwiseConv2d({ kernelSize: 2, multiplier: 3, activation: nn.selu() }), image]],
  dropout: [[() => nn.dropout(0.4), [3]]],
  embedding: [[() => nn.embedding(9, 4, { initializer: nn.normal(), name: "e" }), [5]]],
  groupNorm: [[() => nn.groupNorm(2, { eps: 0.1, center: false, name: "g" }), image]],
  gru: [
    [() => nn.gru(4), sequence],
    [() => nn.gru(4, { ...gates, resetAfter: false, goBackwards: true, bias: false, name: "g" }), sequence],
  ],
  layerNorm: [[() => nn.layerNorm({ eps: 0.1, scale: false, name: "l" }), [3]]],
  lstm: [
    [() => nn.lstm(4), sequence],
    [() => nn.lstm(4, { ...gates, unitForgetBias: false, masked: true, zeroOutputForMask: true }), sequence, [5]],
    [() => nn.lstm(2, { stateful: true, recurrentInitializer: nn.normal() }), sequence],
  ],
  multiHeadAttention: [
    [() => nn.multiHeadAttention(2), [3, 4]],
    [
      () => nn.multiHeadAttention(2, { keySize: 3, valueSize: 5, causal: true, bias: false, name: "m" }),
      [3, 4],
      [3, 4],
    ],
  ],
  averagePool1d: [[() => nn.averagePool1d(3, { strides: 1, padding: "same", name: "p" }), sequence]],
  averagePool2d: [[() => nn.averagePool2d([2, 3], { strides: 1 }), image]],
  globalAveragePool1d: [[() => nn.globalAveragePool1d({ name: "p" }), sequence]],
  globalAveragePool2d: [[() => nn.globalAveragePool2d(), image]],
  globalMaxPool1d: [[() => nn.globalMaxPool1d(), sequence]],
  globalMaxPool2d: [[() => nn.globalMaxPool2d({ name: "p" }), image]],
  maxPool1d: [[() => nn.maxPool1d(2, { padding: [1, 0] }), sequence]],
  maxPool2d: [[() => nn.maxPool2d(2, { strides: [1, 2], padding: "same" }), image]],
  positionalEmbedding: [[() => nn.positionalEmbedding(6, { name: "p" }), sequence]],
  flatten: [[() => nn.flatten(), image]],
  reshape: [[() => nn.reshape([2, 3]), [6]]],
  rmsNorm: [[() => nn.rmsNorm({ eps: 0.1, scale: true, name: "r" }), [3]]],
  separableConv2d: [[() => nn.separableConv2d(5, { kernelSize: 2, multiplier: 2, strides: 2, name: "s" }), image]],
  simpleRnn: [[() => nn.simpleRnn(4, { activation: "sigmoid", name: "r" }), sequence]],
  timeDistributed: [
    [() => nn.timeDistributed(nn.dense(4, { activation: "relu" }), { name: "t" }), sequence],
    [() => nn.timeDistributed(nn.timeDistributed(nn.batchNorm())), [2, 3, 4]],
  ],
  upsample2d: [[() => nn.upsample2d([2, 3], { interpolation: "bilinear", name: "u" }), image]],
};

/** A model of one case, whose parameters and buffers are not what a new one would have. */
export function modelOf(core: Core, [make, ...shapes]: LayerCase): nn.Model {
  const inputs: SymbolicTensor[] = shapes.map((shape) => nn.input(shape));
  const model = new nn.Model(core, { inputs, outputs: make().apply(inputs), seed: 5 });
  const random = new nn.Random(3);
  for (const tensor of [...Object.values(model.parameters), ...Object.values(model.buffers)]) {
    tensor.data.set(tensor.data.map(() => 0.5 + random.uniform()));
  }
  return model;
}

/** Rows for the inputs of a case: ids and masks are ones that every layer takes. */
export function inputsOf([make, ...shapes]: LayerCase, rows: number): Float32Array[] {
  const random = new nn.Random(7);
  const isId = make().kind === "embedding";
  return shapes.map((shape, i) => {
    const size = rows * shape.reduce((product, length) => product * length, 1);
    const isMask = i > 0 && shape.length === 1 && shapes[0]!.length === 2;
    return Float32Array.from({ length: size }, () =>
      isId ? random.below(9) : isMask ? random.below(2) : random.normal(),
    );
  });
}
