import {
  FORM_NESTEROV,
  GROUP_DECAY_COMPLEMENT,
  GROUP_EPS_OUTSIDE,
  GROUP_MOMENTUM,
  GROUP_SCALAR,
  MODE_DECAY_FACTOR,
} from "../abi/step-table.js";
import { muonFamily } from "../backend/families/muon.js";
import { checkBoolean, checkChoice, checkFinite, checkInteger, checkNumber, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError } from "../errors.js";
import { Optimizer } from "./optimizer.js";
import type { GroupOptions, StepOptions } from "./options.js";
import type { ParametersOf } from "./parameters.js";
import type { Formula, StepOf, UpdateRule } from "./update-rule.js";

/** Options of Muon for all parameters or for a group of them. */
export interface MuonGroupOptions extends GroupOptions {
  /** μ, smoothing constant of the gradient, 0 to 1. Default 0.95. */
  momentum?: number;
  /** Look ahead: between the gradient and its average, by μ. Default true. */
  nesterov?: boolean;
  /** ε >= 0: the least norm that an update is divided by. Default 1e-7. */
  eps?: number;
  /** Iterations of Newton and Schulz, an integer from 0 to 99. Default 5. */
  nsSteps?: number;
  /** Their coefficients. Default [3.4445, −4.775, 2.0315]. */
  nsCoefficients?: readonly [number, number, number];
  /**
   * What the learning rate is multiplied by for a parameter of m rows and n columns: √max(1, m/n) (`"original"`, default),
   * 0.2·√max(m, n) (`"matchRmsAdamW"`: the learning rates of AdamW fit), √(m/n) (`"spectralUnclamped"`) or 1 (`"none"`).
   */
  rateAdjustment?: "original" | "matchRmsAdamW" | "spectralUnclamped" | "none";
}

/** Options of `Muon`. */
export interface MuonOptions extends MuonGroupOptions, StepOptions {}

/**
 * Muon, as PyTorch defines it, in float32: gradient descent with momentum, each update made orthogonal. For the matrices of
 * hidden layers; embeddings, output layers, biases and other vectors belong to AdamW.
 *
 * ```
 * b ← b + (1−μ)·(g − b)          x = g + μ·(b − g), without Nesterov b          X = x / max(‖x‖, ε)
 * five times: G = X·Xᵀ          B = β·G + γ·G·G          X ← α·X + B·X
 * θ ← θ·(1 − lr·λ)          θ ← θ − adjusted lr·X
 * ```
 *
 * Before that, in this order: g ← −g (maximize); clipping; with `decoupledWeightDecay: false` g ← g + λ·θ in place of the
 * last line's decay. A tensor of more than two axes is a matrix of all but the last by the last: m rows, n columns. A
 * matrix that is taller than wide goes through the iterations transposed.
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor of at least two axes | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | b (`momentumBuffer`) | float32 | the core's memory | read and written |
 *
 * Numerics: float32, where PyTorch makes the iterations in bfloat16; each operation of the formula rounds once, products
 * are `matmul`'s, ‖x‖ is a sum in float64 rounded once. So every backend and machine gives the same bits.
 *
 * Cost of a step: 2·nsSteps·(2·s²·l + s³) flops for a matrix with sides s <= l, in scratch of 2·s·l + 2·s² numbers for the
 * largest parameter, for each thread. Threads share the parameters, not their elements.
 *
 * @example
 * const w = core.tensor([2, 3], [1, -2, 3, -4, 5, -6]);
 * const gradient = core.tensor([2, 3], [0.5, -0.5, 2, 1, -1, 0.25]);
 * const optimizer = new Muon(core, { w }, { learningRate: 0.02 });
 * optimizer.step({ w: gradient });
 * @see PyTorch torch/optim/_muon.py; Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024)
 */
export class Muon extends Optimizer<MuonGroupOptions> {
  /**
   * @param core the core that has the state and the parameters
   * @param params a Tensor, an array or a record of them, or an array of groups `{ params, ...options }`
   * @param options see `MuonOptions`; learningRate default 1e-3, weightDecay default 0.1
   * @throws OptionError for a parameter of less than two axes; DisposedError, OutOfMemoryError, BackendError; nothing is
   *   then allocated
   */
  constructor(core: Core, params: ParametersOf<MuonGroupOptions>, options: MuonOptions = {}) {
    super(core, params, options, RULE);
  }
}

const RULE: UpdateRule<MuonGroupOptions> = {
  name: "Muon",
  family: muonFamily,
  kernel: "muon_f32",
  learningRate: 1e-3,
  defaults: { weightDecay: 0.1, decoupledWeightDecay: true },
  optionKeys: ["momentum", "nesterov", "eps", "nsSteps", "nsCoefficients", "rateAdjustment"],
  states: [{ name: "momentumBuffer" }],
  scalars: 1,
  scalarsOfShape: true,
  check: (shape, path) => {
    if (shape.length > 1) return;
    throw new OptionError(`${path} has shape [${shape}], expected at least two axes: give it to AdamW`);
  },
  resolve,
};

const ADJUSTMENTS = {
  original: ({ rows, columns }: StepOf) => Math.sqrt(Math.max(1, rows / columns)),
  matchRmsAdamW: ({ rows, columns }: StepOf) => 0.2 * Math.sqrt(Math.max(rows, columns)),
  spectralUnclamped: ({ rows, columns }: StepOf) => Math.sqrt(rows / columns),
  none: () => 1,
} as const;

const COEFFICIENTS = [3.4445, -4.775, 2.0315] as const;

function resolve(options: MuonGroupOptions, name: (key: string) => string, mode: number): Formula {
  const { momentum = 0.95, nesterov = true, eps = 1e-7, nsSteps = 5 } = options;
  const { nsCoefficients = COEFFICIENTS, rateAdjustment = "original" } = options;
  checkNumber(name("momentum"), momentum, 0, 1);
  checkBoolean(name("nesterov"), nesterov);
  checkFinite(name("eps"), eps, 0);
  checkInteger(name("nsSteps"), nsSteps, 0, 99);
  if (!Array.isArray(nsCoefficients) || nsCoefficients.length !== 3) {
    throw unexpected(name("nsCoefficients"), nsCoefficients, "an array of three numbers");
  }
  const [alpha, beta, gamma] = nsCoefficients.map((coefficient: number, i) => {
    checkFinite(`${name("nsCoefficients")}[${i}]`, coefficient, Number.NEGATIVE_INFINITY);
    return coefficient;
  }) as [number, number, number];
  checkChoice(name("rateAdjustment"), rateAdjustment, Object.keys(ADJUSTMENTS));
  const adjust = ADJUSTMENTS[rateAdjustment];
  return {
    mode: mode | MODE_DECAY_FACTOR,
    form: nesterov ? FORM_NESTEROV : 0,
    scalars: [
      [GROUP_MOMENTUM, momentum],
      [GROUP_DECAY_COMPLEMENT, 1 - momentum],
      [GROUP_EPS_OUTSIDE, eps],
      [GROUP_SCALAR, alpha],
      [GROUP_SCALAR + 1, beta],
      [GROUP_SCALAR + 2, gamma],
      [GROUP_SCALAR + 3, nsSteps],
    ],
    initial: [0],
    stepScalars: (slot, scalars, rates, group) => {
      scalars[0] = rates[group]! * adjust(slot);
    },
  };
}
