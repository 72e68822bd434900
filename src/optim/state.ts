import { describe, isFloat32Array } from "../checks.js";
import { CheckpointError } from "../errors.js";
import type { Slot } from "./slots.js";

/** State of one parameter: how many steps it has taken, and its arrays. */
export interface ParameterState {
  iterations: number;
  squareAverage?: Float32Array;
  gradientAverage?: Float32Array;
  momentumBuffer?: Float32Array;
  maxSquareAverage?: Float32Array;
  squareSum?: Float32Array;
}

/** Everything an optimizer remembers, by parameter name. */
export interface OptimizerState {
  iterations: number;
  parameters: { [name: string]: ParameterState };
}

/** Name of a state array. */
export type StateName = Exclude<keyof ParameterState, "iterations">;

/** A copy of the slots' state; `names` are those of their arrays. */
export function saveSlots(slots: readonly Slot[], names: readonly StateName[]): { [name: string]: ParameterState } {
  // Not by assignment: "__proto__" is a name like any other.
  return Object.fromEntries(
    slots.map((slot) => {
      const state: ParameterState = { iterations: slot.iterations };
      slot.states.forEach((tensor, k) => {
        if (tensor) state[names[k]!] = tensor.data.slice();
      });
      return [slot.name, state];
    }),
  );
}

/** Overwrites the slots' state. Throws CheckpointError unless `state` fits them, and has then changed nothing. */
export function loadSlots(slots: readonly Slot[], names: readonly StateName[], state: unknown): void {
  const { iterations, parameters } = checkRecord("state", state, ["iterations", "parameters"]);
  checkCount("state.iterations", iterations);
  const byName = checkRecord(
    "state.parameters",
    parameters,
    slots.map((slot) => slot.name),
  );
  for (const slot of slots) {
    const path = `state.parameters.${slot.name}`;
    const arrays = names.filter((_, k) => slot.states[k]);
    const record = checkRecord(path, byName[slot.name], ["iterations", ...arrays]);
    checkCount(`${path}.iterations`, record.iterations);
    for (const name of arrays) checkArray(`${path}.${name}`, record[name], slot.tensor.size);
  }
  for (const slot of slots) {
    const record = byName[slot.name] as ParameterState;
    slot.iterations = record.iterations;
    slot.states.forEach((tensor, k) => {
      tensor?.data.set(record[names[k]!]!);
    });
  }
}

/** Throws CheckpointError unless `value` is an object with exactly these keys. */
function checkRecord(path: string, value: unknown, keys: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null) {
    throw new CheckpointError(`${path} is ${describe(value)}, expected an object`);
  }
  const missing = keys.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) throw new CheckpointError(`${path}.${missing} is missing`);
  const extra = Object.keys(value).find((key) => !keys.includes(key));
  if (extra !== undefined) throw new CheckpointError(`${path}.${extra} is unknown to this optimizer`);
  return value as Record<string, unknown>;
}

function checkCount(path: string, value: unknown): void {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return;
  throw new CheckpointError(`${path} is ${describe(value)}, expected an integer >= 0`);
}

function checkArray(path: string, value: unknown, length: number): void {
  if (isFloat32Array(value) && value.length === length) return;
  throw new CheckpointError(`${path} is ${describe(value)}, expected Float32Array(${length})`);
}
