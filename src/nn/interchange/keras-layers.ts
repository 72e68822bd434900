import { describe } from "../../checks.js";
import { CheckpointError, OptionError } from "../../errors.js";
import { type Shape, sizeOf } from "../../tensor.js";
import type { LayerConfig } from "../layer.js";
import { activationWord, gateWord, readActivationOption, readGate } from "./keras-activations.js";
import type { KerasConfig } from "./keras-config.js";

type Options = Readonly<Record<string, unknown>>;

/** A layer class of Keras, and what it is here. */
export interface KerasLayer {
  readonly className: string;
  readonly kind: string;
  /** Tells a layer from others of its class. */
  matches?(config: KerasConfig): boolean;
  /** Names of its weights, Keras's and ours, in the order of Keras; of a class with layers inside, paths. */
  readonly weights?: readonly (readonly [keras: string, own: string])[];
  /** The arguments of our function from Keras's config. Throws CheckpointError for what is different here. */
  read(config: KerasConfig, inputs: readonly Shape[]): readonly unknown[];
}

/** One that TensorFlow.js has, too. */
interface TfjsLayer extends KerasLayer {
  /** Keras's config from the arguments. Throws OptionError for what Keras has not. */
  write(args: readonly unknown[], inputs: readonly Shape[]): Record<string, unknown>;
}

/** What a layer applies after itself, in Keras another layer if its name does not say everything. */
export function activationOption(args: readonly unknown[]): LayerConfig | undefined {
  const { activation } = (args.at(-1) ?? {}) as { activation?: unknown };
  return typeof activation === "string" ? { kind: activation, args: [] } : (activation as LayerConfig | undefined);
}

function writeActivation(args: readonly unknown[]): string {
  const layer = activationOption(args);
  return (layer && activationWord(layer)) ?? "linear";
}

const WEIGHT = ["kernel", "weight"] as const;
const BIAS = ["bias", "bias"] as const;
const AFFINE = [
  ["gamma", "gamma"],
  ["beta", "beta"],
] as const;

/** The options at the end of arguments. */
function optionsOf(args: readonly unknown[]): Options {
  return (args.at(-1) ?? {}) as Options;
}

function pair(value: unknown, rank: 1 | 2): readonly number[] {
  return Array.isArray(value) ? value : Array(rank).fill(value);
}

function size(config: KerasConfig, name: string, rank: 1 | 2, byDefault: unknown = 1): unknown {
  const value = config.get(name) ?? byDefault;
  return rank === 1 && Array.isArray(value) && value.length === 1 ? value[0] : value;
}

/** The options of a window. */
function readWindow(config: KerasConfig, rank: 1 | 2): Record<string, unknown> {
  config.only("data_format", "channels_last", "channelsLast");
  const options = { strides: size(config, "strides", rank), padding: config.get("padding") ?? "valid" };
  return {
    ...options,
    kernelSize: size(config, "kernel_size", rank, 0),
    dilation: size(config, "dilation_rate", rank),
  };
}

function writeWindow({ kernelSize, strides, padding, dilation = 1, groups = 1 }: Options, rank: 1 | 2) {
  if (typeof padding !== "string") throw new OptionError(`padding is [${padding}], which TensorFlow.js has not`);
  if (padding === "causal") throw new OptionError("padding is causal, which TensorFlow.js cannot compute");
  if (groups !== 1) throw new OptionError(`groups is ${groups}, which TensorFlow.js has not`);
  return {
    data_format: "channels_last",
    kernel_size: pair(kernelSize, rank),
    strides: pair(strides, rank),
    padding,
    dilation_rate: pair(dilation, rank),
  };
}

/** `filters` (if it has) and a window. */
function convolution(className: string, kind: string, rank: 1 | 2, weights: KerasLayer["weights"]): TfjsLayer {
  const isDepthwise = kind === "depthwiseConv2d";
  const hasMultiplier = isDepthwise || kind === "separableConv2d";
  return {
    className,
    kind,
    weights: [...weights!, BIAS],
    read(config) {
      const hasGroups = config.version === 3 && (kind === "conv1d" || kind === "conv2d");
      if (!hasGroups) config.only("groups", 1);
      const activation = readActivationOption(config);
      const options: Record<string, unknown> = { ...readWindow(config, rank), bias: config.flag("use_bias", true) };
      if (hasGroups) options.groups = config.get("groups") ?? 1;
      if (hasMultiplier) options.multiplier = config.get("depth_multiplier") ?? 1;
      if (activation !== undefined) options.activation = activation;
      return isDepthwise ? [options] : [config.get("filters"), options];
    },
    write(args) {
      const options = optionsOf(args);
      const { bias, multiplier } = options;
      return {
        ...(isDepthwise ? {} : { filters: args[0] }),
        ...writeWindow(options, rank),
        ...(hasMultiplier && { depth_multiplier: multiplier }),
        use_bias: bias,
        activation: writeActivation(args),
      };
    },
  };
}

function pooling(className: string, kind: string, rank: 1 | 2): TfjsLayer {
  return {
    className,
    kind,
    read(config) {
      config.only("data_format", "channels_last", "channelsLast");
      const window = size(config, "pool_size", rank, 2);
      return [window, { strides: size(config, "strides", rank, window), padding: config.get("padding") ?? "valid" }];
    },
    write([window, { strides, padding }]: readonly [unknown, Options]) {
      const {
        kernel_size: pool_size,
        dilation_rate: _,
        ...rest
      } = writeWindow({ kernelSize: window, strides, padding }, rank);
      return { ...rest, pool_size };
    },
  };
}

/** A layer without options of its own. */
function plain(
  className: string,
  kind: string,
  ...same: readonly (readonly [name: string, ...values: unknown[]])[]
): TfjsLayer {
  return {
    className,
    kind,
    read(config) {
      for (const [name, ...values] of same) config.only(name, ...values);
      return [];
    },
    write: () => Object.fromEntries(same.map(([name, value]) => [name, value])),
  };
}

function recurrent(className: string, kind: "lstm" | "gru" | "simpleRnn"): TfjsLayer {
  return {
    className,
    kind,
    weights: [["kernel", "kernel"], ["recurrent_kernel", "recurrent"], BIAS],
    read(config) {
      config.only("return_state", false);
      config.only("time_major", false);
      const options: Record<string, unknown> = { activation: readGate(config, "activation", "tanh") };
      if (kind !== "simpleRnn") options.recurrentActivation = readGate(config, "recurrent_activation", "hard_sigmoid");
      options.bias = config.flag("use_bias", true);
      options.returnSequences = config.flag("return_sequences", false);
      options.goBackwards = config.flag("go_backwards", false);
      options.stateful = config.flag("stateful", false);
      if (kind === "gru") options.resetAfter = config.flag("reset_after", false);
      if (kind === "lstm") options.unitForgetBias = config.flag("unit_forget_bias", true);
      return [config.get("units"), options];
    },
    write([units, options]: readonly [unknown, Options]) {
      const { activation, recurrentActivation, masked, resetAfter, unitForgetBias } = options;
      if (masked) throw new OptionError("masked is true, expected false: TensorFlow.js takes no mask as an input");
      if (resetAfter) throw new OptionError("resetAfter is true, expected false: TensorFlow.js has no other GRU");
      const word = gateWord(activation);
      const gate = kind === "simpleRnn" ? word : gateWord(recurrentActivation);
      if (word === undefined || gate === undefined) {
        throw new OptionError("hardSigmoid has another slope than 0.2, which is that of TensorFlow.js");
      }
      return {
        units,
        activation: word,
        ...(kind !== "simpleRnn" && { recurrent_activation: gate }),
        use_bias: options.bias,
        return_sequences: options.returnSequences,
        go_backwards: options.goBackwards,
        stateful: options.stateful,
        ...(kind === "gru" && { reset_after: false }),
        ...(kind === "lstm" && { unit_forget_bias: unitForgetBias }),
      };
    },
  };
}

/** Normalization over the last axis. */
function normalization(className: string, kind: "batchNorm" | "layerNorm"): TfjsLayer {
  const moving = [
    ["moving_mean", "movingMean"],
    ["moving_variance", "movingVariance"],
  ] as const;
  return {
    className,
    kind,
    weights: kind === "batchNorm" ? [...AFFINE, ...moving] : AFFINE,
    read(config, [input]) {
      const last = input!.length; // axes count the batch
      config.only("axis", -1, last, [-1], [last]);
      const options = {
        eps: config.get("epsilon") ?? 1e-3,
        scale: config.flag("scale", true),
        center: config.flag("center", true),
      };
      return [kind === "batchNorm" ? { momentum: config.get("momentum") ?? 0.99, ...options } : options];
    },
    write([options]: readonly Options[]) {
      const { momentum, eps: epsilon, scale, center } = options!;
      return {
        axis: kind === "batchNorm" ? -1 : [-1],
        epsilon,
        scale,
        center,
        ...(kind === "batchNorm" && { momentum }),
      };
    },
  };
}

/** Throws if a layer of its own reads backward, instead of a copy of the one that reads forward. */
function checkBackward(config: KerasConfig): void {
  if (config.get("backward_layer") === undefined) return;
  const own = (direction: string) => {
    const inner = config.nested(direction);
    const { name: _, go_backwards: __, ...rest } = inner.nested("config").record;
    return JSON.stringify([inner.get("class_name"), rest], (key, value) => (key === "shared_object_id" ? 0 : value));
  };
  if (own("layer") === own("backward_layer")) return;
  throw config.unexpected("backward_layer", config.get("backward_layer"), "the same as layer");
}

/** A layer around another. */
function wrapper(className: string, kind: "bidirectional" | "timeDistributed"): TfjsLayer {
  const isBoth = kind === "bidirectional";
  return {
    className,
    kind,
    read(config, [input, ...others]) {
      const inner = config.nested("layer");
      const found = byClass(inner.get("class_name"), `${inner.path}.class_name`, inner.nested("config"));
      const shapes = isBoth ? [input!, ...others] : [input!.slice(1)];
      const args = found.read(inner.nested("config"), shapes);
      const layer = { kind: found.kind, args };
      if (isBoth) checkBackward(config);
      return isBoth ? [layer, { mergeMode: config.get("merge_mode") ?? "concat" }] : [layer];
    },
    write([layer, options]: readonly [LayerConfig, Options?], [input, ...others]) {
      const found = byKind(layer.kind);
      const shapes = isBoth ? [input!, ...others] : [input!.slice(1)];
      const own = activationOption(layer.args);
      if (own !== undefined && activationWord(own) === undefined) {
        throw new OptionError(`activation is ${own.kind} with options that no name in TensorFlow.js says`);
      }
      const config = { name: "inner", ...found.write(layer.args, shapes) };
      return { layer: { class_name: found.className, config }, ...(isBoth && { merge_mode: options!.mergeMode }) };
    },
  };
}

const CHANNELS = ["data_format", "channels_last", "channelsLast"] as const;

/** TensorFlow.js has no options for it, Keras has. */
function globalPooling1d(className: string, kind: string): TfjsLayer {
  const { read } = plain(className, kind, CHANNELS, ["keepdims", false]);
  return { ...plain(className, kind), read };
}

const LAYERS: readonly TfjsLayer[] = [
  {
    className: "Dense",
    kind: "dense",
    weights: [WEIGHT, BIAS],
    read(config: KerasConfig) {
      const activation = readActivationOption(config);
      const bias = config.flag("use_bias", true);
      return [config.get("units"), activation === undefined ? { bias } : { bias, activation }];
    },
    write(args: readonly unknown[]) {
      return { units: args.at(-2), use_bias: optionsOf(args).bias, activation: writeActivation(args) };
    },
  },
  convolution("Conv1D", "conv1d", 1, [WEIGHT]),
  convolution("Conv2D", "conv2d", 2, [WEIGHT]),
  convolution("Conv2DTranspose", "conv2dTranspose", 2, [WEIGHT]),
  convolution("DepthwiseConv2D", "depthwiseConv2d", 2, [["depthwise_kernel", "weight"]]),
  convolution("SeparableConv2D", "separableConv2d", 2, [
    ["depthwise_kernel", "depthwise"],
    ["pointwise_kernel", "pointwise"],
  ]),
  pooling("MaxPooling1D", "maxPool1d", 1),
  pooling("MaxPooling2D", "maxPool2d", 2),
  pooling("AveragePooling1D", "averagePool1d", 1),
  pooling("AveragePooling2D", "averagePool2d", 2),
  globalPooling1d("GlobalAveragePooling1D", "globalAveragePool1d"),
  plain("GlobalAveragePooling2D", "globalAveragePool2d", CHANNELS, ["keepdims", false]),
  globalPooling1d("GlobalMaxPooling1D", "globalMaxPool1d"),
  plain("GlobalMaxPooling2D", "globalMaxPool2d", CHANNELS, ["keepdims", false]),
  plain("Flatten", "flatten", CHANNELS),
  plain("Add", "add"),
  recurrent("LSTM", "lstm"),
  recurrent("GRU", "gru"),
  recurrent("SimpleRNN", "simpleRnn"),
  normalization("BatchNormalization", "batchNorm"),
  normalization("LayerNormalization", "layerNorm"),
  wrapper("Bidirectional", "bidirectional"),
  wrapper("TimeDistributed", "timeDistributed"),
  {
    ...plain("ReLU", "relu6", ["max_value", 6], ["negative_slope", 0], ["threshold", 0]),
    matches: (config) => config.get("max_value") === 6,
  },
  plain("ReLU", "relu", ["max_value"], ["negative_slope", 0], ["threshold", 0]),
  {
    className: "Softmax",
    kind: "softmax",
    read(config: KerasConfig, [input]: readonly Shape[]) {
      config.only("axis", -1, input!.length); // counts the batch
      return [];
    },
    write: () => ({ axis: -1 }),
  },
  {
    className: "LeakyReLU",
    kind: "leakyRelu",
    read: (config: KerasConfig) => [{ slope: config.get("negative_slope") ?? config.get("alpha") ?? 0.3 }],
    write: ([options]: readonly Options[]) => ({ alpha: options!.slope }),
  },
  {
    className: "ELU",
    kind: "elu",
    read: (config: KerasConfig) => [{ alpha: config.get("alpha") ?? 1 }],
    write([options]: readonly Options[]) {
      throw new OptionError(`alpha is ${options!.alpha}, expected 1: TensorFlow.js has no other`);
    },
  },
  {
    className: "PReLU",
    kind: "prelu",
    weights: [["alpha", "alpha"]],
    read(config: KerasConfig, [input]: readonly Shape[]) {
      // One alpha for each channel: every other axis is shared.
      config.only(
        "shared_axes",
        input!.slice(1).map((_, axis) => axis + 1),
        ...(input!.length === 1 ? [[]] : []),
      );
      if (input!.length > 1 && config.get("shared_axes") === undefined) {
        throw config.unexpected("shared_axes", undefined, "all axes but the last");
      }
      return [];
    },
    write: (_: readonly unknown[], [input]: readonly Shape[]) => ({
      shared_axes: input!.length === 1 ? null : input!.slice(1).map((_, axis) => axis + 1),
    }),
  },
  {
    className: "Dropout",
    kind: "dropout",
    read(config: KerasConfig) {
      config.only("noise_shape");
      return [config.get("rate")];
    },
    write: ([rate]) => ({ rate }),
  },
  {
    className: "Reshape",
    kind: "reshape",
    read(config: KerasConfig, [input]: readonly Shape[]) {
      const shape = config.get("target_shape");
      if (!Array.isArray(shape)) throw config.unexpected("target_shape", shape, "an array");
      const known = shape.filter((length) => length !== -1 && length !== null);
      return [shape.map((length) => (length === -1 || length === null ? sizeOf(input!) / sizeOf(known) : length))];
    },
    write: ([shape]: readonly unknown[]) => ({ target_shape: shape }),
  },
  {
    className: "Concatenate",
    kind: "concat",
    read(config: KerasConfig) {
      const axis = config.get("axis") ?? -1; // counts the batch
      if (axis !== -1 && !(Number.isInteger(axis) && (axis as number) >= 1))
        throw config.unexpected("axis", axis, "-1, or an integer >= 1");
      return [axis === -1 ? -1 : (axis as number) - 1];
    },
    write: ([axis]: readonly unknown[]) => ({ axis: axis === -1 ? -1 : (axis as number) + 1 }),
  },
  {
    className: "Embedding",
    kind: "embedding",
    weights: [["embeddings", "weight"]],
    read(config: KerasConfig) {
      config.only("mask_zero", false);
      return [config.get("input_dim"), config.get("output_dim")];
    },
    write: ([input_dim, output_dim]: readonly unknown[]) => ({ input_dim, output_dim, mask_zero: false }),
  },
  {
    className: "UpSampling2D",
    kind: "upsample2d",
    read(config: KerasConfig) {
      config.only(...CHANNELS);
      return [config.get("size") ?? 2, { interpolation: config.get("interpolation") ?? "nearest" }];
    },
    write([window, { interpolation }]: readonly [unknown, Options]) {
      return { size: pair(window, 2), interpolation, data_format: "channels_last" };
    },
  },
];

/** Those that only Keras 3 has. */
const KERAS3: readonly KerasLayer[] = [
  {
    className: "GroupNormalization",
    kind: "groupNorm",
    weights: AFFINE,
    read(config: KerasConfig, [input]: readonly Shape[]) {
      config.only("axis", -1, input!.length);
      const options = { eps: config.get("epsilon") ?? 1e-3, scale: config.flag("scale", true) };
      return [config.get("groups") ?? 32, { ...options, center: config.flag("center", true) }];
    },
  },
  {
    className: "RMSNormalization",
    kind: "rmsNorm",
    weights: [["scale", "gamma"]],
    read(config: KerasConfig, [input]: readonly Shape[]) {
      const last = input!.length;
      config.only("axis", -1, last, [-1], [last]);
      return [{ eps: config.get("epsilon") ?? 1e-6 }];
    },
  },
  {
    className: "MultiHeadAttention",
    kind: "multiHeadAttention",
    weights: ["query", "key", "value", "output"].flatMap((name) => [
      [`${name}_dense/vars/0`, `${name}.weight`] as const,
      [`${name}_dense/vars/1`, `${name}.bias`] as const,
    ]),
    read(config: KerasConfig) {
      config.only("attention_axes", [1]);
      config.only("output_shape");
      config.only("use_gate", false);
      config.only("sliding_window");
      const sizes = { keySize: config.get("key_dim"), valueSize: config.get("value_dim") ?? config.get("key_dim") };
      const flags = { bias: config.flag("use_bias", true), causal: config.flag("use_causal_mask", false) };
      return [config.get("num_heads"), { ...sizes, ...flags }];
    },
  },
];

/** What a class of Keras is here. Throws CheckpointError for one that is not known. */
export function byClass(className: unknown, path: string, config: KerasConfig): KerasLayer {
  const known: readonly KerasLayer[] = config.version === 3 ? [...LAYERS, ...KERAS3] : LAYERS;
  const found = known.find((layer) => layer.className === className && (layer.matches?.(config) ?? true));
  if (found !== undefined) return found;
  throw new CheckpointError(`${path} is ${describe(className)}, which has no layer here`);
}

/** What a layer is in TensorFlow.js. Throws OptionError for one that it has not. */
export function byKind(kind: string): TfjsLayer {
  const found = LAYERS.find((layer) => layer.kind === kind);
  if (found !== undefined) return found;
  throw new OptionError(`layers of kind "${kind}" have no class in TensorFlow.js`);
}
