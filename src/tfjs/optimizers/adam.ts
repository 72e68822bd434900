import { Adam, type AdamOptions, AdamW } from "../../optim/adam.js";
import { epsilon, given, optionsOf, type Rate } from "./arguments.js";
import { type Kind, LanewiseOptimizer } from "./optimizer.js";

const ADAM: Kind<AdamOptions> = {
  make: (core, params, options) => new Adam(core, params, options),
  columns: [
    { suffix: "m", state: "gradientAverage" },
    { suffix: "v", state: "squareAverage" },
    { suffix: "vhat", state: "maxSquareAverage" },
  ],
};

const ADAMW: Kind<AdamOptions> = { ...ADAM, make: (core, params, options) => new AdamW(core, params, options) };

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
  return new LanewiseAdam(optionsOf("Adam", learningRate, { beta1, beta2, eps: epsilon }));
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
  return new LanewiseAdamW(optionsOf("AdamW", learningRate, { beta1, beta2, eps: epsilon, weightDecay }));
}
