import { activationFamily } from "../../backend/families/activation.js";
import { UNARY, type UnaryActivation } from "../../backend/unary.js";
import { checkBoolean, checkFinite, checkKeys, checkNumber, unexpected } from "../../checks.js";
import { OptionError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import {
  ACTIVATION_NAMES,
  ActivationLayer,
  type ActivationName,
  type ActivationOptions,
  planRows,
} from "./activation.js";
import { lastAxis } from "./norm-options.js";
import { checkName, optionList } from "./options.js";

/** What `gelu`, `elu` and the other functions of single elements make. */
export class UnaryLayer extends Layer {
  readonly kind: string;
  readonly #function: UnaryActivation;
  readonly #alpha: number;
  readonly #config: object;

  /** @internal */
  constructor(kind: string, config: object, name: string | undefined, of: UnaryActivation, alpha = 0) {
    super(checkName(name));
    this.kind = kind;
    this.#config = config;
    this.#function = of;
    this.#alpha = alpha;
  }

  override config(): readonly unknown[] {
    return optionList({ ...this.#config, name: this.name });
  }

  override get activationName(): string {
    return this.kind;
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const id = UNARY[this.#function];
    const y = builder.value(x.shape);
    builder.call(activationFamily, "unary_f32", [id, x.size, this.#alpha, x, y], [x, y]);
    builder.backward(y, (dy) => {
      const dx = builder.gradient(x);
      if (dx) builder.call(activationFamily, "unary_backward_f32", [id, x.size, this.#alpha, x, dy, dx], [dy, dx]);
    });
    return y;
  }
}

/** What `logSoftmax` makes. */
export class LogSoftmaxLayer extends Layer {
  readonly kind = "logSoftmax";

  constructor(name: string | undefined) {
    super(checkName(name));
  }

  override config(): readonly unknown[] {
    return optionList({ name: this.name });
  }

  override get activationName(): string {
    return this.kind;
  }

  override outputShape(input: Shape): Shape {
    lastAxis(this.kind, input);
    return input;
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    return planRows(builder, x, activationFamily, "log_softmax_f32", "log_softmax_backward_f32");
  }
}

/** What `prelu` makes. */
export class PreluLayer extends Layer {
  readonly kind = "prelu";
  readonly start: number;

  constructor(start: number, name: string | undefined) {
    super(checkName(name));
    this.start = start;
  }

  override config(): readonly unknown[] {
    return optionList({ start: this.start, name: this.name });
  }

  override outputShape(input: Shape): Shape {
    lastAxis(this.kind, input);
    return input;
  }

  override parameters(input: Shape): readonly ParameterSpec[] {
    return [{ name: "alpha", shape: [lastAxis(this.kind, input)], start: () => () => this.start }];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const columns = lastAxis(this.kind, x.shape);
    const rows = x.size / columns;
    const alpha = builder.parameter("alpha");
    const y = builder.value(x.shape);
    builder.call(activationFamily, "prelu_f32", [rows, columns, x, alpha, y], [x, y]);
    builder.backward(y, (dy) => {
      const dalpha = builder.gradient(alpha) ?? builder.block(columns);
      const dx = builder.gradient(x) ?? builder.block(x.size);
      const args = [rows, columns, columns, x, alpha, dy, dx, dalpha];
      builder.call(activationFamily, "prelu_backward_f32", args, [dy, dx]);
    });
    return y;
  }
}

/** An activation without options of its own. */
function plain(kind: UnaryActivation, options: ActivationOptions): UnaryLayer {
  checkKeys("options", options, ["name"]);
  return new UnaryLayer(kind, {}, options.name, kind);
}

/**
 * x·Φ(x), Φ being the distribution function of the normal distribution; with `approximate`
 * ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
 *
 * Numerics: in float64, rounded once.
 *
 * @param options `approximate`, default false; `name`
 * @throws OptionError
 * @see Hendrycks & Gimpel, arXiv:1606.08415
 */
export function gelu(options: ActivationOptions & { approximate?: boolean } = {}): UnaryLayer {
  checkKeys("options", options, ["approximate", "name"]);
  const { approximate = false, name } = options;
  checkBoolean("approximate", approximate);
  return new UnaryLayer("gelu", { approximate }, name, approximate ? "geluTanh" : "gelu");
}

/**
 * x where x >= 0, else alpha·(eˣ − 1).
 *
 * @param options `alpha`, default 1; `name`
 * @throws OptionError
 */
export function elu(options: ActivationOptions & { alpha?: number } = {}): UnaryLayer {
  checkKeys("options", options, ["alpha", "name"]);
  const { alpha = 1, name } = options;
  checkFinite("alpha", alpha, Number.NEGATIVE_INFINITY);
  return new UnaryLayer("elu", { alpha }, name, "elu", alpha);
}

/**
 * x where x > 0, else slope·x.
 *
 * @param options `slope`, default 0.3 as in Keras (PyTorch has 0.01); `name`
 * @throws OptionError
 */
export function leakyRelu(options: ActivationOptions & { slope?: number } = {}): UnaryLayer {
  checkKeys("options", options, ["slope", "name"]);
  const { slope = 0.3, name } = options;
  checkFinite("slope", slope, Number.NEGATIVE_INFINITY);
  return new UnaryLayer("leakyRelu", { slope }, name, "leakyRelu", slope);
}

/**
 * x where x > 0, else alpha·x with a trained alpha for each channel, the last axis. Parameters: `alpha` [channels].
 *
 * @param options `start` of every alpha, default 0 as in Keras (PyTorch has 0.25); `name`
 * @throws OptionError
 */
export function prelu(options: ActivationOptions & { start?: number } = {}): PreluLayer {
  checkKeys("options", options, ["start", "name"]);
  const { start = 0, name } = options;
  checkFinite("start", start, Number.NEGATIVE_INFINITY);
  return new PreluLayer(start, name);
}

/** min(max(x, 0), 6), the activation of MobileNet; its derivative is 0 at 0 and at 6. */
export function relu6(options: ActivationOptions = {}): UnaryLayer {
  return plain("relu6", options);
}

/** 1.0507…·(x where x >= 0, else 1.6732…·(eˣ − 1)). @see Klambauer et al., NeurIPS 2017 */
export function selu(options: ActivationOptions = {}): UnaryLayer {
  return plain("selu", options);
}

/** log(1 + eˣ), at most 2 ulp off. */
export function softplus(options: ActivationOptions = {}): UnaryLayer {
  return plain("softplus", options);
}

/** x / (1 + |x|) */
export function softsign(options: ActivationOptions = {}): UnaryLayer {
  return plain("softsign", options);
}

/** x·sigmoid(x), also called swish. */
export function silu(options: ActivationOptions = {}): UnaryLayer {
  return plain("silu", options);
}

/** x·tanh(softplus(x)) */
export function mish(options: ActivationOptions = {}): UnaryLayer {
  return plain("mish", options);
}

/** x·min(max(x + 3, 0), 6) / 6 */
export function hardSwish(options: ActivationOptions = {}): UnaryLayer {
  return plain("hardSwish", options);
}

/**
 * slope·x + ½, held between 0 and 1.
 *
 * @param options `slope`, above 0, default 1/6 as in Keras 3 (TensorFlow.js and Keras 2 have 0.2); `name`
 * @throws OptionError
 */
export function hardSigmoid(options: ActivationOptions & { slope?: number } = {}): UnaryLayer {
  checkKeys("options", options, ["slope", "name"]);
  const { slope = 1 / 6, name } = options;
  checkNumber("slope", slope, 0, Number.MAX_VALUE);
  if (slope === 0) throw new OptionError("slope is 0, expected a number above 0");
  return new UnaryLayer("hardSigmoid", { slope }, name, "hardSigmoid", 0.5 / slope);
}

/** x − log Σ eˣ along the last axis. */
export function logSoftmax(options: ActivationOptions = {}): LogSoftmaxLayer {
  checkKeys("options", options, ["name"]);
  return new LogSoftmaxLayer(options.name);
}

const FUNCTIONS = {
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  logSoftmax,
  mish,
  prelu,
  relu6,
  selu,
  silu,
  softplus,
  softsign,
} satisfies Record<string, (options: ActivationOptions) => Layer>;

/** Activations that only programs that import them ship: an option takes them as layers, `gelu()`. */
export type ActivationFunctionName = keyof typeof FUNCTIONS;

/**
 * An activation by its name, with its defaults: for names that a program reads. It ships the kernels of all of them; a
 * program that knows the name beforehand is smaller with the function of that name: `tanh()`, `gelu()`.
 *
 * @throws OptionError for a name that there is not
 * @example
 * const layers = [dense(16), activation("gelu"), dense(1)];
 */
export function activation(name: ActivationName | ActivationFunctionName, options: ActivationOptions = {}): Layer {
  checkKeys("options", options, ["name"]);
  if (typeof name !== "string") throw unexpected("name", name, "the name of an activation");
  if (ACTIVATION_NAMES.includes(name)) return new ActivationLayer(name as ActivationName, options.name);
  if (Object.hasOwn(FUNCTIONS, name)) return FUNCTIONS[name as ActivationFunctionName](options);
  const known = [...ACTIVATION_NAMES, ...Object.keys(FUNCTIONS)].map((each) => `"${each}"`).join(", ");
  throw unexpected("name", name, `one of ${known}`);
}
