import {
  FORM_EPS_OUTSIDE,
  FORM_SEGMENT_RATE,
  FORM_SQUARE_PRODUCT,
  GROUP_DECAY,
  GROUP_DECAY_COMPLEMENT,
  GROUP_EPS_OUTSIDE,
} from "../abi/step-table.js";
import { coreFamily } from "../backend/families/core.js";
import { checkFinite } from "../checks.js";
import type { Core } from "../core.js";
import { Optimizer } from "./optimizer.js";
import type { GroupOptions, StepOptions } from "./options.js";
import type { ParametersOf } from "./parameters.js";
import type { Formula, UpdateRule } from "./update-rule.js";

/** Options of AdaGrad for all parameters or for a group of them. */
export interface AdaGradGroupOptions extends GroupOptions {
  /** ε >= 0, added to the root. Default 1e-10. */
  eps?: number;
  /** η >= 0: the learning rate of a parameter's step t is lr / (1 + (t − 1)·η). Default 0. */
  learningRateDecay?: number;
  /** Start value >= 0 of the sum. Default 0. */
  initialScale?: number;
}

/** Options of `AdaGrad`. */
export interface AdaGradOptions extends AdaGradGroupOptions, StepOptions {}

/**
 * AdaGrad, as PyTorch defines it: gradient descent, each element's step divided by the root of the sum of its squared
 * gradients.
 *
 * ```
 * s ← s + g·g          θ ← θ − (lr/(1 + (t−1)·η))·g / (√s + ε)
 * ```
 *
 * Before that, in this order: g ← −g (maximize); clipping; g ← g + λ·θ (coupled weight decay) or θ ← θ − lr·λ·θ
 * (decoupled). t counts the parameter's own steps.
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor, Float32Array | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | s (`squareSum`) | float32 | the core's memory | read and written |
 *
 * Numerics: each operation of the formula rounds once to float32, in the order written here, which is PyTorch's without
 * fused multiply-add, so every backend and machine gives the same bits. Scalars are derived in float64 and rounded
 * once.
 *
 * Cost of a step: a square root and a division an element; 12 bytes read and 8 written.
 *
 * @example
 * const w = core.tensor([3], [1, -2, 3]);
 * const gradient = core.tensor([3], [0.5, -0.5, 2]);
 * const optimizer = new AdaGrad(core, { w }, { learningRate: 0.1 });
 * optimizer.step({ w: gradient });
 * @see PyTorch torch/optim/adagrad.py; Duchi, Hazan and Singer, Adaptive Subgradient Methods (2011)
 */
export class AdaGrad extends Optimizer<AdaGradGroupOptions> {
  /**
   * @param core the core that has the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options
   * }`
   * @param options see `AdaGradOptions`; learningRate default 1e-2
   * @throws OptionError, DisposedError, OutOfMemoryError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<AdaGradGroupOptions>, options: AdaGradOptions = {}) {
    super(core, params, options, RULE);
  }
}

/** The kernel is RMSProp's: an average that keeps all of the old and adds all of the new is a sum. */
const RULE: UpdateRule<AdaGradGroupOptions> = {
  name: "AdaGrad",
  family: coreFamily,
  kernel: "rmsprop_f32",
  learningRate: 1e-2,
  optionKeys: ["eps", "learningRateDecay", "initialScale"],
  fixedKeys: ["initialScale"],
  states: [{ name: "squareSum" }],
  resolve,
};

function resolve(options: AdaGradGroupOptions, name: (key: string) => string): Formula {
  const { eps = 1e-10, learningRateDecay = 0, initialScale = 0 } = options;
  checkFinite(name("eps"), eps, 0);
  checkFinite(name("learningRateDecay"), learningRateDecay, 0);
  checkFinite(name("initialScale"), initialScale, 0);
  return {
    form: FORM_SQUARE_PRODUCT | FORM_EPS_OUTSIDE | (learningRateDecay > 0 ? FORM_SEGMENT_RATE : 0),
    scalars: [
      [GROUP_DECAY, 1],
      [GROUP_DECAY_COMPLEMENT, 1],
      [GROUP_EPS_OUTSIDE, eps],
    ],
    initial: [initialScale],
    stepScalars:
      learningRateDecay > 0
        ? ({ iterations }, scalars, rates, group) => {
            scalars[1] = rates[group]! / (1 + iterations * learningRateDecay);
          }
        : undefined,
  };
}
