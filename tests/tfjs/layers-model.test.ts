import * as tf from "@tensorflow/tfjs";
import { createCore } from "lanewise";
import * as nn from "lanewise/nn";
import { beforeAll, describe, expect, it } from "vitest";

const core = await createCore();
beforeAll(async () => {
  await tf.setBackend("cpu");
});

/** What TensorFlow.js would save as files. */
async function filesOf(model: tf.LayersModel) {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (saved) => {
      artifacts = saved;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    }),
  );
  const { modelTopology, weightSpecs, weightData } = artifacts!;
  const modelJson = { modelTopology, weightsManifest: [{ paths: ["weights.bin"], weights: weightSpecs }] };
  return { modelJson: JSON.stringify(modelJson), weights: new Uint8Array(weightData as ArrayBuffer) };
}

async function toTfjs({ modelJson, weights }: nn.TfjsModel): Promise<tf.LayersModel> {
  const { modelTopology, weightsManifest } = JSON.parse(JSON.stringify(modelJson));
  const weightData = weights.buffer as ArrayBuffer;
  return tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }));
}

const ROWS = 3;
const image = [7, 6, 4];
const sequence = [5, 3];

function randomInputs(shapes: readonly (readonly number[])[], idsBelow = 0): Float32Array[] {
  const random = new nn.Random(9);
  return shapes.map((shape) =>
    Float32Array.from({ length: ROWS * shape.reduce((a, b) => a * b, 1) }, () =>
      idsBelow > 0 ? random.below(idsBelow) : random.normal(),
    ),
  );
}

/** Weights that are not those of a new model; variances stay positive. */
function randomWeights(model: tf.LayersModel): void {
  const random = new nn.Random(4);
  model.setWeights(
    model.getWeights().map(({ shape, size }) =>
      tf.tensor(
        Float32Array.from({ length: size }, () => 0.3 * random.uniform() + 0.1),
        shape,
      ),
    ),
  );
}

function predictTfjs(model: tf.LayersModel, xs: readonly Float32Array[]): number[] {
  const inputs = model.inputs.map(({ shape }, i) => tf.tensor(xs[i]!, [ROWS, ...(shape.slice(1) as number[])]));
  return [...(model.predict(inputs) as tf.Tensor).dataSync()];
}

function valuesOf(model: nn.Model, xs: readonly Float32Array[]): number[] {
  return [...model.predict(xs.length === 1 ? xs[0]! : xs).data];
}

/**
 * A bound of the difference of two float32 evaluations of a model of one layer with parameters (and others that do not
 * enlarge errors). A sum of n products is off by at most (n + 1)·2⁻²⁴ of the sum of their magnitudes, whatever its order;
 * n is at most the fan-in, weights are at most 0.4, inputs at most `largest`. 20 more roundings are for the functions
 * after it, whose slopes are at most 1.13; division by a deviation enlarges by at most 1/√eps < 32. A recurrent layer
 * repeats that for 5 steps, each of which enlarges the error before it by at most 1 + 0.4·units.
 */
function boundOf(model: nn.Model, xs: readonly Float32Array[]): number {
  const shapes = [...Object.values(model.parameters)].map(({ shape }) => shape);
  const fanIn = Math.max(1, ...shapes.map((shape) => shape.slice(0, -1).reduce((a, b) => a * b, 1)));
  const largest = Math.max(1, ...xs.flatMap((x) => [...x].map(Math.abs)));
  const recurrent = Object.entries(model.parameters).filter(([name]) => name.endsWith("recurrent"));
  const norm = model.layers.some(({ kind }) => kind.endsWith("Norm")) ? 32 : 1;
  const steps = Math.max(norm, ...recurrent.map(([, { shape }]) => (1 + 0.4 * shape[0]!) ** 5));
  return 2 * 2 ** -24 * (fanIn + 21) * 0.4 * (fanIn * largest + 1) * 1.13 * steps;
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, bound: number): void {
  expect(found.length).toBe(expected.length);
  for (let i = 0; i < found.length; i++) expect(Math.abs(found[i]! - expected[i]!)).toBeLessThanOrEqual(bound);
}

const { layers } = tf;
type Make = () => tf.layers.Layer;
type Case<Make> = [name: string, make: Make, shape: readonly number[], ids?: number];

const imported: Case<Make>[] = [
  ["dense", () => layers.dense({ units: 4, activation: "relu" }), [3]],
  ["dense without bias, over steps", () => layers.dense({ units: 4, useBias: false, activation: "softmax" }), sequence],
  ["conv1d", () => layers.conv1d({ filters: 4, kernelSize: 2, padding: "same", dilationRate: 2 }), sequence],
  [
    "conv2d",
    () => layers.conv2d({ filters: 5, kernelSize: [3, 2], strides: [2, 1], padding: "same", activation: "elu" }),
    image,
  ],
  ["conv2d, dilated", () => layers.conv2d({ filters: 2, kernelSize: 3, dilationRate: 2 }), image],
  ["conv2dTranspose", () => layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, padding: "same" }), image],
  ["depthwiseConv2d", () => layers.depthwiseConv2d({ kernelSize: 2, depthMultiplier: 3, activation: "tanh" }), image],
  ["separableConv2d", () => layers.separableConv2d({ filters: 5, kernelSize: 3 }), image],
  ["maxPooling1d", () => layers.maxPooling1d({ poolSize: 2 }), sequence],
  ["maxPooling2d", () => layers.maxPooling2d({ poolSize: [2, 3], strides: 1, padding: "same" }), image],
  ["averagePooling1d", () => layers.averagePooling1d({ poolSize: 3, strides: 1, padding: "same" }), sequence],
  ["averagePooling2d", () => layers.averagePooling2d({}), image],
  ["globalAveragePooling1d", () => layers.globalAveragePooling1d({}), sequence],
  ["globalAveragePooling2d", () => layers.globalAveragePooling2d({}), image],
  ["globalMaxPooling1d", () => layers.globalMaxPooling1d(), sequence],
  ["globalMaxPooling2d", () => layers.globalMaxPooling2d({}), image],
  ["batchNormalization", () => layers.batchNormalization({ epsilon: 0.01, scale: false }), image],
  ["layerNormalization", () => layers.layerNormalization({}), sequence],
  ["embedding", () => layers.embedding({ inputDim: 9, outputDim: 4 }), [5], 9],
  ["lstm", () => layers.lstm({ units: 3 }), sequence],
  [
    "lstm with every option",
    () =>
      layers.lstm({
        units: 2,
        activation: "relu",
        recurrentActivation: "sigmoid",
        useBias: false,
        returnSequences: true,
        goBackwards: true,
        unitForgetBias: false,
      }),
    sequence,
  ],
  ["gru", () => layers.gru({ units: 3, returnSequences: true }), sequence],
  ["simpleRnn", () => layers.simpleRNN({ units: 3, activation: "linear" }), sequence],
  [
    "bidirectional lstm",
    () =>
      layers.bidirectional({ layer: layers.lstm({ units: 3, returnSequences: true }) as tf.RNN, mergeMode: "concat" }),
    sequence,
  ],
  [
    "bidirectional gru",
    () => layers.bidirectional({ layer: layers.gru({ units: 2 }) as tf.RNN, mergeMode: "sum" }),
    sequence,
  ],
  [
    "timeDistributed",
    () => layers.timeDistributed({ layer: layers.dense({ units: 2, activation: "hardSigmoid" }) }),
    sequence,
  ],
  ["relu", () => layers.reLU(), [3]],
  ["relu6", () => layers.reLU({ maxValue: 6 }), [3]],
  ["leakyReLU", () => layers.leakyReLU({ alpha: 0.1 }), [3]],
  ["elu", () => layers.elu(), [3]],
  ["prelu", () => layers.prelu({ sharedAxes: [1, 2] } as never), image],
  ["softmax", () => layers.softmax(), [3]],
  ...(
    [
      "relu",
      "relu6",
      "tanh",
      "sigmoid",
      "softmax",
      "elu",
      "selu",
      "softplus",
      "softsign",
      "swish",
      "mish",
      "gelu",
      "gelu_new",
    ] as const
  ).map((name) => [`activation ${name}`, () => layers.activation({ activation: name as "relu" }), [3]] as Case<Make>),
  ["activation hardSigmoid", () => layers.activation({ activation: "hardSigmoid" }), [3]],
  ["dropout", () => layers.dropout({ rate: 0.5 }), [3]],
  ["flatten", () => layers.flatten(), image],
  ["reshape", () => layers.reshape({ targetShape: [6, -1] }), image],
  ["upSampling2d", () => layers.upSampling2d({ size: [2, 3], interpolation: "nearest" } as never), image],
];

describe("importTfjs", () => {
  it.each(imported)("predicts as TensorFlow.js does: %s", async (_, make, shape, ids) => {
    const original = tf.sequential({ layers: [layers.inputLayer({ inputShape: [...shape] }), make()] });
    randomWeights(original);
    const model = nn.importTfjs(core, await filesOf(original), { layers: nn });
    const xs = randomInputs([shape], ids);
    expectClose(valuesOf(model, xs), predictTfjs(original, xs), boundOf(model, xs));
    const saved = nn.loadModel(core, nn.saveModel(model), { layers: nn }).model;
    expect(valuesOf(saved, xs)).toEqual(valuesOf(model, xs));
    model.dispose();
    saved.dispose();
  });

  it("reads the layers of MobileNet: zeros around an image are the next convolution's padding", async () => {
    const build = () => [
      layers.inputLayer({ inputShape: image }),
      layers.zeroPadding2d({
        padding: [
          [0, 1],
          [2, 0],
        ],
      }),
      layers.conv2d({ filters: 6, kernelSize: 3, strides: 2, useBias: false }),
      layers.batchNormalization({}),
      layers.reLU({ maxValue: 6 }),
      layers.zeroPadding2d({ padding: [1, 2] }),
      layers.depthwiseConv2d({ kernelSize: 2, strides: 2 }),
    ];
    const [input, ...others] = build();
    const y = others.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input!.output as tf.SymbolicTensor);
    const functional = tf.model({ inputs: input!.output as tf.SymbolicTensor, outputs: y });
    for (const original of [tf.sequential({ layers: build() }), functional]) {
      randomWeights(original);
      const model = nn.importTfjs(core, await filesOf(original), { layers: nn });
      const xs = randomInputs([image]);
      // Two layers with weights: the second enlarges the first one's error by at most 4 · 0.4.
      expectClose(valuesOf(model, xs), predictTfjs(original, xs), 2.6 * boundOf(model, xs));
      model.dispose();
    }
  });

  it.each<[string, () => tf.layers.Layer[]]>([
    ["a pooling", () => [layers.zeroPadding2d({}), layers.maxPooling2d({})]],
    [
      "a convolution that pads itself",
      () => [layers.zeroPadding2d({}), layers.conv2d({ filters: 1, kernelSize: 2, padding: "same" })],
    ],
    [
      "another padding",
      () => [layers.zeroPadding2d({}), layers.zeroPadding2d({}), layers.conv2d({ filters: 1, kernelSize: 2 })],
    ],
    ["the output", () => [layers.conv2d({ filters: 1, kernelSize: 2 }), layers.zeroPadding2d({})]],
  ])("refuses zeros around the image of %s", async (_, make) => {
    const others = make();
    const input = tf.input({ shape: image });
    const y = others.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
    const message = /expected ZeroPadding2D only before a Conv2D or DepthwiseConv2D with padding "valid"$/;
    const sequential = tf.sequential({ layers: [layers.inputLayer({ inputShape: image }), ...make()] });
    for (const original of [tf.model({ inputs: input, outputs: y }), sequential]) {
      const files = await filesOf(original);
      expect(() => nn.importTfjs(core, files, { layers: nn })).toThrow(message);
    }
  });

  it("reads functional models, with layers that are used several times and several inputs", async () => {
    const [a, b] = [tf.input({ shape: [3] }), tf.input({ shape: [2], name: "b" })];
    const shared = layers.dense({ units: 3, activation: "tanh", name: "shared" });
    const twice = shared.apply(shared.apply(a)) as tf.SymbolicTensor;
    const sum = layers.add().apply([shared.apply(a) as tf.SymbolicTensor, twice, a]) as tf.SymbolicTensor;
    const linear = layers.activation({ activation: "linear" }).apply(sum) as tf.SymbolicTensor;
    const y = layers.concatenate({ axis: 1 }).apply([b, linear]) as tf.SymbolicTensor;
    const original = tf.model({ inputs: [a, b], outputs: y });
    randomWeights(original);
    const model = nn.importTfjs(core, await filesOf(original), {
      layers: { dense: nn.dense, add: nn.add, concat: nn.concat },
    });
    expect(Object.keys(model.parameters)).toEqual(["shared.weight", "shared.bias"]);
    const xs = randomInputs([[3], [2]]);
    // tanh(tanh(…)) enlarges an error by the gain of a layer, 3 · 0.4.
    expectClose(valuesOf(model, xs), predictTfjs(original, xs), 2.2 * boundOf(model, xs));
  });

  it("reads quantized weights in several shards", async () => {
    const original = tf.sequential({ layers: [layers.dense({ units: 2, inputShape: [3], name: "d" })] });
    const { modelJson } = await filesOf(original);
    const { modelTopology } = JSON.parse(modelJson);
    const quantized = [
      {
        name: "d/kernel",
        shape: [3, 2],
        dtype: "float32",
        quantization: { dtype: "uint8", scale: 0.013, min: -0.7, original_dtype: "float32" },
      },
      { name: "d/bias", shape: [2], dtype: "float32", quantization: { dtype: "float16", original_dtype: "float32" } },
    ];
    const weights = Uint8Array.of(0, 10, 77, 200, 254, 255, 0x00, 0x3c, 0x34, 0xb2);
    const weightSpecs = quantized as tf.io.WeightsManifestEntry[];
    const theirs = await tf.loadLayersModel(
      tf.io.fromMemory({ modelTopology, weightSpecs, weightData: weights.buffer }),
    );
    const manifest = [{ paths: ["a", "b"], weights: quantized }];
    const shards = [weights.subarray(0, 3), weights.subarray(3)];
    const model = nn.importTfjs(
      core,
      { modelJson: { modelTopology, weightsManifest: manifest }, weights: shards },
      { layers: nn },
    );
    const [kernel, bias] = theirs.getWeights();
    expect([...model.parameters["d.weight"]!.data]).toEqual([...kernel!.dataSync()]);
    expect([...model.parameters["d.bias"]!.data]).toEqual([...bias!.dataSync()]);
  });
});

const exported: Case<() => nn.Layer>[] = [
  ["dense", () => nn.dense(4, { activation: "relu" }), [3]],
  ["dense over steps", () => nn.dense(4, { bias: false, activation: nn.softmax() }), sequence],
  ["an activation with options", () => nn.dense(4, { activation: nn.leakyRelu({ slope: 0.2 }) }), [3]],
  ["conv1d", () => nn.conv1d(3, { kernelSize: 2, strides: 2, padding: "same", activation: nn.silu() }), sequence],
  [
    "conv2d",
    () => nn.conv2d(3, { kernelSize: [2, 3], strides: [1, 2], padding: "same", activation: nn.gelu() }),
    image,
  ],
  ["conv2dTranspose", () => nn.conv2dTranspose(3, { strides: 2, bias: false }), image],
  ["depthwiseConv2d", () => nn.depthwiseConv2d({ multiplier: 2, padding: "same" }), image],
  ["separableConv2d", () => nn.separableConv2d(3, { kernelSize: 2, multiplier: 2 }), image],
  ["maxPool1d", () => nn.maxPool1d(3, { strides: 1 }), sequence],
  ["maxPool2d", () => nn.maxPool2d(2, { padding: "same" }), image],
  ["averagePool1d", () => nn.averagePool1d(2), sequence],
  ["averagePool2d", () => nn.averagePool2d([2, 3], { strides: [1, 2], padding: "same" }), image],
  ["globalAveragePool1d", () => nn.globalAveragePool1d(), sequence],
  ["globalAveragePool2d", () => nn.globalAveragePool2d(), image],
  ["globalMaxPool1d", () => nn.globalMaxPool1d(), sequence],
  ["globalMaxPool2d", () => nn.globalMaxPool2d(), image],
  ["batchNorm", () => nn.batchNorm({ center: false, eps: 0.1 }), image],
  ["layerNorm", () => nn.layerNorm({ eps: 0.01 }), sequence],
  ["embedding", () => nn.embedding(9, 4), [5], 9],
  ["lstm", () => nn.lstm(3, { returnSequences: true, goBackwards: true }), sequence],
  ["gru", () => nn.gru(3, { resetAfter: false, recurrentActivation: { hardSigmoid: 0.2 }, bias: false }), sequence],
  ["simpleRnn", () => nn.simpleRnn(3, { activation: "relu" }), sequence],
  ["bidirectional", () => nn.bidirectional(nn.lstm(2, { returnSequences: true }), { mergeMode: "ave" }), sequence],
  ["timeDistributed", () => nn.timeDistributed(nn.dense(2, { activation: "tanh" })), sequence],
  ["prelu", () => nn.prelu(), image],
  ["prelu of rows", () => nn.prelu(), [3]],
  ["leakyRelu", () => nn.leakyRelu({ slope: 0.1 }), [3]],
  ["elu", () => nn.elu(), [3]],
  ["hardSigmoid", () => nn.hardSigmoid({ slope: 0.2 }), [3]],
  ...[nn.relu, nn.tanh, nn.sigmoid, nn.softmax, nn.logSoftmax, nn.selu, nn.softplus, nn.softsign, nn.silu, nn.mish].map(
    (make) => [make.name, () => make(), [3]] as Case<() => nn.Layer>,
  ),
  ["gelu", () => nn.gelu(), [3]],
  ["dropout", () => nn.dropout(0.3), [3]],
  ["flatten", () => nn.flatten(), image],
  ["reshape", () => nn.reshape([6, 28]), image],
  ["upsample2d", () => nn.upsample2d([2, 1]), image],
];

/** Weights as above, in a model of ours. */
function fill(model: nn.Model): void {
  const random = new nn.Random(6);
  for (const { data } of [...Object.values(model.parameters), ...Object.values(model.buffers)]) {
    for (let i = 0; i < data.length; i++) data[i] = 0.3 * random.uniform() + 0.1;
  }
}

describe("exportTfjs", () => {
  it.each(exported)("is what TensorFlow.js predicts equally with: %s", async (_, make, shape, ids) => {
    const model = new nn.Sequential(core, [make()], { inputShape: shape });
    fill(model);
    const files = nn.exportTfjs(model);
    const theirs = await toTfjs(files);
    const xs = randomInputs([shape], ids);
    const mine = valuesOf(model, xs);
    expectClose(predictTfjs(theirs, xs), mine, boundOf(model, xs));
    // And back.
    const again = nn.importTfjs(core, files, { layers: nn });
    expect(valuesOf(again, xs)).toEqual(mine);
    model.dispose();
    again.dispose();
  });

  it("writes graphs: shared layers, inputs and outputs, whatever layers are named", async () => {
    const [a, b] = [nn.input([3]), nn.input([2])];
    const shared = nn.dense(3, { activation: nn.leakyRelu({ slope: 0.5 }), name: "ä b" });
    const sum = nn.add().apply([shared.apply(a), shared.apply(shared.apply(a))]);
    const model = new nn.Model(core, {
      inputs: [a, b],
      outputs: nn.concat().apply([sum, nn.dense(2, { name: "input_1" }).apply(b)]),
    });
    fill(model);
    const theirs = await toTfjs(nn.exportTfjs(model));
    const xs = randomInputs([[3], [2]]);
    expectClose(predictTfjs(theirs, xs), valuesOf(model, xs), 2.2 * boundOf(model, xs));
  });

  it.each([
    [() => nn.groupNorm(1), /^layer 0 \(groupNorm\): layers of kind "groupNorm" have no class in TensorFlow\.js$/],
    [() => nn.elu({ alpha: 2 }), /^layer 0 \(elu\): alpha is 2, expected 1/],
    [() => nn.gelu({ approximate: true }), /^layer 0 \(gelu\): layers of kind "gelu" have no class/],
    [() => nn.gru(2), /^layer 0 \(gru\): resetAfter is true, expected false/],
    [() => nn.bidirectional(nn.gru(2)), /^layer 0 \(bidirectional\): resetAfter is true/],
    [() => nn.lstm(2, { recurrentActivation: { hardSigmoid: 0.3 } }), /hardSigmoid has another slope than 0\.2/],
    [
      () => nn.conv1d(2, { kernelSize: 1, padding: [1, 0] }),
      /^layer 0 \(conv1d\): padding is \[1,0\], which TensorFlow\.js has not$/,
    ],
    [
      () => nn.conv1d(2, { kernelSize: 1, padding: "causal" }),
      /padding is causal, which TensorFlow\.js cannot compute$/,
    ],
    [() => nn.conv1d(3, { kernelSize: 1, groups: 3 }), /groups is 3/],
    [() => nn.timeDistributed(nn.dense(2, { activation: nn.leakyRelu() })), /activation is leakyRelu with options/],
  ] as const)("refuses what TensorFlow.js has not", (make, message) => {
    expect(() => nn.exportTfjs(new nn.Sequential(core, [make()], { inputShape: sequence }))).toThrow(message);
  });
});
