import {
  FORM_RATE_AFTER,
  GROUP_DECAY,
  GROUP_DECAY_COMPLEMENT,
  GROUP_EPS_INSIDE,
  GROUP_RATE_AFTER,
} from "../abi/step-table.js";
import { coreFamily } from "../backend/families/core.js";
import { checkFinite } from "../checks.js";
import type { Core } from "../core.js";
import { Optimizer } from "../optim/optimizer.js";
import type { GroupOptions, StepOptions } from "../optim/options.js";
import type { ParameterSet } from "../optim/parameters.js";
import type { UpdateRule } from "../optim/update-rule.js";

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
      rate: { word: GROUP_RATE_AFTER, sign: 1 },
      scalars: [
        [GROUP_DECAY, 1],
        [GROUP_DECAY_COMPLEMENT, 1],
        [GROUP_EPS_INSIDE, eps],
      ],
      initial: [initialScale],
    };
  },
};
