import type { Layer } from "../../nn/layer.js";
import { relu, sigmoid, softmax, tanh } from "../../nn/layers/activation.js";
import {
  elu,
  gelu,
  hardSigmoid,
  leakyRelu,
  logSoftmax,
  mish,
  prelu,
  relu6,
  selu,
  silu,
  softplus,
  softsign,
} from "../../nn/layers/activations.js";
import { add } from "../../nn/layers/add.js";
import { batchNorm } from "../../nn/layers/batch-norm.js";
import { bidirectional, type MergeMode } from "../../nn/layers/bidirectional.js";
import { concat } from "../../nn/layers/concat.js";
import { conv1d, conv2d } from "../../nn/layers/conv.js";
import { conv2dTranspose } from "../../nn/layers/conv2d-transpose.js";
import { dense } from "../../nn/layers/dense.js";
import { depthwiseConv2d } from "../../nn/layers/depthwise-conv2d.js";
import { dropout } from "../../nn/layers/dropout.js";
import { embedding } from "../../nn/layers/embedding.js";
import { gru } from "../../nn/layers/gru.js";
import { layerNorm } from "../../nn/layers/layer-norm.js";
import { lstm } from "../../nn/layers/lstm.js";
import {
  averagePool1d,
  averagePool2d,
  globalAveragePool1d,
  globalAveragePool2d,
  globalMaxPool1d,
  globalMaxPool2d,
  maxPool1d,
  maxPool2d,
} from "../../nn/layers/pool.js";
import type { RecurrentLayer } from "../../nn/layers/recurrent.js";
import type { RecurrentActivation } from "../../nn/layers/recurrent-options.js";
import { flatten, reshape } from "../../nn/layers/reshape.js";
import { separableConv2d } from "../../nn/layers/separable-conv2d.js";
import { simpleRnn } from "../../nn/layers/simple-rnn.js";
import { timeDistributed } from "../../nn/layers/time-distributed.js";
import { upsample2d } from "../../nn/layers/upsample2d.js";
import type { Shape } from "../../tensor.js";
import { type TfConfig, type TfLayer, type TfWeight, Unsupported } from "./tfjs-model.js";

/** Where a layer is applied: shapes of a row. */
export interface Place {
  readonly inputs: readonly Shape[];
  readonly output: Shape;
}

// biome-ignore lint/suspicious/noExplicitAny: options of another library, which each conversion knows
type Config = { readonly [option: string]: any };

/** A layer of TensorFlow.js made into Lanewise's; undefined where it does nothing. Throws Unsupported. */
type Conversion = (config: Config, place: Place, layer: TfLayer) => Layer | undefined;

/** Lanewise's functions by TensorFlow.js's names of activations. */
const ACTIVATIONS: Readonly<Record<string, () => Layer | undefined>> = {
  linear: () => undefined,
  relu,
  relu6,
  sigmoid,
  tanh,
  softmax,
  logSoftmax,
  elu,
  selu,
  softplus,
  softsign,
  mish,
  swish: silu,
  gelu,
  gelu_new: () => gelu({ approximate: true }),
  hardSigmoid: () => hardSigmoid({ slope: 0.2 }),
};

function activationOf({ activation }: Config): Layer | undefined {
  const name = activation ?? "linear";
  if (typeof name === "string" && Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name]!();
  throw new Unsupported(`the activation ${JSON.stringify(name)}`);
}

/** The options that a layer with a kernel shares with others. */
function kernelOptions(config: Config) {
  const activation = activationOf(config);
  return { bias: config.useBias !== false, ...(activation && { activation }) };
}

/** Throws Unsupported unless an option has one of these values; absent counts as `null`. */
function only(config: Config, option: string, ...values: unknown[]): void {
  const value = config[option] ?? null;
  if (!values.includes(value)) throw new Unsupported(`${option} ${JSON.stringify(value)}`);
}

function channelsLast(config: Config): void {
  only(config, "dataFormat", null, "channelsLast");
}

/** The only number of an option of one dimension. */
const single = (value: number | readonly number[]): number => (typeof value === "number" ? value : value[0]!);

function window2d(config: Config) {
  channelsLast(config);
  const { kernelSize, strides, padding, dilationRate } = config;
  return { kernelSize, strides, padding, dilation: dilationRate ?? 1, ...kernelOptions(config) };
}

const pool2d = (make: typeof maxPool2d): Conversion => {
  return (config) => {
    channelsLast(config);
    return make(config.poolSize, { strides: config.strides, padding: config.padding });
  };
};

const pool1d = (make: typeof maxPool1d): Conversion => {
  return ({ poolSize, strides, padding }) => make(single(poolSize), { strides: single(strides), padding });
};

const globalPool2d = (make: () => Layer): Conversion => {
  return (config) => {
    channelsLast(config);
    return make();
  };
};

/** Throws Unsupported unless the option `axis` is the last axis of the input. */
function lastAxis(config: Config, { inputs }: Place): void {
  const rank = inputs[0]!.length;
  const axes = [config.axis ?? -1].flat();
  if (axes.length !== 1 || (axes[0] !== -1 && axes[0] !== rank)) {
    throw new Unsupported(`axis ${JSON.stringify(config.axis)}, which is not the last one`);
  }
}

function affine({ epsilon, scale, center }: Config) {
  return { eps: epsilon, scale, center };
}

function recurrentActivation(name: unknown): RecurrentActivation {
  if (name === "hardSigmoid") return { hardSigmoid: 0.2 };
  if (name === "linear" || name === "relu" || name === "tanh" || name === "sigmoid") return name;
  throw new Unsupported(`the activation ${JSON.stringify(name)}`);
}

function recurrent(config: Config, place: Place) {
  if (place.inputs.length > 1) throw new Unsupported("initial states");
  for (const option of ["returnState", "stateful"]) only(config, option, null, false);
  for (const option of ["dropout", "recurrentDropout"]) only(config, option, null, 0);
  const { useBias, returnSequences, goBackwards } = config;
  return {
    activation: recurrentActivation(config.activation),
    bias: useBias !== false,
    returnSequences: returnSequences === true,
    goBackwards: goBackwards === true,
  };
}

const gates = (config: Config) => ({ recurrentActivation: recurrentActivation(config.recurrentActivation) });

/** Layers of TensorFlow.js, by class. */
const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  Dense: (config) => dense(config.units, kernelOptions(config)),
  Activation: activationOf,
  Dropout(config) {
    only(config, "noiseShape", null);
    return config.rate === 0 ? undefined : dropout(config.rate);
  },
  Flatten(config) {
    channelsLast(config);
    return flatten();
  },
  Reshape: (_, { output }) => reshape(output),
  Conv1D(config) {
    channelsLast(config);
    const { filters, kernelSize, strides, padding, dilationRate } = config;
    const sizes = { kernelSize: single(kernelSize), strides: single(strides), dilation: single(dilationRate ?? 1) };
    return conv1d(filters, { ...sizes, padding, ...kernelOptions(config) });
  },
  Conv2D: (config) => conv2d(config.filters, window2d(config)),
  Conv2DTranspose: (config) => conv2dTranspose(config.filters, window2d(config)),
  DepthwiseConv2D: (config) => depthwiseConv2d({ ...window2d(config), multiplier: config.depthMultiplier ?? 1 }),
  // Its configuration lacks the multiplier.
  SeparableConv2D: (config, _, { depthMultiplier = 1 }) =>
    separableConv2d(config.filters, { ...window2d(config), multiplier: depthMultiplier }),
  MaxPooling1D: pool1d(maxPool1d),
  MaxPooling2D: pool2d(maxPool2d),
  AveragePooling1D: pool1d(averagePool1d),
  AveragePooling2D: pool2d(averagePool2d),
  GlobalAveragePooling1D: () => globalAveragePool1d(),
  GlobalAveragePooling2D: globalPool2d(globalAveragePool2d),
  GlobalMaxPooling1D: () => globalMaxPool1d(),
  GlobalMaxPooling2D: globalPool2d(globalMaxPool2d),
  BatchNormalization(config, place) {
    lastAxis(config, place);
    return batchNorm({ momentum: config.momentum, ...affine(config) });
  },
  LayerNormalization(config, place) {
    lastAxis(config, place);
    return layerNorm(affine(config));
  },
  Embedding(config) {
    only(config, "maskZero", null, false);
    return embedding(config.inputDim, config.outputDim);
  },
  SimpleRNN: (config, place) => simpleRnn(config.units, recurrent(config, place)),
  LSTM: (config, place) => lstm(config.units, { ...recurrent(config, place), ...gates(config) }),
  GRU(config, place) {
    only(config, "resetAfter", null, false);
    return gru(config.units, { ...recurrent(config, place), ...gates(config), resetAfter: false });
  },
  Bidirectional(config, place, { forwardLayer }) {
    only(config, "mergeMode", "concat", "sum", "mul", "ave");
    return bidirectional(convertLayer(forwardLayer!, place) as RecurrentLayer, {
      mergeMode: config.mergeMode as MergeMode,
    });
  },
  TimeDistributed(_, { inputs, output }, { layer }) {
    const inner = convertLayer(layer!, { inputs: inputs.map((shape) => shape.slice(1)), output: output.slice(1) });
    return inner && timeDistributed(inner);
  },
  Add: () => add(),
  Concatenate: ({ axis = -1 }) => concat(axis < 0 ? axis : axis - 1),
  UpSampling2D(config) {
    channelsLast(config);
    // Its bilinear form has other centers of pixels.
    only(config, "interpolation", null, "nearest");
    return upsample2d(config.size);
  },
  ReLU(config) {
    only(config, "maxValue", null, 6);
    return config.maxValue === 6 ? relu6() : relu();
  },
  LeakyReLU: ({ alpha }) => leakyRelu({ slope: alpha }),
  ELU: ({ alpha }) => elu({ alpha }),
  PReLU: () => prelu(),
  Softmax(config, place) {
    lastAxis(config, place);
    return softmax();
  },
};

/** A layer as Lanewise's; undefined if it does nothing. Throws Unsupported, or what Lanewise's layer refuses. */
export function convertLayer(layer: TfLayer, place: Place): Layer | undefined {
  const className = layer.getClassName();
  if (!Object.hasOwn(CONVERSIONS, className)) throw new Unsupported(`the class ${className}`);
  const config: TfConfig = layer.getConfig();
  for (const [option, value] of Object.entries(config)) {
    if (/(Regularizer|Constraint)$/.test(option) && value != null) throw new Unsupported(`a ${option}`);
  }
  return CONVERSIONS[className]!(config, place, layer);
}

/**
 * Lanewise's names of parameters and buffers by TensorFlow.js's. All have the same layouts: kernels of convolutions
 * [height, width, in, out], of recurrent layers the gates i, f, c, o (LSTM) and z, r, h (GRU) next to each other.
 */
const WEIGHTS: Readonly<Record<string, string>> = {
  kernel: "weight",
  bias: "bias",
  depthwise_kernel: "depthwise",
  pointwise_kernel: "pointwise",
  embeddings: "weight",
  gamma: "gamma",
  beta: "beta",
  moving_mean: "movingMean",
  moving_variance: "movingVariance",
  alpha: "alpha",
};

/** What has another name than in `WEIGHTS`, by class. */
const OWN_WEIGHTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  DepthwiseConv2D: { depthwise_kernel: "weight" },
  SimpleRNN: { kernel: "kernel", recurrent_kernel: "recurrent" },
  LSTM: { kernel: "kernel", recurrent_kernel: "recurrent" },
  GRU: { kernel: "kernel", recurrent_kernel: "recurrent" },
};

/** The weights of a layer, by what Lanewise calls them inside it. Throws Unsupported for one that it does not know. */
export function weightsOf(layer: TfLayer, prefix = ""): (readonly [name: string, weight: TfWeight])[] {
  const className = layer.getClassName();
  if (className === "Bidirectional") {
    return [...weightsOf(layer.forwardLayer!, "forward."), ...weightsOf(layer.backwardLayer!, "backward.")];
  }
  if (className === "TimeDistributed") return weightsOf(layer.layer!, prefix);
  return layer.weights.map((weight) => {
    const own = weight.originalName.split("/").at(-1)!;
    const name = OWN_WEIGHTS[className]?.[own] ?? WEIGHTS[own];
    if (name === undefined) throw new Unsupported(`the weight ${weight.originalName}`);
    return [prefix + name, weight] as const;
  });
}
