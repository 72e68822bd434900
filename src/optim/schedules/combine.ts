import { checkNumber, describe, unexpected } from "../../checks.js";
import { CheckpointError, OptionError } from "../../errors.js";
import type { Schedule } from "../options.js";
import { checkAscending, checkSchedule, isStateful } from "./check.js";
import { linearSchedule } from "./decay.js";

/**
 * Warms up: the schedule times a ramp that reaches 1 after `steps` iterations, start + (1 − start)·t/steps.
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
  return withMemory((iteration) => a(iteration) * b(iteration), [a, b]);
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
  const joined = (iteration: number): number => {
    let part = parts.length - 1;
    while (part > 0 && iteration < starts[part]!) part--;
    return parts[part]!(iteration - starts[part]!);
  };
  return withMemory(joined, parts);
}

/** A schedule made of others remembers what they do: its state is a list with an entry for each. */
function withMemory(schedule: Schedule, parts: readonly Schedule[]): Schedule {
  if (!parts.some(isStateful)) return schedule;
  const state = (): unknown[] => parts.map((part) => (isStateful(part) ? part.state() : null));
  const load = (states: unknown): void => {
    if (!Array.isArray(states) || states.length !== parts.length) {
      throw new CheckpointError(
        `state is ${describe(states)}, expected an array of ${parts.length} states of schedules`,
      );
    }
    const before = state();
    const loadAll = (all: readonly unknown[]) =>
      parts.forEach((part, i) => {
        if (isStateful(part)) part.load(all[i]);
      });
    try {
      loadAll(states);
    } catch (error) {
      loadAll(before);
      throw error;
    }
  };
  return Object.assign(schedule, { state, load });
}
