import { MODE_RATE_AFTER } from "../../backend/segments.js";
import { checkFinite } from "../../checks.js";
import type { Core } from "../../core.js";
import { type GroupOptions, type Method, Optimizer, type StepOptions } from "../../optim/optimizer.js";
import type { ParameterSet } from "../../optim/parameters.js";
import { epsilon, given, optionsOf, type Rate } from "./arguments.js";
import { type Kind, LanewiseOptimizer } from "./optimizer.js";

/** Options of `adagrad`. */
export interface AdagradOptions extends GroupOptions, StepOptions {
  /** ε >= 0, inside the root. Default: the backend's epsilon, 1e-7. */
  eps?: number;
  /** Start value >= 0 of the sum. Default 0.1. */
  initialScale?: number;
}

/** AdaGrad as TensorFlow.js defines it: s ← s + g²; θ ← θ − lr·(g / √(s + ε)). */
export class TfAdaGrad extends Optimizer {
  constructor(core: Core, params: ParameterSet, options: AdagradOptions) {
    super(core, params, options, METHOD);
  }
}

const METHOD: Method<AdagradOptions> = {
  name: "AdaGrad",
  run: (kernels, ptr, count, checkFinite) => kernels.rmsprop_f32(ptr, count, checkFinite),
  learningRate: 1e-2,
  optionKeys: ["eps", "initialScale"],
  states: ["squareSum"],
  plan: ({ eps = 1e-7, initialScale = 0.1 }, name) => {
    checkFinite(name("eps"), eps, 0);
    checkFinite(name("initialScale"), initialScale, 0);
    return {
      mode: MODE_RATE_AFTER,
      rate: { field: "rateAfter", sign: 1 },
      scalars: { decay: 1, decayComplement: 1, epsInside: eps },
      initial: [initialScale],
      correct: undefined,
    };
  },
};

const KIND: Kind<AdagradOptions> = {
  // Without an eps of its own it is not part of the configuration, which then is TensorFlow.js's.
  make: (core, params, options) => new TfAdaGrad(core, params, { ...epsilon(), ...options }),
  columns: [{ suffix: "accumulator", state: "squareSum" }],
};

/** What `adagrad` makes. */
export class LanewiseAdagrad extends LanewiseOptimizer<AdagradOptions> {
  static readonly className = "LanewiseAdagrad";

  constructor(options: AdagradOptions) {
    super(KIND, { initialScale: 0.1, ...given(options) });
  }
}

/**
 * In place of `tf.train.adagrad`: the same arguments and the same bits.
 *
 * @param learningRate a number >= 0 or a function of the iteration; or all of `AdagradOptions`
 * @param initialAccumulatorValue default 0.1
 * @throws OptionError
 */
export function adagrad(learningRate: Rate | AdagradOptions, initialAccumulatorValue?: number): LanewiseAdagrad {
  return new LanewiseAdagrad(optionsOf("Adagrad", learningRate, { initialScale: initialAccumulatorValue }));
}
