import { describe, isFloat32Array } from "../checks.js";
import type { Core } from "../core.js";
import { CheckpointError } from "../errors.js";
import { ACCUMULATOR, AVERAGE } from "./options.js";
import { isRecord } from "./parameters.js";
import type { SavedOptions } from "./saved-options.js";
import type { Slot } from "./slots.js";
import type { Remembered, UpdateRule } from "./update-rule.js";

/** State of one parameter: how many steps it has taken, and its arrays. */
export interface ParameterState {
  iterations: number;
  squareAverage?: Float32Array;
  gradientAverage?: Float32Array;
  momentumBuffer?: Float32Array;
  /** Of SGD: its buffer begins in its next step, although it has made steps before; otherwise absent. */
  momentumBegins?: true;
  maxSquareAverage?: Float32Array;
  squareSum?: Float32Array;
  /** Of Adafactor. */
  rowAverage?: Float32Array;
  columnAverage?: Float32Array;
  /** Of NAdam: one number. */
  momentumProduct?: Float32Array;
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
  /** All options and what is frozen, if they were changed while it ran. */
  options?: SavedOptions;
  parameters: { [name: string]: ParameterState };
}

/** Name of a state array. */
export type StateName = Exclude<keyof ParameterState, "iterations" | typeof BEGINS>;

const BEGINS = "momentumBegins";

/** Counts of an optimizer: its updates, and the calls of `step` since the last. */
interface Counts {
  iterations: number;
  accumulatedSteps: number;
}

/** How the state of a rule is saved: its arrays by index, and what it remembers of each parameter. */
export class StateLayout {
  readonly #isLazy: boolean;
  readonly #names: readonly string[];
  readonly #memory: readonly Remembered[];

  constructor({ states, isLazy = false, memory = [] }: Pick<UpdateRule<object>, "states" | "isLazy" | "memory">) {
    const names = states.map(({ name }) => name);
    names[AVERAGE] = "parameterAverage";
    names[ACCUMULATOR] = "gradientSum";
    this.#isLazy = isLazy;
    this.#names = names;
    this.#memory = memory;
  }

  /** A copy of one slot's state. */
  saveSlot(core: Core, slot: Slot): ParameterState {
    const saved: Record<string, number | true | Float32Array> = { iterations: slot.iterations };
    for (const [k, name] of this.#names.entries()) {
      if (name === undefined || (k === ACCUMULATOR && !slot.accumulated)) continue;
      if (k === 0 && this.#isLazy && !slot.started) {
        if (!slot.needs(k)) continue;
        if (slot.iterations > 0) saved[BEGINS] = true;
      }
      const array = slot.state(core, k);
      if (array !== undefined) saved[name] = array.slice();
    }
    for (const [k, { name }] of this.#memory.entries()) saved[name] = Float32Array.of(slot.memory[k]!);
    return saved as unknown as ParameterState;
  }

  /** A copy of all slots' state. */
  save(core: Core, slots: readonly Slot[]): { [name: string]: ParameterState } {
    // Not by assignment: "__proto__" is a name like any other.
    return Object.fromEntries(slots.map((slot) => [slot.name, this.saveSlot(core, slot)]));
  }

  /**
   * Overwrites the slots' state and returns the counts. Throws CheckpointError unless `state` fits the slots and cycles
   * of `accumulationSteps` calls; nothing has then changed.
   */
  load(core: Core, slots: readonly Slot[], accumulationSteps: number, state: unknown): Counts {
    const {
      iterations,
      parameters,
      accumulatedSteps = 0,
    } = readRecord("state", state, ["iterations", "parameters"], "accumulatedSteps", "options");
    checkCount("state.iterations", iterations);
    checkCount("state.accumulatedSteps", accumulatedSteps, accumulationSteps);
    const names = slots.map((slot) => slot.name);
    const byName = readRecord("state.parameters", parameters, names);
    const records = slots.map((slot) => this.#read(slot, byName[slot.name], accumulatedSteps > 0));
    for (let i = 0; i < slots.length; i++) this.#write(core, slots[i]!, records[i]!);
    return { iterations, accumulatedSteps };
  }

  /** Whether a state has this array of a parameter among these. What is wrong with it `load` will say. */
  has(k: number, slots: readonly Slot[], { parameters }: Partial<OptimizerState>): boolean {
    const name = this.#names[k]!;
    return isRecord(parameters) && slots.some((slot) => Object.hasOwn(Object(parameters[slot.name]), name));
  }

  /** What is saved of a slot, checked. */
  #read(slot: Slot, value: unknown, accumulates: boolean): Record<string, unknown> {
    const path = `state.parameters.${slot.name}`;
    const lengths: Record<string, number> = {};
    const optional = this.#isLazy ? [BEGINS] : [];
    if (accumulates) optional.push(this.#names[ACCUMULATOR]!);
    for (const [k, name] of this.#names.entries()) {
      if (name === undefined || slot.statePtr(k) === 0 || k === ACCUMULATOR) continue;
      if (slot.needs(k)) lengths[name] = slot.group.blocks[k]!.counts[slot.place]!;
      else optional.push(name);
    }
    for (const { name } of this.#memory) lengths[name] = 1;
    const record = readRecord(path, value, ["iterations", ...Object.keys(lengths)], ...optional);
    checkCount(`${path}.iterations`, record.iterations);
    const { [BEGINS]: begins } = record;
    if (begins !== undefined && begins !== true) {
      throw new CheckpointError(`${path}.${BEGINS} is ${describe(begins)}, expected true`);
    }
    for (const name of optional) if (name !== BEGINS && Object.hasOwn(record, name)) lengths[name] = slot.size;
    for (const name of Object.keys(lengths)) checkArray(`${path}.${name}`, record[name], lengths[name]!);
    return record;
  }

  #write(core: Core, slot: Slot, record: Record<string, unknown>): void {
    slot.iterations = record.iterations as number;
    slot.accumulated = Object.hasOwn(record, this.#names[ACCUMULATOR]!);
    for (const [k, name] of this.#names.entries()) {
      if (name === undefined) continue;
      const array = record[name] as Float32Array | undefined;
      if (array !== undefined) slot.state(core, k)!.set(array);
      else if (k < AVERAGE) slot.state(core, k)?.fill(this.#isLazy ? -0 : 0);
    }
    slot.begin(record[this.#names[0]!] !== undefined && slot.iterations > 0 && !record[BEGINS]);
    for (const [k, { name }] of this.#memory.entries()) slot.memory[k] = (record[name] as Float32Array)[0]!;
  }
}

/** Throws CheckpointError unless a state is an object; `StateLayout.load` checks the rest. */
export function checkState(state: unknown): Partial<OptimizerState> {
  if (typeof state !== "object" || state === null) throw notAnObject("state", state);
  return state;
}

function notAnObject(path: string, value: unknown): CheckpointError {
  return new CheckpointError(`${path} is ${describe(value)}, expected an object`);
}

/**
 * A copy of `value`, so that what was checked is what is used, whatever its getters say next. Throws CheckpointError
 * unless it is an object with exactly these keys, and perhaps optional ones.
 */
function readRecord(
  path: string,
  value: unknown,
  keys: readonly string[],
  ...optional: string[]
): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw notAnObject(path, value);
  const missing = keys.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) throw new CheckpointError(`${path}.${missing} is missing`);
  const known = new Set(keys);
  const extra = Object.keys(value).find((key) => !optional.includes(key) && !known.has(key));
  if (extra !== undefined) throw new CheckpointError(`${path}.${extra} is unknown to this optimizer`);
  return { ...value };
}

/** Throws CheckpointError unless `value` is an integer in [0, end). */
function checkCount(path: string, value: unknown, end = Number.POSITIVE_INFINITY): asserts value is number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value < end) return;
  const bound = end < Number.POSITIVE_INFINITY ? ` and < ${end}, the accumulationSteps` : "";
  throw new CheckpointError(`${path} is ${describe(value)}, expected an integer >= 0${bound}`);
}

function checkArray(path: string, value: unknown, length: number): void {
  if (isFloat32Array(value) && value.length === length) return;
  throw new CheckpointError(`${path} is ${describe(value)}, expected Float32Array(${length})`);
}
