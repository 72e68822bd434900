import { backend, serialization } from "@tensorflow/tfjs-core";
import { unexpected } from "../checks.js";
import { Adam, type AdamOptions, AdamW } from "../optim/adam.js";
import type { Schedule } from "../optim/options.js";
import { RMSProp, type RMSPropOptions } from "../optim/rmsprop.js";
import { SGD, type SGDOptions } from "../optim/sgd.js";
import { type AdagradOptions, TfAdaGrad } from "./adagrad.js";
import { type Kind, LanewiseOptimizer } from "./optimizer.js";

export type { DialectName } from "../optim/dialects.js";
export type { Schedule } from "../optim/options.js";
export type { AdagradOptions, AdamOptions, RMSPropOptions, SGDOptions };
export { LanewiseOptimizer };

const SGD_KIND: Kind<SGDOptions> = {
  make: (core, params, options) => new SGD(core, params, options),
  columns: [{ suffix: "momentum", state: "momentumBuffer" }],
};

const RMSPROP: Kind<RMSPropOptions> = {
  make: (core, params, options) => new RMSProp(core, params, options),
  columns: [
    { suffix: "rms", state: "squareAverage" },
    { suffix: "momentum", state: "momentumBuffer", always: true },
    { suffix: "mg", state: "gradientAverage" },
  ],
};

const ADAM: Kind<AdamOptions> = {
  make: (core, params, options) => new Adam(core, params, options),
  columns: [
    { suffix: "m", state: "gradientAverage" },
    { suffix: "v", state: "squareAverage" },
    { suffix: "vhat", state: "maxSquareAverage" },
  ],
};

const ADAMW: Kind<AdamOptions> = { ...ADAM, make: (core, params, options) => new AdamW(core, params, options) };

const ADAGRAD: Kind<AdagradOptions> = {
  make: (core, params, options) => new TfAdaGrad(core, params, options),
  columns: [{ suffix: "accumulator", state: "squareSum" }],
};

/** What `rmsprop` makes. */
export class LanewiseRMSProp extends LanewiseOptimizer<RMSPropOptions> {
  static readonly className = "LanewiseRMSProp";

  constructor(options: RMSPropOptions) {
    const { dialect = "lanewise" } = options;
    const own = dialect === "lanewise" ? { decay: 0.9, momentum: 0, centered: false } : {};
    const eps = dialect === "lanewise" || dialect === "tfjs" ? epsilon() : {};
    super(RMSPROP, { ...own, ...eps, ...given(options) });
  }
}

/** What `adam` makes. */
export class LanewiseAdam extends LanewiseOptimizer<AdamOptions> {
  static readonly className = "LanewiseAdam";

  constructor(options: AdamOptions) {
    super(ADAM, { beta1: 0.9, beta2: 0.999, ...epsilon(), ...given(options) });
  }
}

/** What `adamw` makes. */
export class LanewiseAdamW extends LanewiseOptimizer<AdamOptions> {
  static readonly className = "LanewiseAdamW";

  constructor(options: AdamOptions) {
    super(ADAMW, { beta1: 0.9, beta2: 0.999, ...epsilon(), weightDecay: 0.01, ...given(options) });
  }
}

/** What `adagrad` makes. */
export class LanewiseAdagrad extends LanewiseOptimizer<AdagradOptions> {
  static readonly className = "LanewiseAdagrad";

  constructor(options: AdagradOptions) {
    super(ADAGRAD, { initialScale: 0.1, ...epsilon(), ...given(options) });
  }
}

/** What `sgd` makes. */
export class LanewiseSGD extends LanewiseOptimizer<SGDOptions> {
  static readonly className: string = "LanewiseSGD";

  constructor(options: SGDOptions) {
    super(SGD_KIND, given(options));
  }
}

/** What `momentum` makes. */
export class LanewiseMomentum extends LanewiseOptimizer<SGDOptions> {
  static readonly className = "LanewiseMomentum";

  constructor(options: SGDOptions) {
    super(SGD_KIND, given(options));
  }
}

for (const Class of [LanewiseRMSProp, LanewiseAdam, LanewiseAdamW, LanewiseAdagrad, LanewiseSGD, LanewiseMomentum]) {
  serialization.registerClass(Class);
}

/**
 * In place of `tf.train.rmsprop`: the same arguments, and the same bits unless centered, where the formula is the
 * published one: θ ← θ − lr·g / √(v − m² + ε). `dialect: "tfjs"` keeps TensorFlow.js's, which subtracts ε.
 *
 * @param learningRate a number >= 0 or a function of the iteration; or all of `RMSPropOptions`, whose defaults here are
 *   TensorFlow.js's where no other dialect is named
 * @param decay default 0.9
 * @param momentum default 0
 * @param epsilon default the backend's, 1e-7 or with 16-bit floats 1e-4
 * @param centered default false
 * @throws OptionError
 * @example
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] });
 * model.compile({ optimizer: rmsprop(1e-3), loss: "meanSquaredError" });
 */
export function rmsprop(
  learningRate: Rate | RMSPropOptions,
  decay?: number,
  momentum?: number,
  epsilon?: number | null,
  centered?: boolean,
): LanewiseRMSProp {
  return new LanewiseRMSProp(optionsOf(learningRate, { decay, momentum, eps: epsilon, centered }));
}

/**
 * In place of `tf.train.adam`. The last bits differ: Lanewise has PyTorch's order of operations.
 *
 * @param learningRate default 1e-3; or all of `AdamOptions`
 * @param beta1 default 0.9
 * @param beta2 default 0.999
 * @param epsilon default the backend's
 * @throws OptionError
 */
export function adam(
  learningRate: Rate | AdamOptions = 1e-3,
  beta1?: number,
  beta2?: number,
  epsilon?: number | null,
): LanewiseAdam {
  return new LanewiseAdam(optionsOf(learningRate, { beta1, beta2, eps: epsilon }));
}

/**
 * Adam with decoupled weight decay, which TensorFlow.js lacks.
 *
 * @param learningRate default 1e-3; or all of `AdamOptions`
 * @param beta1 default 0.9
 * @param beta2 default 0.999
 * @param epsilon default the backend's
 * @param weightDecay default 0.01
 * @throws OptionError
 */
export function adamw(
  learningRate: Rate | AdamOptions = 1e-3,
  beta1?: number,
  beta2?: number,
  epsilon?: number | null,
  weightDecay?: number,
): LanewiseAdamW {
  return new LanewiseAdamW(optionsOf(learningRate, { beta1, beta2, eps: epsilon, weightDecay }));
}

/**
 * In place of `tf.train.adagrad`: the same arguments and the same bits.
 *
 * @param learningRate a number >= 0 or a function of the iteration; or all of `AdagradOptions`
 * @param initialAccumulatorValue default 0.1
 * @throws OptionError
 */
export function adagrad(learningRate: Rate | AdagradOptions, initialAccumulatorValue?: number): LanewiseAdagrad {
  return new LanewiseAdagrad(optionsOf(learningRate, { initialScale: initialAccumulatorValue }));
}

/**
 * In place of `tf.train.sgd`: the same bits.
 *
 * @param learningRate a number >= 0 or a function of the iteration; or all of `SGDOptions`
 * @throws OptionError
 */
export function sgd(learningRate: Rate | SGDOptions): LanewiseSGD {
  return new LanewiseSGD(optionsOf(learningRate, {}));
}

/**
 * In place of `tf.train.momentum`: the same arguments and the same bits.
 *
 * @param learningRate a number >= 0 or a function of the iteration; or all of `SGDOptions`
 * @throws OptionError
 */
export function momentum(learningRate: Rate | SGDOptions, momentum?: number, useNesterov?: boolean): LanewiseMomentum {
  return new LanewiseMomentum(optionsOf(learningRate, { momentum, nesterov: useNesterov }));
}

type Rate = number | Schedule;

/** The options that have a value: TensorFlow.js has `null` for none too. */
function given<Options extends object>(options: Nullable<Options>): Partial<Options> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries) as Partial<Options>;
}

type Nullable<Options> = { [Key in keyof Options]?: Options[Key] | null | undefined };

/** The options, from the first argument alone or from all of them. */
function optionsOf<Options extends object>(first: Rate | Options, rest: Nullable<Options>): Options {
  if (typeof first === "object" && first !== null) return first;
  if (first === undefined || first === null) throw unexpected("learningRate", first, "a number or a function");
  return { learningRate: first, ...given(rest) } as Options;
}

/** The backend's, as TensorFlow.js's optimizers have it. */
function epsilon(): { eps: number } {
  return { eps: backend().epsilon() };
}
