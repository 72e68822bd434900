import { GROUP_EPS_INSIDE, GROUP_EPS_OUTSIDE, GROUP_SCALAR, MODE_DECAY_FACTOR } from "../abi/step-table.js";
import { adafactorFamily } from "../backend/families/adafactor.js";
import { checkFinite, checkNumber } from "../checks.js";
import type { Core } from "../core.js";
import { Optimizer } from "./optimizer.js";
import type { GroupOptions, StepOptions } from "./options.js";
import type { ParametersOf } from "./parameters.js";
import { exponential, logarithm } from "./real-power.js";
import { type Formula, SCALAR_F64, type UpdateRule } from "./update-rule.js";

/** Options of Adafactor for all parameters or for a group of them. */
export interface AdafactorGroupOptions extends GroupOptions {
  /** Exponent, −10 to 0: the variances move by the weight tᵇ at step t. Default −0.8. */
  beta2Decay?: number;
  /** ε₁ >= 0: the least mean of the rows' variances; squared, the least variance. Default 2⁻²³. */
  eps1?: number;
  /** ε₂ >= 0: the least scale of a parameter that the learning rate is relative to. Default 1e-3. */
  eps2?: number;
  /** d > 0: an update whose root mean square is larger is scaled down to it. Default 1. */
  clipThreshold?: number;
}

/** Options of `Adafactor`. */
export interface AdafactorOptions extends AdafactorGroupOptions, StepOptions {}

/**
 * Adafactor, as PyTorch defines it: like Adam without momentum, but of a matrix's squared gradients it keeps the averages
 * of rows and columns alone, and its learning rate is relative to the parameter's scale.
 *
 * ```
 * w = tᵇ          ρ = min(lr, 1/√t)          α = max(ε₂, rms(θ))·ρ
 * r ← r + w·(mean over columns of g² − r)          c ← c + w·(mean over rows of g² − c)
 * s = r·cᵀ / max(mean(r), ε₁)                      for vectors s = v, v ← v + w·(g² − v)
 * u = g / √max(s, ε₁²)          θ ← θ − (α / max(1, rms(u)/d))·u
 * ```
 *
 * Before that, in this order: g ← −g (maximize); clipping; θ ← θ·(1 − lr·λ) (weight decay, which is decoupled), or with
 * `decoupledWeightDecay: false` g ← g + λ·θ. t counts the parameter's own steps. The last two axes of a tensor are the
 * matrix; those before are many matrices.
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor, Float32Array | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | r, c (`rowAverage`, `columnAverage`), or v (`squareAverage`) of vectors and Float32Arrays | float32 | the core's memory | read and written |
 *
 * Numerics: each operation of the formula rounds once to float32, in PyTorch's order. Sums over a row, a column or a whole
 * parameter are in float64, in an order that depends on the shape alone, and rounded once: PyTorch's own sums are float32
 * and depend on the machine, so its last bits differ.
 *
 * Cost of a step: a square root and two divisions an element; about 40 bytes of traffic, in scratch as large as the largest
 * parameter. The state of a matrix is one row and one column. Threads share the parameters, not their elements.
 *
 * @example
 * const w = core.tensor([2, 3], [1, -2, 3, -4, 5, -6]);
 * const gradient = core.tensor([2, 3], [0.5, -0.5, 2, 1, -1, 0.25]);
 * const optimizer = new Adafactor(core, { w });
 * optimizer.step({ w: gradient });
 * @see PyTorch torch/optim/_adafactor.py; Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost
 *   (2018)
 */
export class Adafactor extends Optimizer<AdafactorGroupOptions> {
  /**
   * @param core the core that has the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options }`
   * @param options see `AdafactorOptions`; learningRate default 1e-2
   * @throws OptionError, DisposedError, OutOfMemoryError, BackendError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<AdafactorGroupOptions>, options: AdafactorOptions = {}) {
    super(core, params, options, RULE);
  }
}

const isMatrix = (shape: readonly number[]): boolean => shape.length > 1;
/** Elements of all axes but this one, counted from the end. */
const without = (shape: readonly number[], axis: number): number =>
  shape.reduce((size, length, i) => (i === shape.length - axis ? size : size * length), 1);

const RULE: UpdateRule<AdafactorGroupOptions> = {
  name: "Adafactor",
  family: adafactorFamily,
  kernel: "adafactor_f32",
  learningRate: 1e-2,
  defaults: { decoupledWeightDecay: true },
  optionKeys: ["beta2Decay", "eps1", "eps2", "clipThreshold"],
  states: [
    { name: "rowAverage", size: (shape) => (isMatrix(shape) ? without(shape, 1) : -1) },
    { name: "columnAverage", size: (shape) => (isMatrix(shape) ? without(shape, 2) : -1) },
    { name: "squareAverage", size: (shape) => (isMatrix(shape) ? -1 : without(shape, 0)) },
  ],
  rows: (shape) => shape[shape.length - 2]!,
  scalars: SCALAR_F64 + 1,
  resolve,
};

function resolve(options: AdafactorGroupOptions, name: (key: string) => string, mode: number): Formula {
  const { beta2Decay = -0.8, eps1 = 2 ** -23, eps2 = 1e-3, clipThreshold = 1 } = options;
  checkNumber(name("beta2Decay"), beta2Decay, -10, 0);
  checkFinite(name("eps1"), eps1, 0);
  checkFinite(name("eps2"), eps2, 0);
  checkNumber(name("clipThreshold"), clipThreshold, Number.MIN_VALUE, Number.MAX_VALUE);
  return {
    mode: mode | MODE_DECAY_FACTOR,
    form: 0,
    scalars: [
      [GROUP_EPS_INSIDE, eps1],
      [GROUP_EPS_OUTSIDE, eps1 * eps1],
    ],
    doubles: [
      [GROUP_SCALAR, eps2],
      [GROUP_SCALAR + 2, clipThreshold],
    ],
    initial: [0, 0, 0],
    stepScalars: ({ iterations }, scalars, rates, group) => {
      const step = iterations + 1;
      scalars[0] = exponential(beta2Decay * logarithm(step));
      scalars[SCALAR_F64] = Math.min(rates[group]!, 1 / Math.sqrt(step));
    },
  };
}
