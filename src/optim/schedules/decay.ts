import { checkFinite, checkInteger } from "../../checks.js";
import { power } from "../bias-correction.js";
import type { Schedule } from "../options.js";
import { checkAscending } from "./check.js";
import { line } from "./curves.js";

/**
 * Always the same value.
 *
 * @param value finite, >= 0
 * @throws OptionError
 * @example
 * const schedule = constantSchedule(1e-3);
 */
export function constantSchedule(value: number): Schedule {
  checkFinite("value", value, 0);
  return () => value;
}

/**
 * Multiplied by `factor` every `every` iterations, or at each milestone: value·factorᵏ, k = ⌊t / every⌋ or the number of
 * milestones <= t.
 *
 * @param value finite, >= 0
 * @param every an integer >= 1, or milestones: integers >= 0 in ascending order
 * @param factor finite, >= 0; default 0.1
 * @throws OptionError
 * @example
 * const everyThirty = stepDecay(0.1, 30);
 * const atTwoPoints = stepDecay(0.1, [60, 90], 0.5);
 * @see PyTorch's StepLR and MultiStepLR, Optax's piecewise_constant_schedule
 */
export function stepDecay(value: number, every: number | readonly number[], factor = 0.1): Schedule {
  checkFinite("value", value, 0);
  checkFinite("factor", factor, 0);
  if (Array.isArray(every)) {
    const milestones = checkAscending("every", every, 0);
    return (iteration) => {
      let passed = 0;
      while (passed < milestones.length && milestones[passed]! <= iteration) passed++;
      return value * power(factor, passed);
    };
  }
  const length = every as number;
  checkInteger("every", length, 1);
  return (iteration) => value * power(factor, Math.floor(iteration / length));
}

/**
 * A factor more at every iteration: value·factorᵗ, by repeated squaring.
 *
 * @param value finite, >= 0
 * @param factor finite, >= 0
 * @param floor finite, >= 0: never less than this; default 0
 * @throws OptionError
 * @example
 * const schedule = exponentialDecay(0.1, 0.999);
 * @see PyTorch's ExponentialLR, Optax's exponential_decay
 */
export function exponentialDecay(value: number, factor: number, floor = 0): Schedule {
  checkFinite("value", value, 0);
  checkFinite("factor", factor, 0);
  checkFinite("floor", floor, 0);
  return (iteration) => Math.max(value * power(factor, iteration), floor);
}

/**
 * A straight line from one value to another in `steps` iterations, then the latter: from + (to − from)·t/steps.
 *
 * @param from finite, >= 0
 * @param to finite, >= 0
 * @param steps an integer >= 1
 * @throws OptionError
 * @example
 * const schedule = linearSchedule(0.1, 0, 1000);
 * @see Optax's linear_schedule, PyTorch's LinearLR
 */
export function linearSchedule(from: number, to: number, steps: number): Schedule {
  checkFinite("from", from, 0);
  checkFinite("to", to, 0);
  checkInteger("steps", steps, 1);
  return (iteration) => line(from, to, iteration / steps);
}
