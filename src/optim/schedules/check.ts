import { checkFinite, checkInteger, checkNumericArray } from "../../checks.js";
import type { Schedule, StatefulSchedule } from "../options.js";

/** A schedule, or a value as one. Throws OptionError. */
export function checkSchedule(name: string, value: unknown): Schedule {
  if (typeof value === "function") return value as Schedule;
  checkFinite(name, value, 0);
  return () => value as number;
}

/** Returns a copy of an array of integers >= `least` in ascending order; throws OptionError for any other. */
export function checkAscending(name: string, values: readonly number[], least: number): number[] {
  checkNumericArray(name, values, "an array of integers in ascending order");
  return Array.from(values, (value, i) => {
    checkInteger(`${name}[${i}]`, value, i === 0 ? least : values[i - 1]! + 1);
    return value;
  });
}

/** Whether a schedule remembers something that a checkpoint must have. */
export function isStateful(schedule: unknown): schedule is StatefulSchedule {
  const { state, load } = (schedule ?? {}) as Partial<StatefulSchedule>;
  return typeof schedule === "function" && typeof state === "function" && typeof load === "function";
}
