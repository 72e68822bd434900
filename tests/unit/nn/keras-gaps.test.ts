import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clampParameters, LanewiseError, SGD } from "../../../src/index.js";
import * as nn from "../../../src/nn/index.js";
import { makeCore } from "../../helpers/cores.js";

// The table of what Keras's layers have and ours do not, in docs/guide/coming-from.md: a row that is no longer true fails
// here.

const core = makeCore("js");
const page = readFileSync(new URL("../../../docs/guide/coming-from.md", import.meta.url), "utf8");
const option = (name: string) => ({ [name]: 1 }) as never;
const image = nn.input([4, 4, 2]);
const steps = nn.input([5, 4]);

const COMMON = [
  "kernelRegularizer",
  "kernelConstraint",
  "trainable",
  "biasInitializer",
  "activityRegularizer",
  "dtype",
];
const RECURRENT = { LSTM: nn.lstm, GRU: nn.gru, SimpleRNN: nn.simpleRnn };

/** By what the table names: what is refused. */
const REFUSED: [row: string, refused: () => unknown][] = [
  ...[...COMMON, "dataFormat"].flatMap((name): [string, () => unknown][] => [
    ["all", () => nn.dense(2, option(name))],
    ["all", () => nn.conv2d(2, option(name))],
    ["all", () => nn.lstm(2, option(name))],
  ]),
  ["`SeparableConv2D`", () => nn.separableConv2d(2, option("depthwiseInitializer"))],
  ["`SeparableConv2D`", () => nn.separableConv2d(2, option("pointwiseInitializer"))],
  ["`Conv2DTranspose`", () => nn.conv2dTranspose(2, option("outputPadding"))],
  ["global pooling", () => nn.globalAveragePool2d(option("keepdims"))],
  ...Object.values(RECURRENT).flatMap((make): [string, () => unknown][] => [
    ["`LSTM`", () => make(2, option("dropout"))],
    ["`LSTM`", () => make(2, option("recurrentDropout"))],
    ["`LSTM`", () => make(2, option("returnState"))],
    ["`LSTM`", () => make(2, { activation: "softplus" as never })],
  ]),
  ["`Bidirectional`", () => nn.bidirectional(nn.lstm(2), { mergeMode: null as never })],
  ["`Bidirectional`", () => nn.bidirectional(nn.lstm(2), option("backwardLayer"))],
  ["`Embedding`", () => nn.embedding(2, 2, option("maskZero"))],
  ...[nn.batchNorm, nn.layerNorm, nn.softmax, (axis: never) => nn.groupNorm(2, axis)].map(
    (make): [string, () => unknown] => ["`BatchNormalization`, `Layer", () => make(option("axis"))],
  ),
  ["`BatchNormalization` |", () => nn.batchNorm(option("synchronized"))],
  ["`BatchNormalization` |", () => nn.batchNorm().apply([steps, nn.input([5])])],
  ["`MultiHeadAttention`", () => nn.multiHeadAttention(2, option("dropout"))],
  ["`MultiHeadAttention`", () => nn.multiHeadAttention(2, option("outputShape"))],
  ["`MultiHeadAttention`", () => nn.multiHeadAttention(2, option("attentionAxes"))],
  ["`MultiHeadAttention`", () => nn.multiHeadAttention(2).apply([steps, steps, steps, nn.input([5, 5])])],
  ["`MultiHeadAttention`", () => nn.multiHeadAttention(2).apply(image)],
  ["`PReLU`", () => nn.prelu(option("sharedAxes"))],
  ["`ReLU`", () => nn.relu(option("maxValue"))],
  ["`ReLU`", () => nn.relu(option("threshold"))],
  ["`UpSampling2D`", () => nn.upsample2d(2, { interpolation: "bicubic" as never })],
  ["`Reshape`", () => nn.reshape([-1, 2])],
];

describe("Keras's options", () => {
  it.each(REFUSED)("%s are refused as the table says", (row, refused) => {
    expect(page).toContain(`\n| ${row}`);
    expect(refused).toThrow(LanewiseError);
  });

  it("what the table says to use instead is there", () => {
    const sizes = { activation: "hardSigmoid", recurrentActivation: "linear" } as const;
    expect([nn.lstm(2, sizes).apply(steps).shape, nn.gru(2, sizes).apply(steps).shape]).toEqual([[2], [2]]);
    expect(nn.reshape([1, 1, 2]).apply(nn.globalMaxPool2d().apply(image)).shape).toEqual([1, 1, 2]);
    expect(nn.conv2d(2, { padding: [[1, 0], [0, 2]] }).apply(image).shape).toEqual([3, 4, 2]); // biome-ignore format: pairs
    expect(nn.multiHeadAttention(2, { causal: true }).apply([steps, nn.input([5])]).shape).toEqual([5, 4]);

    using model = new nn.Sequential(core, [nn.dense(2)], { inputShape: [3], seed: 1 });
    using optimizer = new SGD(core, model.parameters, { learningRate: 1 });
    model.parameters["0.bias"]!.set([5, -5]);
    optimizer.freeze("0.weight");
    const before = model.parameters["0.weight"]!.data.slice();
    optimizer.step({ "0.weight": new Float32Array(6).fill(1), "0.bias": new Float32Array(2) });
    expect(model.parameters["0.weight"]!.data).toEqual(before);
    clampParameters(model.parameters, 2);
    expect([...model.parameters["0.bias"]!.data]).toEqual([2, -2]);
  });

  it("layers that are named as missing are", () => {
    const names = Object.keys(nn).map((name) => name.toLowerCase());
    for (const name of ["conv3d", "spatialDropout2d", "gaussianNoise", "alphaDropout", "zeroPadding2d", "permute"]) {
      expect(names).not.toContain(name.toLowerCase());
    }
    for (const name of ["cropping2d", "repeatVector", "masking", "lambda", "convLstm2d", "attention", "multiply2"]) {
      expect(names).not.toContain(name.toLowerCase());
    }
  });
});
