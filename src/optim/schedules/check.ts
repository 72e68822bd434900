import { checkFinite, checkInteger, checkNumericArray } from "../../checks.js";
import type { Schedule } from "../options.js";

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
