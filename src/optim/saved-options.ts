import { describe } from "../checks.js";
import { CheckpointError, LanewiseError } from "../errors.js";
import type { GroupOptions, Schedule, StatefulSchedule, StepOptions } from "./options.js";
import { isRecord } from "./parameters.js";
import { isStateful } from "./schedules/check.js";
import type { Group } from "./slots.js";

/** A schedule in a state: code is not saved, what it remembers is; `null` if that is nothing. */
export interface SavedSchedule {
  schedule: unknown;
}

/** Options as they are saved. */
export interface SavedGroupOptions {
  [option: string]: number | string | boolean | SavedSchedule;
}

/** Everything about an optimizer that can be changed while it runs, as plain data. */
export interface SavedOptions extends Required<StepOptions> {
  learningRate: number | SavedSchedule;
  /** Of groups that have none of their own. */
  shared: SavedGroupOptions;
  groups: { parameters: string[]; options: SavedGroupOptions }[];
  /** Names of the parameters that are frozen. */
  frozen: string[];
}

/** All options of an optimizer. */
export interface Configuration {
  readonly stepOptions: Required<StepOptions>;
  readonly learningRate: number | Schedule;
  readonly shared: GroupOptions;
  /** The groups' own. */
  readonly owns: readonly GroupOptions[];
}

/** A configuration that was read from a state, with what its schedules are to remember. */
export interface LoadedConfiguration extends Configuration {
  readonly frozen: ReadonlySet<string>;
  readonly memories: readonly (readonly [schedule: StatefulSchedule, memory: unknown])[];
}

function saveRate(rate: number | Schedule): number | SavedSchedule {
  return typeof rate === "number" ? rate : { schedule: isStateful(rate) ? rate.state() : null };
}

function saveGroup({ learningRate, ...rest }: GroupOptions): SavedGroupOptions {
  return {
    ...(rest as SavedGroupOptions),
    ...(learningRate !== undefined && { learningRate: saveRate(learningRate) }),
  };
}

export function saveOptions(
  { stepOptions, learningRate, shared }: Omit<Configuration, "owns">,
  groups: readonly Group[],
): SavedOptions {
  return {
    ...stepOptions,
    learningRate: saveRate(learningRate),
    shared: saveGroup(shared),
    groups: groups.map(({ slots, own }) => ({ parameters: slots.map(({ name }) => name), options: saveGroup(own) })),
    frozen: groups.flatMap(({ slots }) => slots.filter(({ frozen }) => frozen).map(({ name }) => name)),
  };
}

/**
 * What `saveOptions` made, over the present optimizer: a schedule is the present one, which is given its memory.
 * Parameters are found by name, so they may be grouped otherwise, but those of a group must have the same options.
 * Throws CheckpointError; values of options are not checked.
 */
export function readOptions(value: unknown, now: Configuration, groups: readonly Group[]): LoadedConfiguration {
  const path = "state.options";
  const saved = record(path, value);
  const memories: (readonly [StatefulSchedule, unknown])[] = [];
  const readRate = (name: string, rate: unknown, present: number | Schedule | undefined): number | Schedule => {
    if (!isRecord(rate)) return rate as number;
    if (typeof present !== "function") {
      throw new CheckpointError(
        `${name} is of a schedule, which is code: give the optimizer that schedule before load (it has ${describe(present)})`,
      );
    }
    if (rate.schedule !== null) {
      if (!isStateful(present)) {
        throw new CheckpointError(`${name} has what a schedule remembered, but the optimizer's has no state and load`);
      }
      memories.push([present, rate.schedule]);
    }
    return present;
  };
  const groupOf = new Map<string, { index: number; options: GroupOptions }>();
  for (const [index, member] of list(`${path}.groups`, saved.groups).entries()) {
    const { parameters, options } = record(`${path}.groups[${index}]`, member);
    const own = record(`${path}.groups[${index}].options`, options);
    for (const name of names(`${path}.groups[${index}].parameters`, parameters)) {
      groupOf.set(name, { index, options: own });
    }
  }
  const owns = groups.map(({ slots, own }) => {
    const found = slots.map(({ name }) => groupOf.get(name));
    const other = found.findIndex((each) => each?.index !== found[0]?.index);
    if (other > 0) {
      throw new CheckpointError(
        `${path}.groups has "${slots[0]!.name}" and "${slots[other]!.name}" in different groups, here they are in one`,
      );
    }
    const first = found[0];
    if (first === undefined) return own;
    const { learningRate } = first.options;
    if (learningRate === undefined) return { ...first.options };
    const name = `${path}.groups[${first.index}].options.learningRate`;
    return { ...first.options, learningRate: readRate(name, learningRate, own.learningRate ?? now.learningRate) };
  });
  return {
    stepOptions: saved as unknown as Required<StepOptions>,
    learningRate: readRate(`${path}.learningRate`, saved.learningRate, now.learningRate),
    shared: { ...record(`${path}.shared`, saved.shared) },
    owns,
    frozen: new Set(names(`${path}.frozen`, saved.frozen)),
    memories,
  };
}

/** Runs `change` after the schedules were given their memories; an error takes these back. */
export function withMemories(memories: LoadedConfiguration["memories"], change: () => void): void {
  const before = memories.map(([schedule]) => [schedule, schedule.state()] as const);
  try {
    for (const [schedule, memory] of memories) schedule.load(memory);
    change();
  } catch (error) {
    for (const [schedule, memory] of before) schedule.load(memory);
    throw error;
  }
}

/** Runs `check`, whose errors about options are errors of the state that they came from. */
export function asCheckpointError<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof LanewiseError)) throw error;
    throw new CheckpointError(`state.options: ${error.message}`);
  }
}

function record(path: string, value: unknown): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new CheckpointError(`${path} is ${describe(value)}, expected an object`);
}

function names(path: string, value: unknown): readonly string[] {
  const members = list(path, value);
  const wrong = members.find((member) => typeof member !== "string");
  if (wrong === undefined) return members as readonly string[];
  throw new CheckpointError(`${path} has ${describe(wrong)}, expected strings`);
}

function list(path: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new CheckpointError(`${path} is ${describe(value)}, expected an array`);
}
