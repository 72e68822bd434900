import {
  FORM_MEAN_FROM_GRADIENT,
  GROUP_DECAY,
  GROUP_DECAY_COMPLEMENT,
  GROUP_EPS_OUTSIDE,
  GROUP_MEAN_DECAY,
  GROUP_MEAN_DECAY_COMPLEMENT,
  MODE_DECAY_FACTOR,
} from "../abi/step-table.js";
import { nadamFamily } from "../backend/families/nadam.js";
import { checkFinite } from "../checks.js";
import type { Core } from "../core.js";
import { checkBelowOne, complementOfPower, factorsOf } from "./bias-correction.js";
import { Optimizer } from "./optimizer.js";
import type { GroupOptions, StepOptions } from "./options.js";
import type { ParametersOf } from "./parameters.js";
import { exponential } from "./real-power.js";
import { type Formula, NEXT_MEMORY, type UpdateRule } from "./update-rule.js";

/** Options of NAdam for all parameters or for a group of them. */
export interface NAdamGroupOptions extends GroupOptions {
  /** β₁, smoothing constant of the gradient, 0 <= β₁ < 1. Default 0.9. */
  beta1?: number;
  /** β₂, smoothing constant of the squared gradient, 0 <= β₂ < 1. Default 0.999. */
  beta2?: number;
  /** ε >= 0, added to the root. Default 1e-8. */
  eps?: number;
  /** ψ >= 0: how fast the momentum μ grows to β₁. Default 4e-3. */
  momentumDecay?: number;
}

/** Options of `NAdam`. */
export interface NAdamOptions extends NAdamGroupOptions, StepOptions {}

/**
 * NAdam, as PyTorch defines it: Adam with Nesterov's momentum, which grows from step to step.
 *
 * ```
 * m ← m + (1−β₁)·(g − m)          v ← β₂·v + ((1−β₂)·g)·g          d = √(v/(1−β₂ᵗ)) + ε
 * μₜ = β₁·(1 − 0.96^(t·ψ)/2)      Π ← Π·μₜ
 * θ ← θ − (lr·(1−μₜ)/(1−Π))·g / d          θ ← θ − (lr·μₜ₊₁/(1−Π·μₜ₊₁))·m / d
 * ```
 *
 * Before that, in this order: g ← −g (maximize); clipping; g ← g + λ·θ (coupled weight decay) or θ ← θ·(1 − lr·λ)
 * (decoupled). t counts the parameter's own steps.
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor, Float32Array | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | v, m (`squareAverage`, `gradientAverage`) | float32 | the core's memory | read and written |
 * | Π (`momentumProduct`) | a float32 for each parameter | JavaScript | read and written |
 *
 * Numerics: each operation of the formula rounds once to float32, in the order written here, which is PyTorch's without
 * fused multiply-add, so every backend and machine gives the same bits. Scalars are derived in float64 and rounded once,
 * but for Π, which is a float32 as in PyTorch.
 *
 * Cost of a step: a square root and three divisions an element; 16 bytes read and 12 written.
 *
 * @example
 * const w = core.tensor([3], [1, -2, 3]);
 * const gradient = core.tensor([3], [0.5, -0.5, 2]);
 * const optimizer = new NAdam(core, { w });
 * optimizer.step({ w: gradient });
 * @see PyTorch torch/optim/nadam.py; Dozat, Incorporating Nesterov Momentum into Adam (2016)
 */
export class NAdam extends Optimizer<NAdamGroupOptions> {
  /**
   * @param core the core that has the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options }`
   * @param options see `NAdamOptions`; learningRate default 2e-3
   * @throws OptionError, DisposedError, OutOfMemoryError, BackendError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<NAdamGroupOptions>, options: NAdamOptions = {}) {
    super(core, params, options, RULE);
  }
}

const RULE: UpdateRule<NAdamGroupOptions> = {
  name: "NAdam",
  family: nadamFamily,
  kernel: "nadam_f32",
  learningRate: 2e-3,
  optionKeys: ["beta1", "beta2", "eps", "momentumDecay"],
  states: [{ name: "squareAverage" }, { name: "gradientAverage" }],
  memory: [{ name: "momentumProduct", start: 1 }],
  scalars: 3,
  scalarsOfShape: true,
  resolve,
};

/** ln 0.96. */
const LN_096 = -0.040821994520255166;

function resolve(options: NAdamGroupOptions, name: (key: string) => string, mode: number): Formula {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, momentumDecay = 4e-3 } = options;
  checkBelowOne(name("beta1"), beta1);
  checkBelowOne(name("beta2"), beta2);
  checkFinite(name("eps"), eps, 0);
  checkFinite(name("momentumDecay"), momentumDecay, 0);
  const weight = Math.fround(1 - beta1);
  const factors = factorsOf(beta2);
  const momentum = (step: number): number => beta1 * (1 - 0.5 * exponential(step * momentumDecay * LN_096));
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
    initial: [0, 0],
    stepScalars: ({ iterations, memory }, scalars, rates, group) => {
      const step = iterations + 1;
      const now = momentum(step);
      const next = momentum(step + 1);
      const product = Math.fround(memory[0]! * Math.fround(now));
      scalars[0] = complementOfPower(factors, step);
      scalars[1] = (rates[group]! * (1 - now)) / (1 - product);
      scalars[2] = (rates[group]! * next) / (1 - product * next);
      scalars[NEXT_MEMORY] = product;
    },
  };
}
