import {
  FORM_BIAS_CORRECTION,
  FORM_CENTERED,
  FORM_EPS_IN_MEAN,
  FORM_EPS_OUTSIDE,
  FORM_EPS_RATIO,
  FORM_MEAN_FROM_GRADIENT,
  FORM_MOMENTUM,
  FORM_NESTEROV,
  FORM_RATE_LAST,
  FORM_VARIANCE_FLOOR,
  GROUP_DECAY,
  GROUP_DECAY_COMPLEMENT,
  GROUP_EPS_INSIDE,
  GROUP_EPS_OUTSIDE,
  GROUP_MEAN_DECAY,
  GROUP_MEAN_DECAY_COMPLEMENT,
  GROUP_MOMENTUM,
} from "../abi/step-table.js";
import { coreFamily } from "../backend/families/core.js";
import { checkBoolean, checkChoice, checkFinite, checkNumber } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError } from "../errors.js";
import { complementOfPower, factorsOf, singleBiasCorrection } from "./bias-correction.js";
import { DIALECTS, type Dialect, type DialectName, type Variant } from "./dialects.js";
import { Optimizer } from "./optimizer.js";
import type { GroupOptions, StepOptions } from "./options.js";
import type { ParametersOf } from "./parameters.js";
import type { Formula, UpdateRule } from "./update-rule.js";

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
  /** With dialect `"timm"`: whether the learning rate enters the buffer (default) or multiplies it, as in PyTorch. */
  rateInMomentum?: boolean;
}

/** Options of `RMSProp`. */
export interface RMSPropOptions extends RMSPropGroupOptions, StepOptions {
  /**
   * The framework whose RMSProp this is: its defaults (learningRate 1e-3 where it has none), its order of roundings and
   * its quirks. Options the framework doesn't have throw OptionError. Default `"lanewise"`: the formula of `RMSProp`.
   */
  dialect?: "lanewise" | DialectName;
}

/**
 * RMSProp: gradient descent, each element's step divided by the root of a moving average of its squared gradients.
 *
 * ```
 * v ← ρ·v + (1−ρ)·g²          θ ← θ − lr·g / √(v + ε)
 * ```
 *
 * and with every option, in this order: g ← −g (maximize); clipping; g ← g + λ·θ (coupled weight decay) or
 * θ ← θ − lr·λ·θ (decoupled); v; m ← ρₘ·m + (1−ρₘ)·g and s = max(v − m², 0) (centered; else s = v; v and m divided by
 * 1 − ρᵗ with biasCorrection); u = lr·g / √(s + ε); b ← μ·b + u; θ ← θ − b, with Nesterov θ − (μ·b + u).
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor, Float32Array | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | v, m, b (`squareAverage`, `gradientAverage`, `momentumBuffer`) | float32 | the core's memory, m and b only if used
 * | read and written |
 *
 * Numerics: each operation of the formula rounds once to float32, in the order written here, so every backend and
 * machine gives the same bits. Scalars are derived in float64 and rounded once. Norms are summed in float64 in an order
 * fixed by the lengths. Where the gradient hardly varies v − m² may round below 0 and counts as 0; no framework does that,
 * so θ may be NaN with a dialect.
 *
 * Cost of a step: a square root and a division an element; 12 bytes read and 8 written, with m or b 4 and 4 more.
 * Clipping by norm and `onNonFinite` read the gradients once more.
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
   * @param core the core that has the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options
   * }`
   * @param options see `RMSPropOptions`; learningRate default 1e-3
   * @throws OptionError, DisposedError, OutOfMemoryError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<RMSPropGroupOptions>, options: RMSPropOptions = {}) {
    super(core, params, options, ruleOf((options as RMSPropOptions | null)?.dialect));
  }
}

function ruleOf(dialect: RMSPropOptions["dialect"] = "lanewise"): UpdateRule<RMSPropGroupOptions> {
  checkChoice("dialect", dialect, ["lanewise", ...Object.keys(DIALECTS)]);
  const framework = dialect === "lanewise" ? undefined : DIALECTS[dialect];
  const { clipEps, accumulation, accumulationDrops } = framework ?? ({} as Partial<Dialect>);
  return {
    family: coreFamily,
    kernel: "rmsprop_f32",
    learningRate: framework?.learningRate ?? 1e-3,
    name: "RMSProp",
    defaults: { ...(framework?.decoupled && { decoupledWeightDecay: true }), ...(clipEps && { clipEps }) },
    accumulation,
    accumulationDrops,
    constants: { dialect },
    fixedKeys: ["dialect", "initialScale"],
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
      "rateInMomentum",
    ],
    states: [{ name: "squareAverage" }, { name: "gradientAverage" }, { name: "momentumBuffer" }],
    resolve: (options, name, mode) => {
      if (framework !== undefined) checkLacking(options, name, dialect, framework);
      return resolve(options, name, mode, framework);
    },
  };
}

/** Throws OptionError for an option that the framework does not have. */
function checkLacking(
  options: RMSPropGroupOptions,
  name: (key: string) => string,
  dialect: string,
  framework: Dialect,
): void {
  const known = [...COMMON_OPTIONS, ...framework.options];
  const [lacking] = Object.entries(options).filter(([key, value]) => value !== undefined && !known.includes(key));
  if (lacking !== undefined) {
    throw new OptionError(
      `${name(lacking[0])} is not an option of dialect "${dialect}"; known are ${known.join(", ")}`,
    );
  }
  if (framework.decoupled && options.decoupledWeightDecay === false) {
    throw new OptionError(
      `${name("decoupledWeightDecay")} is false, but weight decay of dialect "${dialect}" is decoupled`,
    );
  }
}

const COMMON_OPTIONS = ["learningRate", "decay", "eps", "momentum", "centered"];

const LANEWISE: Variant = {};

function resolve(
  options: RMSPropGroupOptions,
  name: (key: string) => string,
  mode: number,
  framework: Dialect | undefined,
): Formula {
  const {
    decay = framework?.decay ?? 0.9,
    momentum = framework?.momentum ?? 0,
    nesterov = false,
    centered = false,
    meanDecay = decay,
    initialScale = framework?.initialScale ?? 0,
    biasCorrection: corrected = false,
    rateInMomentum = true,
  } = options;
  checkNumber(name("decay"), decay, 0, 1);
  checkFinite(name("momentum"), momentum, 0);
  checkBoolean(name("nesterov"), nesterov);
  checkBoolean(name("centered"), centered);
  checkNumber(name("meanDecay"), meanDecay, 0, 1);
  checkFinite(name("initialScale"), initialScale, 0);
  checkBoolean(name("biasCorrection"), corrected);
  checkBoolean(name("rateInMomentum"), rateInMomentum);
  if (framework === undefined && options.rateInMomentum !== undefined) {
    throw new OptionError(`${name("rateInMomentum")} is an option of dialect "timm" alone`);
  }
  const variant = framework?.variant({ decay, centered, momentum: options.momentum, mode }) ?? LANEWISE;
  const { eps = framework?.eps ?? 1e-8, epsPlacement = variant.epsPlacement ?? "inside" } = options;
  checkFinite(name("eps"), eps, 0);
  const epsilon = eps || (framework?.epsForZero ?? 0);
  const placements = framework === undefined ? ["inside", "outside", "ratio"] : ["inside", "outside"];
  checkChoice(name("epsPlacement"), epsPlacement, placements);
  if (nesterov && momentum === 0) throw new OptionError(`${name("nesterov")} needs ${name("momentum")} > 0`);
  if (options.meanDecay !== undefined && !centered) {
    throw new OptionError(`${name("meanDecay")} needs ${name("centered")}: true`);
  }
  if (corrected && (decay === 1 || meanDecay === 1)) {
    const key = name(decay === 1 ? "decay" : "meanDecay");
    throw new OptionError(`${key} is 1, expected less with ${name("biasCorrection")}`);
  }

  let { form = 0 } = variant;
  const buffered = variant.buffered ?? momentum > 0;
  if (centered) form |= framework === undefined ? FORM_CENTERED | FORM_VARIANCE_FLOOR : FORM_CENTERED;
  if (corrected) form |= FORM_BIAS_CORRECTION;
  if (buffered) form |= FORM_MOMENTUM;
  if (nesterov) form |= FORM_NESTEROV;
  if (!rateInMomentum && buffered) form |= FORM_RATE_LAST;
  const isInside = epsPlacement === "inside" && !(form & FORM_EPS_IN_MEAN);
  if (epsPlacement !== "inside") form |= FORM_EPS_OUTSIDE;
  if (epsPlacement === "ratio") form |= FORM_EPS_RATIO;
  const complement = (of: number): number => 1 - (variant.complementOfRounded ? Math.fround(of) : of);
  const meanDecayComplement = complement(meanDecay);
  const fromGradient = (form & FORM_MEAN_FROM_GRADIENT) !== 0;
  return {
    form,
    mode: variant.mode ?? mode,
    ...(framework?.average && { average: framework.average(options.emaDecay ?? 0) }),
    scalars: [
      [GROUP_DECAY, decay],
      [GROUP_DECAY_COMPLEMENT, complement(decay)],
      [GROUP_EPS_INSIDE, isInside ? epsilon : 0],
      [GROUP_EPS_OUTSIDE, isInside ? 0 : epsilon],
      [GROUP_MOMENTUM, momentum],
      [GROUP_MEAN_DECAY, fromGradient ? Math.fround(meanDecayComplement) - 1 : meanDecay],
      [GROUP_MEAN_DECAY_COMPLEMENT, meanDecayComplement],
    ],
    initial: [initialScale, centered ? 0 : undefined, buffered ? 0 : undefined],
    stepScalars: corrected ? correction(decay, meanDecay, framework) : undefined,
  };
}

/** A framework that has this option has one decay, and corrects in float32. */
function correction(decay: number, meanDecay: number, framework: Dialect | undefined): Formula["stepScalars"] {
  if (framework !== undefined) {
    return ({ iterations }, scalars) => {
      scalars[0] = singleBiasCorrection(decay, iterations + 1);
      scalars[1] = scalars[0]!;
    };
  }
  const factors = factorsOf(decay);
  const meanFactors = factorsOf(meanDecay);
  return ({ iterations }, scalars) => {
    scalars[0] = 1 / complementOfPower(factors, iterations + 1);
    scalars[1] = 1 / complementOfPower(meanFactors, iterations + 1);
  };
}
