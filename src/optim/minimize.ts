import {
  checkFunction,
  checkInteger,
  checkKeys,
  checkNumericArray,
  describe,
  isNumericArray,
  unexpected,
} from "../checks.js";
import { OptionError, ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { Optimizer } from "./optimizer.js";
import type { Gradients } from "./parameters.js";

/** A point on the way, its value, and the number of steps that led there. */
export interface MinimizeStep {
  iteration: number;
  point: Float32Array;
  value: number;
}

/** Options of `minimize`. */
export interface MinimizeOptions {
  /** Makes the optimizer for the point; or an optimizer of a single parameter, which then starts at x0. */
  optimizer: ((point: Float32Array) => Optimizer) | Optimizer;
  /** The gradient of f, as many numbers as x has. Default: central differences. */
  gradient?: (x: Float64Array) => ArrayLike<number>;
  /** Steps to make, >= 0. */
  iterations: number;
  /** Called after every step; return false to stop. */
  onStep?: (step: MinimizeStep) => unknown;
}

/** What `minimize` found. */
export interface MinimizeResult {
  /** The last point, and f there. */
  point: Float32Array;
  value: number;
  /** Every point from the start on: iterations + 1 of them, unless `onStep` stopped earlier. */
  trace: MinimizeStep[];
}

/**
 * Minimizes a function of a few variables, step by step: θ ← optimizer(θ, ∇f(θ)).
 *
 * | operand | type | |
 * |---|---|---|
 * | x0 | numbers | read |
 * | point | float32, as long as x0 | returned |
 *
 * Numerics: points are float32, f sees them exactly, in float64. Without `gradient` each partial derivative is
 * (f(x+h) − f(x−h)) / 2h in float64 with h = 2⁻¹⁷·max(1, |x|), near the cube root of the rounding unit, where
 * truncation and rounding balance: about 10 digits for a smooth f.
 *
 * Cost: f once a step, and 2·length times more without `gradient`.
 *
 * @param f returns a number; NaN and infinities are passed on
 * @param x0 where to start
 * @param options see `MinimizeOptions`; an optimizer that a function made here is disposed of at the end
 * @throws OptionError, ShapeError, and whatever f, gradient, onStep or the optimizer throw
 * @example
 * const { point } = minimize((x) => (x[0]! - 5) ** 2, [0], {
 *   optimizer: (params) => new RMSProp(core, params, { learningRate: 0.1 }),
 *   iterations: 100,
 * });
 */
export function minimize(
  f: (x: Float64Array) => number,
  x0: ArrayLike<number>,
  options: MinimizeOptions,
): MinimizeResult {
  checkKeys("options", options, ["optimizer", "gradient", "iterations", "onStep"]);
  const { optimizer, gradient = centralDifferences(f), iterations, onStep } = options;
  checkFunction("f", f);
  checkFunction("gradient", gradient);
  if (onStep !== undefined) checkFunction("onStep", onStep);
  checkInteger("iterations", iterations, 0);
  checkNumericArray("x0", x0, "an array of numbers");
  const start = Float32Array.from(x0, (x, i) => {
    if (typeof x === "number") return x;
    throw unexpected(`x0[${i}]`, x, "a number");
  });

  if (optimizer instanceof Optimizer) return descend(f, gradient, optimizer, start, iterations, onStep);
  checkFunction("optimizer", optimizer);
  const made: unknown = optimizer(start);
  if (!(made instanceof Optimizer))
    throw new OptionError(`optimizer returned ${describe(made)}, expected an Optimizer`);
  try {
    return descend(f, gradient, made, start, iterations, onStep);
  } finally {
    made.dispose();
  }
}

function descend(
  f: (x: Float64Array) => number,
  gradient: (x: Float64Array) => ArrayLike<number>,
  optimizer: Optimizer,
  start: Float32Array,
  iterations: number,
  onStep: MinimizeOptions["onStep"],
): MinimizeResult {
  const [parameter, ...others] = optimizer.parameters;
  if (parameter === undefined || others.length > 0) {
    throw new OptionError(`optimizer has ${1 + others.length} parameters, expected one`);
  }
  const current = (): Float32Array => (parameter instanceof Tensor ? parameter.data : parameter);
  if (current().length !== start.length) {
    throw new ShapeError(
      `optimizer has a parameter of ${current().length} elements, expected ${start.length} as in x0`,
    );
  }
  const trace: MinimizeStep[] = [];
  for (let iteration = 0; ; iteration++) {
    const point = iteration === 0 ? start.slice() : current().slice();
    const x = Float64Array.from(point);
    const value: unknown = f(x);
    if (typeof value !== "number") throw new OptionError(`f returned ${describe(value)}, expected a number`);
    const step = { iteration, point, value };
    trace.push(step);
    const stopped = iteration > 0 && onStep?.(step) === false;
    if (stopped || iteration === iterations) {
      if (iteration === 0) current().set(start);
      return { point, value, trace };
    }
    const slope: unknown = gradient(Float64Array.from(point));
    if (!isNumericArray(slope))
      throw new OptionError(`gradient returned ${describe(slope)}, expected an array of numbers`);
    if (slope.length !== point.length) {
      throw new ShapeError(`gradient returned ${slope.length} numbers, expected ${point.length}`);
    }
    const numbers = Float32Array.from(slope, (partial: unknown, i) => {
      if (typeof partial === "number") return partial;
      throw unexpected(`gradient(x)[${i}]`, partial, "a number");
    });
    if (iteration > 0) optimizer.step(structured(optimizer, numbers));
    else beginAt(start, current, () => optimizer.step(structured(optimizer, numbers)));
  }
}

/** The gradient of an optimizer's only parameter, in the structure that `step` takes. */
function structured({ slots }: Optimizer, gradient: Float32Array): Gradients {
  const { structure, key } = slots[0]!;
  const { index, kind } = structure;
  const set = kind === "single" ? gradient : kind === "list" ? [gradient] : { [key]: gradient };
  return index < 0 ? set : [set];
}

/** The first step, from x0: if it fails, the parameter is what it was. */
function beginAt(start: Float32Array, current: () => Float32Array, step: () => void): void {
  const before = current().slice();
  current().set(start);
  try {
    step();
  } catch (error) {
    current().set(before);
    throw error;
  }
}

/** Step of the central differences, relative to max(1, |x|). */
const STEP = 2 ** -17;

function centralDifferences(f: (x: Float64Array) => number): (x: Float64Array) => Float64Array {
  return (point) => {
    const x = point.slice();
    return point.map((center, i) => {
      const h = STEP * Math.max(1, Math.abs(center));
      const above = center + h;
      const below = center - h;
      x[i] = above;
      const valueAbove = f(x);
      x[i] = below;
      const valueBelow = f(x);
      x[i] = center;
      return (valueAbove - valueBelow) / (above - below);
    });
  };
}
