import {
  FORM_MEAN_FROM_GRADIENT,
  GROUP_DECAY,
  GROUP_DECAY_COMPLEMENT,
  GROUP_EPS_OUTSIDE,
  GROUP_MEAN_DECAY,
  GROUP_MEAN_DECAY_COMPLEMENT,
  MODE_DECAY_FACTOR,
} from "../abi/step-table.js";
import { adamFamily } from "../backend/families/adam.js";
import { checkBoolean, checkFinite } from "../checks.js";
import type { Core } from "../core.js";
import { checkBelowOne, complementOfPower, factorsOf } from "./bias-correction.js";
import { Optimizer } from "./optimizer.js";
import type { GroupOptions, StepOptions } from "./options.js";
import type { ParametersOf } from "./parameters.js";
import type { Formula, UpdateRule } from "./update-rule.js";

/** Options of Adam and AdamW for all parameters or for a group of them. */
export interface AdamGroupOptions extends GroupOptions {
  /** β₁, smoothing constant of the gradient, 0 <= β₁ < 1. Default 0.9. */
  beta1?: number;
  /** β₂, smoothing constant of the squared gradient, 0 <= β₂ < 1. Default 0.999. */
  beta2?: number;
  /** ε >= 0, added to the root. Default 1e-8. */
  eps?: number;
  /** Divide by the largest v so far (AMSGrad). Default false. */
  amsgrad?: boolean;
}

/** Options of `Adam` and `AdamW`. */
export interface AdamOptions extends AdamGroupOptions, StepOptions {}

/**
 * Adam, as PyTorch defines it: gradient descent along the gradient's moving average, each element's step divided by the
 * root of a moving average of its squared gradients, both corrected for their start at 0.
 *
 * ```
 * m ← m + (1−β₁)·(g − m)          v ← β₂·v + ((1−β₂)·g)·g          θ ← θ − (lr/(1−β₁ᵗ))·m / (√v/√(1−β₂ᵗ) + ε)
 * ```
 *
 * with `amsgrad` the root is of s ← max(s, v). Before that, in this order: g ← −g (maximize); clipping; g ← g + λ·θ
 * (coupled weight decay) or θ ← θ·(1 − lr·λ) (decoupled: `AdamW`). t counts the parameter's own steps.
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor, Float32Array | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | m, v, s (`gradientAverage`, `squareAverage`, `maxSquareAverage`) | float32 | the core's memory, s only with amsgrad
 * | read and written |
 *
 * Numerics: each operation of the formula rounds once to float32, in the order written here, which is PyTorch's without
 * fused multiply-add, so every backend and machine gives the same bits. Scalars are derived in float64 and rounded
 * once.
 *
 * Cost of a step: a square root and two divisions an element; 16 bytes read and 12 written, with s 4 and 4 more.
 *
 * @example
 * const w = core.tensor([3], [1, -2, 3]);
 * const gradient = core.tensor([3], [0.5, -0.5, 2]);
 * const optimizer = new Adam(core, { w }, { learningRate: 0.01 });
 * optimizer.step({ w: gradient });
 * @see PyTorch torch/optim/adam.py; Kingma and Ba, Adam (2015); Reddi, Kale and Kumar, On the Convergence of Adam and
 *   Beyond (2018)
 */
export class Adam extends Optimizer<AdamGroupOptions> {
  /**
   * @param core the core that has the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options
   * }`
   * @param options see `AdamOptions`; learningRate default 1e-3
   * @throws OptionError, DisposedError, OutOfMemoryError, BackendError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<AdamGroupOptions>, options: AdamOptions = {}) {
    super(core, params, options, RULE);
  }
}

/**
 * Adam with decoupled weight decay, as PyTorch defines it: `Adam` with `decoupledWeightDecay: true` and `weightDecay`
 * 0.01 as defaults.
 *
 * @example
 * const w = new Float32Array([1, -2, 3]);
 * const optimizer = new AdamW(core, w, { weightDecay: 0.05 });
 * optimizer.step(new Float32Array([0.5, -0.5, 2]));
 * @see PyTorch torch/optim/adamw.py; Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019)
 */
export class AdamW extends Optimizer<AdamGroupOptions> {
  /**
   * @param core the core that has the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options
   * }`
   * @param options see `AdamOptions`; learningRate default 1e-3, weightDecay default 0.01
   * @throws OptionError, DisposedError, OutOfMemoryError, BackendError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<AdamGroupOptions>, options: AdamOptions = {}) {
    super(core, params, options, RULE_W);
  }
}

const RULE: UpdateRule<AdamGroupOptions> = {
  name: "Adam",
  family: adamFamily,
  kernel: "adam_f32",
  learningRate: 1e-3,
  optionKeys: ["beta1", "beta2", "eps", "amsgrad"],
  states: [{ name: "squareAverage" }, { name: "gradientAverage" }, { name: "maxSquareAverage" }],
  resolve,
};

const RULE_W: UpdateRule<AdamGroupOptions> = {
  ...RULE,
  name: "AdamW",
  defaults: { weightDecay: 0.01, decoupledWeightDecay: true },
};

function resolve(options: AdamGroupOptions, name: (key: string) => string, mode: number): Formula {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, amsgrad = false } = options;
  checkBelowOne(name("beta1"), beta1);
  checkBelowOne(name("beta2"), beta2);
  checkFinite(name("eps"), eps, 0);
  checkBoolean(name("amsgrad"), amsgrad);
  const weight = Math.fround(1 - beta1);
  const factors1 = factorsOf(beta1);
  const factors2 = factorsOf(beta2);
  return {
    mode: mode | MODE_DECAY_FACTOR,
    // torch.lerp goes from the nearer end.
    form: weight < 0.5 ? 0 : FORM_MEAN_FROM_GRADIENT,
    scalars: [
      [GROUP_DECAY, beta2],
      [GROUP_DECAY_COMPLEMENT, 1 - beta2],
      [GROUP_MEAN_DECAY, weight - 1],
      [GROUP_MEAN_DECAY_COMPLEMENT, weight],
      [GROUP_EPS_OUTSIDE, eps],
    ],
    initial: [0, 0, amsgrad ? 0 : undefined],
    stepScalars: ({ iterations }, scalars, rates, group) => {
      scalars[0] = Math.sqrt(complementOfPower(factors2, iterations + 1));
      scalars[1] = rates[group]! / complementOfPower(factors1, iterations + 1);
    },
  };
}
