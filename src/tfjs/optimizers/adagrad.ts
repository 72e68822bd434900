import { FORM_RATE_AFTER, GROUP_DECAY, GROUP_DECAY_COMPLEMENT, GROUP_EPS_INSIDE } from "../../abi/step-table.js";
import { coreFamily } from "../../backend/families/core.js";
import { checkFinite } from "../../checks.js";
import type { Core } from "../../core.js";
import { Optimizer } from "../../optim/optimizer.js";
import type { GroupOptions, StepOptions } from "../../optim/options.js";
import type { ParameterSet } from "../../optim/parameters.js";
import type { UpdateRule } from "../../optim/update-rule.js";
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
    super(core, params, options, RULE);
  }
}

const RULE: UpdateRule<AdagradOptions> = {
  name: "AdaGrad",
  family: coreFamily,
  kernel: "rmsprop_f32",
  learningRate: 1e-2,
  optionKeys: ["eps", "initialScale"],
  states: [{ name: "squareSum" }],
  resolve: ({ eps = 1e-7, initialScale = 0.1 }, name) => {
    checkFinite(name("eps"), eps, 0);
    checkFinite(name("initialScale"), initialScale, 0);
    return {
      form: FORM_RATE_AFTER,
      scalars: [
        [GROUP_DECAY, 1],
        [GROUP_DECAY_COMPLEMENT, 1],
        [GROUP_EPS_INSIDE, eps],
      ],
      initial: [initialScale],
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
