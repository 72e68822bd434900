import {
  GROUP_DECAY,
  GROUP_DECAY_COMPLEMENT,
  GROUP_MEAN_DECAY,
  GROUP_MEAN_DECAY_COMPLEMENT,
  MODE_DECAY_FACTOR,
} from "../abi/step-table.js";
import { lionFamily } from "../backend/families/lion.js";
import { checkNumber } from "../checks.js";
import type { Core } from "../core.js";
import { Optimizer } from "./optimizer.js";
import type { GroupOptions, StepOptions } from "./options.js";
import type { ParametersOf } from "./parameters.js";
import type { UpdateRule } from "./update-rule.js";

/** Options of Lion for all parameters or for a group of them. */
export interface LionGroupOptions extends GroupOptions {
  /** β₁, 0 to 1: weight of m in the update. Default 0.9. */
  beta1?: number;
  /** β₂, smoothing constant of the gradient, 0 to 1. Default 0.99. */
  beta2?: number;
}

/** Options of `Lion`. */
export interface LionOptions extends LionGroupOptions, StepOptions {}

/**
 * Lion, as lion-pytorch and Optax define it: each element moves by the learning rate, up or down, by the sign of an
 * average of the gradients.
 *
 * ```
 * θ ← θ − lr·sign(β₁·m + (1−β₁)·g)          m ← β₂·m + (1−β₂)·g
 * ```
 *
 * Before that, in this order: g ← −g (maximize); clipping; θ ← θ·(1 − lr·λ) (weight decay, which is decoupled), or with
 * `decoupledWeightDecay: false` g ← g + λ·θ. Take a learning rate 3 to 10 times smaller, and a weight decay as many times
 * larger, than for AdamW.
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor, Float32Array | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | m (`gradientAverage`) | float32 | the core's memory | read and written |
 *
 * Numerics: each operation of the formula rounds once to float32, in the order written here, which is lion-pytorch's
 * without fused multiply-add, and Optax's too without weight decay; so every backend and machine gives the same bits.
 * sign(NaN) is 0, as in PyTorch: a NaN stays in m and its element of θ no longer moves.
 *
 * Cost of a step: 9 operations an element; 12 bytes read and 8 written.
 *
 * @example
 * const w = core.tensor([3], [1, -2, 3]);
 * const gradient = core.tensor([3], [0.5, -0.5, 2]);
 * const optimizer = new Lion(core, { w }, { learningRate: 1e-3, weightDecay: 0.1 });
 * optimizer.step({ w: gradient });
 * @see Chen et al., Symbolic Discovery of Optimization Algorithms (2023); lion-pytorch lion_pytorch.py; Optax lion
 */
export class Lion extends Optimizer<LionGroupOptions> {
  /**
   * @param core the core that has the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options }`
   * @param options see `LionOptions`; learningRate default 1e-4
   * @throws OptionError, DisposedError, OutOfMemoryError, BackendError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<LionGroupOptions>, options: LionOptions = {}) {
    super(core, params, options, RULE);
  }
}

const RULE: UpdateRule<LionGroupOptions> = {
  name: "Lion",
  family: lionFamily,
  kernel: "lion_f32",
  learningRate: 1e-4,
  defaults: { decoupledWeightDecay: true },
  optionKeys: ["beta1", "beta2"],
  states: [{ name: "gradientAverage" }],
  resolve: ({ beta1 = 0.9, beta2 = 0.99 }, name, mode) => {
    checkNumber(name("beta1"), beta1, 0, 1);
    checkNumber(name("beta2"), beta2, 0, 1);
    return {
      mode: mode | MODE_DECAY_FACTOR,
      form: 0,
      scalars: [
        [GROUP_MEAN_DECAY, beta1],
        [GROUP_MEAN_DECAY_COMPLEMENT, 1 - beta1],
        [GROUP_DECAY, beta2],
        [GROUP_DECAY_COMPLEMENT, 1 - beta2],
      ],
      initial: [0],
    };
  },
};
