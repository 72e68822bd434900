import {
  MODE_BIAS_CORRECTION,
  MODE_CENTERED,
  MODE_EPS_OUTSIDE,
  MODE_EPS_RATIO,
  MODE_MOMENTUM,
  MODE_NESTEROV,
} from "../backend/segments.js";
import { checkBoolean, checkChoice, checkFinite, checkNumber } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError } from "../errors.js";
import { biasCorrection } from "./bias-correction.js";
import { type GroupOptions, type GroupPlan, type Method, Optimizer, type StepOptions } from "./optimizer.js";
import type { ParametersOf } from "./parameters.js";

/** Options of RMSProp for all parameters or for a group of them. */
export interface RMSPropGroupOptions extends GroupOptions {
  /** ρ, smoothing constant of the squared gradient, 0 to 1. Default 0.9. */
  decay?: number;
  /** ε >= 0. Default 1e-8. */
  eps?: number;
  /** Divide by √(v + ε) (`"inside"`, default) or √v + ε (`"outside"`), or multiply by √v / (v + ε) (`"ratio"`). */
  epsPlacement?: "inside" | "outside" | "ratio";
  /** μ >= 0 of the momentum buffer. Default 0: there is none. */
  momentum?: number;
  /** Look ahead by one more momentum step; needs momentum. Default false. */
  nesterov?: boolean;
  /** Divide by the standard deviation: v − m² in place of v, with m the gradient's moving average. Default false. */
  centered?: boolean;
  /** Smoothing constant of m, 0 to 1; needs centered. Default: decay. */
  meanDecay?: number;
  /** Start value >= 0 of v. Default 0. */
  initialScale?: number;
  /** Divide v by 1 − ρᵗ and m by 1 − meanDecayᵗ, t counting the parameter's own steps. Default false. */
  biasCorrection?: boolean;
}

/** Options of `RMSProp`. */
export interface RMSPropOptions extends RMSPropGroupOptions, StepOptions {}

/**
 * RMSProp: gradient descent, each element's step divided by the root of a moving average of its squared gradients.
 *
 * ```
 * v ← ρ·v + (1−ρ)·g²          θ ← θ − lr·g / √(v + ε)
 * ```
 *
 * and with every option, in this order: g ← −g (maximize); clipping; g ← g + λ·θ (coupled weight decay) or
 * θ ← θ − lr·λ·θ (decoupled); v; m ← ρₘ·m + (1−ρₘ)·g and s = v − m² (centered; else s = v; v and m divided by
 * 1 − ρᵗ with biasCorrection); u = lr·g / √(s + ε); b ← μ·b + u; θ ← θ − b, with Nesterov θ − (μ·b + u).
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor, Float32Array | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | v, m, b (`squareAverage`, `gradientAverage`, `momentumBuffer`) | float32 | the core's memory, m and b only if used | read and written |
 *
 * Numerics: each operation of the formula rounds once to float32, in the order written here, so every backend and
 * machine gives the same bits. Scalars are derived in float64 and rounded once. Norms are summed in float64 in an order
 * fixed by the lengths. s = v − m² has no guard: where the gradient hardly varies it may round below −ε, and θ is then
 * NaN, as in every framework.
 *
 * Cost of a step: a square root and a division an element; 12 bytes read and 8 written, with m or b 4 and 4 more. Clipping by norm
 * and `onNonFinite` read the gradients once more.
 *
 * @example
 * const w = core.tensor([3], [1, -2, 3]);
 * const gradient = core.tensor([3], [0.5, -0.5, 2]);
 * const optimizer = new RMSProp(core, { w }, { learningRate: 0.01, momentum: 0.9 });
 * optimizer.step({ w: gradient });
 * @see Tieleman and Hinton, Lecture 6.5: RMSProp (2012); Graves, Generating Sequences With Recurrent Neural Networks
 *   (2013) for the centered form
 */
export class RMSProp extends Optimizer<RMSPropGroupOptions> {
  /**
   * @param core the core that holds the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options }`
   * @param options see `RMSPropOptions`; learningRate default 1e-3
   * @throws OptionError, DisposedError, OutOfMemoryError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<RMSPropGroupOptions>, options: RMSPropOptions = {}) {
    super(core, params, options, METHOD);
  }
}

const METHOD: Method<RMSPropGroupOptions> = {
  name: "RMSProp",
  run: (kernels, ptr, count, checkFinite) => kernels.rmsprop_f32(ptr, count, checkFinite),
  learningRate: 1e-3,
  optionKeys: [
    "decay",
    "eps",
    "epsPlacement",
    "momentum",
    "nesterov",
    "centered",
    "meanDecay",
    "initialScale",
    "biasCorrection",
  ],
  states: ["squareAverage", "gradientAverage", "momentumBuffer"],
  plan,
  fixedKeys: ["initialScale"],
};

function plan(options: RMSPropGroupOptions, name: (key: string) => string): GroupPlan {
  const {
    decay = 0.9,
    eps = 1e-8,
    epsPlacement = "inside",
    momentum = 0,
    nesterov = false,
    centered = false,
  } = options;
  const { meanDecay = decay, initialScale = 0, biasCorrection: corrected = false } = options;
  checkNumber(name("decay"), decay, 0, 1);
  checkFinite(name("eps"), eps, 0);
  checkChoice(name("epsPlacement"), epsPlacement, ["inside", "outside", "ratio"]);
  checkFinite(name("momentum"), momentum, 0);
  checkBoolean(name("nesterov"), nesterov);
  checkBoolean(name("centered"), centered);
  checkNumber(name("meanDecay"), meanDecay, 0, 1);
  checkFinite(name("initialScale"), initialScale, 0);
  checkBoolean(name("biasCorrection"), corrected);
  if (nesterov && momentum === 0) throw new OptionError(`${name("nesterov")} needs ${name("momentum")} > 0`);
  if (options.meanDecay !== undefined && !centered) {
    throw new OptionError(`${name("meanDecay")} needs ${name("centered")}: true`);
  }
  if (corrected && (decay === 1 || meanDecay === 1)) {
    const key = name(decay === 1 ? "decay" : "meanDecay");
    throw new OptionError(`${key} is 1, expected less with ${name("biasCorrection")}`);
  }

  let mode = 0;
  if (centered) mode |= MODE_CENTERED;
  if (corrected) mode |= MODE_BIAS_CORRECTION;
  if (momentum > 0) mode |= MODE_MOMENTUM;
  if (nesterov) mode |= MODE_NESTEROV;
  if (epsPlacement !== "inside") mode |= MODE_EPS_OUTSIDE;
  if (epsPlacement === "ratio") mode |= MODE_EPS_RATIO;
  return {
    mode,
    scalars: {
      decay,
      decayComplement: 1 - decay,
      epsInside: epsPlacement === "inside" ? eps : 0,
      epsOutside: epsPlacement === "inside" ? 0 : eps,
      momentum,
      meanDecay,
      meanDecayComplement: 1 - meanDecay,
    },
    initial: [initialScale, centered ? 0 : undefined, momentum > 0 ? 0 : undefined],
    correct: corrected
      ? (step, corrections) => {
          corrections[0] = biasCorrection(decay, step);
          corrections[1] = meanDecay === decay ? corrections[0]! : biasCorrection(meanDecay, step);
        }
      : undefined,
  };
}
