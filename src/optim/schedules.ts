// Learning rates as functions of the iteration, counted from 0. All arithmetic is float64 and of IEEE operations alone,
// so an iteration has the same learning rate on every machine.

import {
  checkChoice,
  checkFinite,
  checkInteger,
  checkKeys,
  checkNumber,
  describe,
  isNumericArray,
  unexpected,
} from "../checks.js";
import { CheckpointError, OptionError } from "../errors.js";
import { power } from "./bias-correction.js";
import type { Schedule } from "./optimizer.js";

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
 * A factor more at every so many iterations, or at each milestone: value·factorᵏ, k = ⌊t / every⌋ or the number of
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
 * On a straight line from one value to another in so many iterations, then the latter: from + (to − from)·t/steps.
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

/**
 * On half a cosine down to the floor, then the floor: floor + (value − floor)·(1 + cos(π·t/steps))/2.
 *
 * @param value finite, >= 0
 * @param steps an integer >= 1
 * @param floor finite, >= 0; default 0
 * @throws OptionError
 * @example
 * const schedule = cosineDecay(0.1, 1000, 1e-4);
 * @see Loshchilov and Hutter, SGDR (2017); Optax's cosine_decay_schedule, PyTorch's CosineAnnealingLR
 */
export function cosineDecay(value: number, steps: number, floor = 0): Schedule {
  checkFinite("value", value, 0);
  checkInteger("steps", steps, 1);
  checkFinite("floor", floor, 0);
  return (iteration) => cosine(value, floor, iteration / steps);
}

/**
 * Cosine decays one after the other, each starting again from the value and `multiplier` times as long as the one before.
 *
 * @param value finite, >= 0
 * @param steps of the first one, an integer >= 1
 * @param multiplier an integer >= 1; default 1
 * @param floor finite, >= 0; default 0
 * @throws OptionError
 * @example
 * const schedule = cosineRestarts(0.1, 100, 2); // starts again at 100, 300, 700, ...
 * @see Loshchilov and Hutter, SGDR (2017); PyTorch's CosineAnnealingWarmRestarts, Optax's sgdr_schedule
 */
export function cosineRestarts(value: number, steps: number, multiplier = 1, floor = 0): Schedule {
  checkFinite("value", value, 0);
  checkInteger("steps", steps, 1);
  checkInteger("multiplier", multiplier, 1);
  checkFinite("floor", floor, 0);
  return (iteration) => {
    let length = steps;
    if (multiplier === 1) iteration %= length;
    for (; iteration >= length; length *= multiplier) iteration -= length;
    return cosine(value, floor, iteration / length);
  };
}

/**
 * Brings a schedule in: multiplied by a ramp that reaches 1 after so many iterations, start + (1 − start)·t/steps.
 *
 * @param schedule a schedule, or a value that is finite and >= 0
 * @param steps an integer >= 1
 * @param start 0 to 1, the factor of the first iteration; default 0, which makes a first step of length 0
 * @throws OptionError
 * @example
 * const schedule = warmup(cosineDecay(0.1, 1000), 50);
 * @see Optax's warmup_cosine_decay_schedule, PyTorch's LinearLR
 */
export function warmup(schedule: number | Schedule, steps: number, start = 0): Schedule {
  checkNumber("start", start, 0, 1);
  return scaleSchedule(schedule, linearSchedule(start, 1, steps));
}

/**
 * The product of two schedules, or of a schedule and a number.
 *
 * @param schedule a schedule, or a value that is finite and >= 0
 * @param factor likewise
 * @throws OptionError
 * @example
 * const half = scaleSchedule(exponentialDecay(0.1, 0.99), 0.5);
 */
export function scaleSchedule(schedule: number | Schedule, factor: number | Schedule): Schedule {
  const [a, b] = [checkSchedule("schedule", schedule), checkSchedule("factor", factor)];
  return (iteration) => a(iteration) * b(iteration);
}

/**
 * One schedule after the other, each counting from its own start.
 *
 * @param schedules at least one, schedules or values
 * @param boundaries the iterations at which the second one and those after it start: integers >= 1 in ascending order
 * @throws OptionError
 * @example
 * const schedule = joinSchedules([linearSchedule(0, 0.1, 100), exponentialDecay(0.1, 0.99)], [100]);
 * @see Optax's join_schedules, PyTorch's SequentialLR
 */
export function joinSchedules(schedules: readonly (number | Schedule)[], boundaries: readonly number[]): Schedule {
  if (!Array.isArray(schedules) || schedules.length === 0) {
    throw unexpected("schedules", schedules, "an array of at least one schedule");
  }
  const parts = schedules.map((schedule, i) => checkSchedule(`schedules[${i}]`, schedule));
  const starts = [0, ...checkAscending("boundaries", boundaries, 1)];
  if (starts.length !== parts.length) {
    throw new OptionError(
      `boundaries has ${starts.length - 1} entries, expected ${parts.length - 1}, one less than schedules`,
    );
  }
  return (iteration) => {
    let part = parts.length - 1;
    while (part > 0 && iteration < starts[part]!) part--;
    return parts[part]!(iteration - starts[part]!);
  };
}

/** Options of `oneCycle`. */
export interface OneCycleOptions {
  /** Part of the cycle that rises, 0 to 1. Default 0.3. */
  pctStart?: number;
  /** The first value is peak/divFactor; > 0. Default 25. */
  divFactor?: number;
  /** The last value is the first/finalDivFactor; > 0. Default 1e4. */
  finalDivFactor?: number;
  /** Along half cosines (default) or straight lines. */
  anneal?: "cosine" | "linear";
}

/**
 * One cycle: up from peak/divFactor to the peak at iteration pctStart·steps − 1, down to
 * peak/(divFactor·finalDivFactor) at iteration steps − 1; it then stays there.
 *
 * @param peak finite, >= 0
 * @param steps an integer >= 1
 * @param options see `OneCycleOptions`; PyTorch's defaults
 * @throws OptionError
 * @example
 * const schedule = oneCycle(0.1, 1000);
 * @see Smith and Topin, Super-Convergence (2018); PyTorch's OneCycleLR
 */
export function oneCycle(peak: number, steps: number, options: OneCycleOptions = {}): Schedule {
  checkFinite("peak", peak, 0);
  checkInteger("steps", steps, 1);
  checkKeys("options", options, ["pctStart", "divFactor", "finalDivFactor", "anneal"]);
  const { pctStart = 0.3, divFactor = 25, finalDivFactor = 1e4, anneal = "cosine" } = options;
  checkNumber("pctStart", pctStart, 0, 1);
  checkNumber("divFactor", divFactor, Number.MIN_VALUE, Number.MAX_VALUE);
  checkNumber("finalDivFactor", finalDivFactor, Number.MIN_VALUE, Number.MAX_VALUE);
  checkChoice("anneal", anneal, ["cosine", "linear"]);
  const first = peak / divFactor;
  const last = first / finalDivFactor;
  const top = pctStart * steps - 1;
  const end = steps - 1;
  const along = anneal === "cosine" ? cosine : line;
  return (iteration) => {
    if (iteration < top) return along(first, peak, iteration / top);
    return iteration > top ? along(peak, last, (iteration - top) / (end - top)) : peak;
  };
}

/** Options of `reduceOnPlateau`. */
export interface PlateauOptions {
  /** What the value is multiplied by, 0 to 1. Default 0.1. */
  factor?: number;
  /** Reports without an improvement that are put up with, >= 0. Default 10. */
  patience?: number;
  /** What counts as an improvement, >= 0: loss < best·(1 − threshold), or best − threshold. Default 1e-4. */
  threshold?: number;
  thresholdMode?: "relative" | "absolute";
  /** Reports after a reduction that do not count, >= 0. Default 0. */
  cooldown?: number;
  /** The value never falls below it; >= 0. Default 0. */
  minimum?: number;
}

/** What a plateau schedule remembers. */
export interface PlateauState {
  value: number;
  /** The least loss; absent before the first report. */
  best?: number;
  /** Reports without an improvement, in a row. */
  waited: number;
  /** Reports that do not count, still to come. */
  cooldown: number;
}

/** A schedule that goes by what it is told instead of the iteration. */
export interface PlateauSchedule extends Schedule {
  /** Tells it the loss; NaN is no improvement. Throws OptionError unless it is a number. */
  report(loss: number): void;
  /** A copy of what it remembers; `load` takes it back. */
  state(): PlateauState;
  /** Throws CheckpointError unless it is such a state; nothing has then changed. */
  load(state: PlateauState): void;
}

/**
 * Falls by a factor when a reported loss has stopped improving, as PyTorch's ReduceLROnPlateau does, but for its `eps`:
 * a reduction is never too small to be made.
 *
 * @param value finite, >= 0
 * @param options see `PlateauOptions`; PyTorch's defaults
 * @throws OptionError
 * @example
 * const schedule = reduceOnPlateau(0.1, { patience: 2 });
 * const optimizer = new SGD(core, w, { learningRate: schedule });
 * schedule.report(0.5); // after each epoch
 */
export function reduceOnPlateau(value: number, options: PlateauOptions = {}): PlateauSchedule {
  checkFinite("value", value, 0);
  checkKeys("options", options, ["factor", "patience", "threshold", "thresholdMode", "cooldown", "minimum"]);
  const { factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = "relative" } = options;
  const { cooldown = 0, minimum = 0 } = options;
  checkNumber("factor", factor, 0, 1);
  checkInteger("patience", patience, 0);
  checkFinite("threshold", threshold, 0);
  checkChoice("thresholdMode", thresholdMode, ["relative", "absolute"]);
  checkInteger("cooldown", cooldown, 0);
  checkFinite("minimum", minimum, 0);
  let state: PlateauState = { value, waited: 0, cooldown: 0 };

  function report(loss: number): void {
    if (typeof loss !== "number") throw unexpected("loss", loss, "a number");
    const { best } = state;
    const improves =
      best === undefined
        ? loss < Number.POSITIVE_INFINITY
        : loss < (thresholdMode === "relative" ? best * (1 - threshold) : best - threshold);
    if (improves) state.best = loss;
    state.waited = improves ? 0 : state.waited + 1;
    if (state.cooldown > 0) {
      state.cooldown--;
      state.waited = 0;
    }
    if (state.waited <= patience) return;
    // A value that began below the minimum stays what it is.
    state.value = Math.min(state.value, Math.max(state.value * factor, minimum));
    state.cooldown = cooldown;
    state.waited = 0;
  }

  function load(saved: PlateauState): void {
    const { value, best = 0, waited, cooldown } = (saved ?? {}) as Partial<PlateauState>;
    for (const [key, number] of Object.entries({ value, best, waited, cooldown })) {
      if (typeof number === "number" && (key === "best" || number >= 0)) continue;
      throw new CheckpointError(
        `state.${key} is ${describe(number)}, expected a number${key === "best" ? "" : " >= 0"}`,
      );
    }
    state = { ...saved };
  }

  return Object.assign(() => state.value, { report, state: () => ({ ...state }), load });
}

function checkSchedule(name: string, value: unknown): Schedule {
  if (typeof value === "function") return value as Schedule;
  checkFinite(name, value, 0);
  return () => value as number;
}

/** Returns a copy of an array of integers >= `least` in ascending order; throws OptionError for any other. */
function checkAscending(name: string, values: readonly number[], least: number): number[] {
  if (!isNumericArray(values)) throw unexpected(name, values, "an array of integers in ascending order");
  return Array.from(values, (value, i) => {
    checkInteger(`${name}[${i}]`, value, i === 0 ? least : values[i - 1]! + 1);
    return value;
  });
}

function line(from: number, to: number, part: number): number {
  return part < 1 ? from + (to - from) * part : to;
}

/** Half a cosine: `from` where `part` is 0, `to` from 1 on. */
function cosine(from: number, to: number, part: number): number {
  return part < 1 ? to + (from - to) * ((1 + cosPi(part)) / 2) : to;
}

/**
 * cos(π·x) for x from 0 to 1, at most 5e-16 off. x is brought to 0 to 1/4 exactly, where the Taylor series of sine and
 * cosine end below 1e-17; Math.cos differs between engines. @internal
 */
export function cosPi(x: number): number {
  if (x > 0.5) return -cosPi(1 - x);
  const isSine = x > 0.25; // sin(π·(1/2 − x)) is near 0 where cos(π·x) is
  const z = Math.PI * (isSine ? 0.5 - x : x);
  let sum = 1;
  for (let k = isSine ? 17 : 18; k > 1; k -= 2) sum = 1 - (sum * z * z) / (k * (k - 1));
  return isSine ? z * sum : sum;
}
