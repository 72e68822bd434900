import { checkBoolean, checkFinite, checkInteger, checkKeys } from "../../checks.js";
import { power } from "../bias-correction.js";
import type { Schedule } from "../options.js";
import { exponential, logarithm } from "../real-power.js";

/**
 * Down along a power to the floor, then the floor: floor + (value − floor)·(1 − t/steps)^exponent.
 *
 * @param value finite, >= 0
 * @param steps an integer >= 1
 * @param exponent finite, >= 0; default 1, a straight line
 * @param floor finite, >= 0; default 0
 * @throws OptionError
 * @example
 * const schedule = polynomialDecay(0.1, 1000, 0.9);
 * @see PyTorch's PolynomialLR, Keras's PolynomialDecay, Optax's polynomial_schedule
 */
export function polynomialDecay(value: number, steps: number, exponent = 1, floor = 0): Schedule {
  checkFinite("value", value, 0);
  checkInteger("steps", steps, 1);
  checkFinite("exponent", exponent, 0);
  checkFinite("floor", floor, 0);
  return (iteration) => {
    if (iteration >= steps) return floor;
    const rest = 1 - iteration / steps;
    const factor = Number.isInteger(exponent) ? power(rest, exponent) : exponential(-exponent * logarithm(1 / rest));
    return floor + (value - floor) * factor;
  };
}

/**
 * Slower and slower: value / (1 + rate·t/steps), or in stairs with ⌊t/steps⌋.
 *
 * @param value finite, >= 0
 * @param steps an integer >= 1
 * @param rate finite, >= 0
 * @param options `staircase`: default false
 * @throws OptionError
 * @example
 * const schedule = inverseTimeDecay(0.1, 100, 0.5);
 * @see Keras's InverseTimeDecay
 */
export function inverseTimeDecay(
  value: number,
  steps: number,
  rate: number,
  options: { staircase?: boolean } = {},
): Schedule {
  checkFinite("value", value, 0);
  checkInteger("steps", steps, 1);
  checkFinite("rate", rate, 0);
  checkKeys("options", options, ["staircase"]);
  const { staircase = false } = options;
  checkBoolean("options.staircase", staircase);
  return (iteration) => value / (1 + rate * (staircase ? Math.floor(iteration / steps) : iteration / steps));
}
