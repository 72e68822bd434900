import { U } from "./check.js";
import type { Method } from "./contestant.js";
import type { Native } from "./native.js";
import type { Job } from "./run.js";

/** Steps before the results are compared. */
const STEPS = 3;
/** More parameters than this are too much for the slow. */
const HEAVY_PARAMETERS = 4e6;

/** What is measured, by the name in the table. */
export const METHODS: Readonly<Record<string, Method>> = {
  RMSProp: "rmsprop",
  "RMSProp, centered, momentum": "rmsprop-centered-momentum",
  SGD: "sgd",
  "SGD, momentum": "sgd-momentum",
};

export const PARAMETERS = [1024, 100_000, 2 ** 20, 2 ** 24];

/** One step over `count` parameters by everybody, against the same step in C. */
export function stepJob(name: string, count: number, natives: readonly Native[]): Job {
  const method = METHODS[name]!;
  const parameters = Float32Array.from({ length: count }, (_, i) => i % 7);
  const gradients = Float32Array.from({ length: count }, (_, i) => (i % 13) - 6.5);
  return {
    name: `${name}, ${count.toLocaleString("en")}`,
    unit: "G parameters/s",
    amount: count,
    heavy: count > HEAVY_PARAMETERS,
    start: (contestant) => contestant.step?.(method, parameters, gradients),
    runsBeforeCheck: STEPS,
    // A step rounds its parameter once on either side; the errors of an update are small beside it, or beside 1.
    bound: (_, result) => result.map((parameter) => 2 * STEPS * U * (Math.abs(parameter) + 1)),
    gauges: natives.map((native) => ({
      name: native.name,
      sample: () => count / native.step(method, count) / 1e6,
    })),
  };
}
