import type { LayerConfig } from "../layer.js";
import { ACTIVATION_NAMES } from "../layers/activation.js";
import type { KerasConfig } from "./keras-config.js";

type Activation = readonly [name: string, kind: string, options?: Readonly<Record<string, unknown>>];

/** Keras's activations by name, and the layers that they are; the slope of hard_sigmoid is that of TensorFlow.js. */
const ACTIVATIONS: readonly Activation[] = [
  ["relu", "relu"],
  ["relu6", "relu6"],
  ["tanh", "tanh"],
  ["sigmoid", "sigmoid"],
  ["softmax", "softmax"],
  ["log_softmax", "logSoftmax"],
  ["elu", "elu", { alpha: 1 }],
  ["selu", "selu"],
  ["softplus", "softplus"],
  ["softsign", "softsign"],
  ["swish", "silu"],
  ["silu", "silu"],
  ["mish", "mish"],
  ["gelu", "gelu", { approximate: false }],
  ["gelu_new", "gelu", { approximate: true }],
  ["hard_sigmoid", "hardSigmoid", { slope: 0.2 }],
];

/** Those that only Keras 3 has, or that are something else there. */
const KERAS3: readonly Activation[] = [
  ["hard_sigmoid", "hardSigmoid"],
  ["hard_silu", "hardSwish"],
  ["hard_swish", "hardSwish"],
  ["leaky_relu", "leakyRelu", { slope: 0.2 }],
];

/** The layer that an activation is; undefined for none. */
export function readActivation(config: KerasConfig, name = "activation"): LayerConfig | undefined {
  const word = config.word(name);
  if (word === undefined || word === "linear") return undefined;
  const known = config.version === 3 ? [...KERAS3, ...ACTIVATIONS] : ACTIVATIONS;
  const found = known.find((entry) => entry[0] === word);
  if (found === undefined) {
    const words = new Set(known.map(([each]) => each));
    throw config.unexpected(name, word, `one of linear, ${[...words].join(", ")}`);
  }
  const [, kind, options] = found;
  return { kind, args: options === undefined ? [] : [options] };
}

/** The same as an option: a name where there is one. */
export function readActivationOption(config: KerasConfig): string | LayerConfig | undefined {
  const layer = readActivation(config);
  return layer && ACTIVATION_NAMES.includes(layer.kind) ? layer.kind : layer;
}

/** An activation of a recurrent layer. */
export function readGate(config: KerasConfig, name: string, byDefault: string): unknown {
  const word = config.word(name) ?? byDefault;
  if (word === "hard_sigmoid") return config.version === 3 ? "hardSigmoid" : { hardSigmoid: 0.2 };
  if (["linear", "relu", "tanh", "sigmoid"].includes(word)) return word;
  throw config.unexpected(name, word, "linear, relu, tanh, sigmoid or hard_sigmoid");
}

/** Keras's name of what an activation layer computes; undefined if TensorFlow.js would not find it by that. */
export function activationWord({ kind, args }: LayerConfig): string | undefined {
  const { name: _, ...given } = (args[0] ?? {}) as Record<string, unknown>;
  const same = ([, each, options = {}]: Activation) =>
    each === kind && JSON.stringify(options) === JSON.stringify(given);
  const word = ACTIVATIONS.find(same)?.[0];
  return word === "gelu_new" ? undefined : word; // TensorFlow.js writes it, and does not find it again
}

/** Keras's name of an activation of a recurrent layer; undefined if TensorFlow.js has it not. */
export function gateWord(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return (value as { hardSigmoid: number }).hardSigmoid === 0.2 ? "hard_sigmoid" : undefined;
}
