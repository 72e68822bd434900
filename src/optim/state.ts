import { describe, isFloat32Array } from "../checks.js";
import { CheckpointError } from "../errors.js";
import { ACCUMULATOR, type Slot } from "./slots.js";

/** State of one parameter: how many steps it has taken, and its arrays. */
export interface ParameterState {
  iterations: number;
  squareAverage?: Float32Array;
  gradientAverage?: Float32Array;
  momentumBuffer?: Float32Array;
  maxSquareAverage?: Float32Array;
  squareSum?: Float32Array;
  /** With `emaDecay`. */
  parameterAverage?: Float32Array;
  /** In the middle of an accumulation, of a parameter that has had a gradient in it. */
  gradientSum?: Float32Array;
}

/** Everything an optimizer remembers, by parameter name. */
export interface OptimizerState {
  iterations: number;
  /** Calls of `step` since the last update, in the middle of an accumulation. */
  accumulatedSteps?: number;
  parameters: { [name: string]: ParameterState };
}

/** Name of a state array. */
export type StateName = Exclude<keyof ParameterState, "iterations">;

/** A copy of the slots' state; `names` are those of their arrays, in the slots' order. */
export function saveSlots(slots: readonly Slot[], names: readonly StateName[]): { [name: string]: ParameterState } {
  // Not by assignment: "__proto__" is a name like any other.
  return Object.fromEntries(
    slots.map((slot) => {
      const state: ParameterState = { iterations: slot.iterations };
      slot.states.forEach((tensor, k) => {
        if (tensor && (k !== ACCUMULATOR || slot.accumulated)) state[names[k]!] = tensor.data.slice();
      });
      return [slot.name, state];
    }),
  );
}

/**
 * Overwrites the slots' state and returns the counts of updates and of calls that the next one has accumulated. Throws
 * CheckpointError unless `state` fits the slots and cycles of so many calls, and has then changed nothing.
 */
export function loadSlots(
  slots: readonly Slot[],
  names: readonly StateName[],
  accumulationSteps: number,
  state: unknown,
): Required<Pick<OptimizerState, "iterations" | "accumulatedSteps">> {
  const { iterations, parameters, ...rest } = checkRecord(
    "state",
    state,
    ["iterations", "parameters"],
    "accumulatedSteps",
  );
  const { accumulatedSteps = 0 } = rest;
  checkCount("state.iterations", iterations);
  checkCount("state.accumulatedSteps", accumulatedSteps, accumulationSteps);
  const byName = checkRecord(
    "state.parameters",
    parameters,
    slots.map((slot) => slot.name),
  );
  const sum = names[ACCUMULATOR]!;
  const records = slots.map((slot) => {
    const path = `state.parameters.${slot.name}`;
    const arrays = names.filter((_, k) => slot.states[k] && k !== ACCUMULATOR);
    const optional = accumulatedSteps === 0 ? undefined : sum;
    const record = checkRecord(path, byName[slot.name], ["iterations", ...arrays], optional);
    checkCount(`${path}.iterations`, record.iterations);
    if (optional && Object.hasOwn(record, optional)) arrays.push(optional);
    for (const name of arrays) checkArray(`${path}.${name}`, record[name], slot.tensor.size);
    return record as unknown as ParameterState;
  });
  for (const [i, slot] of slots.entries()) {
    const record = records[i]!;
    slot.iterations = record.iterations;
    slot.accumulated = Object.hasOwn(record, sum);
    slot.states.forEach((tensor, k) => {
      const array = record[names[k]!];
      if (array) tensor?.data.set(array);
    });
  }
  return { iterations: iterations as number, accumulatedSteps: accumulatedSteps as number };
}

/**
 * A copy of `value`, so that what was checked is what is used, whatever its getters say next. Throws CheckpointError
 * unless it is an object with exactly these keys, and perhaps the optional one.
 */
function checkRecord(
  path: string,
  value: unknown,
  keys: readonly string[],
  optional?: string,
): Record<string, unknown> {
  if (typeof value !== "object" || value === null) {
    throw new CheckpointError(`${path} is ${describe(value)}, expected an object`);
  }
  const missing = keys.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) throw new CheckpointError(`${path}.${missing} is missing`);
  const extra = Object.keys(value).find((key) => key !== optional && !keys.includes(key));
  if (extra !== undefined) throw new CheckpointError(`${path}.${extra} is unknown to this optimizer`);
  return { ...value };
}

/** Throws CheckpointError unless `value` is an integer in [0, end). */
function checkCount(path: string, value: unknown, end = Number.POSITIVE_INFINITY): void {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value < end) return;
  const bound = end < Number.POSITIVE_INFINITY ? ` and < ${end}, the accumulationSteps` : "";
  throw new CheckpointError(`${path} is ${describe(value)}, expected an integer >= 0${bound}`);
}

function checkArray(path: string, value: unknown, length: number): void {
  if (isFloat32Array(value) && value.length === length) return;
  throw new CheckpointError(`${path} is ${describe(value)}, expected Float32Array(${length})`);
}
