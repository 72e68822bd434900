import { FORM_MOMENTUM, FORM_NESTEROV, GROUP_MOMENTUM } from "../abi/step-table.js";
import { sgdFamily } from "../backend/families/sgd.js";
import { checkBoolean, checkFinite, checkNumber } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError } from "../errors.js";
import { Optimizer } from "./optimizer.js";
import type { GroupOptions, StepOptions } from "./options.js";
import type { ParametersOf } from "./parameters.js";
import type { Formula, UpdateRule } from "./update-rule.js";

/** Options of SGD for all parameters or for a group of them. */
export interface SGDGroupOptions extends GroupOptions {
  /** μ >= 0 of the momentum buffer. Default 0: there is none. */
  momentum?: number;
  /** Weight 0 to 1 taken from the gradient as it enters the buffer; needs momentum. Default 0. */
  dampening?: number;
  /** Look ahead by one more momentum step; needs momentum, and no dampening. Default false. */
  nesterov?: boolean;
}

/** Options of `SGD`. */
export interface SGDOptions extends SGDGroupOptions, StepOptions {}

/**
 * Stochastic gradient descent, with momentum if wanted, as PyTorch defines it.
 *
 * ```
 * b ← μ·b + (1 − dampening)·g, in a parameter's first step with momentum b ← g          θ ← θ − lr·b
 * ```
 *
 * with Nesterov θ − lr·(g + μ·b), without momentum θ − lr·g. Before that, in this order: g ← −g (maximize); clipping;
 * g ← g + λ·θ (coupled weight decay) or θ ← θ − lr·λ·θ (decoupled).
 *
 * | operand | type | storage | |
 * |---|---|---|---|
 * | params | Tensor, Float32Array | the caller's | read and written |
 * | gradients | Tensor, Float32Array | the caller's | read |
 * | b (`momentumBuffer`) | float32 | the core's memory, only with momentum | read and written |
 *
 * Numerics: each operation of the formula rounds once to float32, in the order written here, so every backend and
 * machine gives the same bits. Scalars are derived in float64 and rounded once.
 *
 * Cost of a step: 2 operations an element, with momentum 5; 8 bytes read and 4 written, with momentum 12 and 8.
 *
 * @example
 * const w = new Float32Array([1, -2, 3]);
 * const optimizer = new SGD(core, w, { learningRate: 0.1, momentum: 0.9, nesterov: true });
 * optimizer.step(new Float32Array([0.5, -0.5, 2]));
 * @see PyTorch torch/optim/sgd.py
 */
export class SGD extends Optimizer<SGDGroupOptions> {
  /**
   * @param core the core that has the state and every parameter that is a Tensor
   * @param params a Tensor or Float32Array, an array or a record of them, or an array of groups `{ params, ...options
   * }`
   * @param options see `SGDOptions`; learningRate default 1e-3
   * @throws OptionError, DisposedError, OutOfMemoryError, BackendError; nothing is then allocated
   */
  constructor(core: Core, params: ParametersOf<SGDGroupOptions>, options: SGDOptions = {}) {
    super(core, params, options, RULE);
  }
}

const RULE: UpdateRule<SGDGroupOptions> = {
  name: "SGD",
  family: sgdFamily,
  kernel: "sgd_f32",
  learningRate: 1e-3,
  optionKeys: ["momentum", "dampening", "nesterov"],
  states: [{ name: "momentumBuffer" }],
  isLazy: true,
  scalarsOfShape: true,
  resolve,
};

function resolve(options: SGDGroupOptions, name: (key: string) => string): Formula {
  const { momentum = 0, dampening = 0, nesterov = false } = options;
  checkFinite(name("momentum"), momentum, 0);
  checkNumber(name("dampening"), dampening, 0, 1);
  checkBoolean(name("nesterov"), nesterov);
  if (dampening > 0 && momentum === 0) throw new OptionError(`${name("dampening")} needs ${name("momentum")} > 0`);
  if (nesterov && (momentum === 0 || dampening > 0)) {
    throw new OptionError(`${name("nesterov")} needs ${name("momentum")} > 0 and no ${name("dampening")}`);
  }
  return {
    form: (momentum > 0 ? FORM_MOMENTUM : 0) | (nesterov ? FORM_NESTEROV : 0),
    scalars: [[GROUP_MOMENTUM, momentum]],
    initial: [momentum > 0 ? -0 : undefined],
    stepScalars:
      dampening > 0
        ? ({ started }, scalars) => {
            scalars[0] = started ? 1 - dampening : 1;
          }
        : undefined,
  };
}
