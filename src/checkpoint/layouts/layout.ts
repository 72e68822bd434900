import { cut, describe, quote } from "../../checks.js";
import { CheckpointError, OptionError } from "../../errors.js";
import type { OptimizerDescription } from "../../optim/options.js";
import type { Parameter } from "../../optim/parameters.js";
import type { OptimizerState, ParameterState, StateName } from "../../optim/state.js";
import type { StatefulOptimizer } from "../about.js";
import { checkRecord, checkString } from "../json.js";
import { type CheckpointParameters, checkFits, namedParameters } from "../parameters.js";
import type { Safetensors, StoredTensor } from "../safetensors.js";

/** What a layout exports: an optimizer, and its parameters under its own names for them. */
export interface LayoutSource {
  parameters: CheckpointParameters;
  optimizer: StatefulOptimizer;
}

/** What a layout imports: which class to make, with which options, and what to load into it. */
export interface ImportedOptimizer extends OptimizerDescription {
  state: OptimizerState;
}

/** A framework's way to lay the state of an optimizer out, as tensors and metadata of a safetensors file. */
export interface Layout {
  /**
   * The state of a framework's optimizer, for the one that is described beside it.
   *
   * @param file tensors and metadata as the framework's recipe writes them (docs/guide/checkpoints.md)
   * @param parameters those that the state belongs to: they give names and shapes, and are not changed
   * @throws CheckpointError naming the entry that is missing, unknown, or of another shape or kind; OptionError
   */
  import(file: Safetensors, parameters: CheckpointParameters): ImportedOptimizer;
  /**
   * The reverse: the framework's entries, in its order.
   *
   * @throws OptionError when the optimizer is none that the framework has
   */
  export(source: LayoutSource): Safetensors;
}

/** Lanewise's options. */
export type Options = Record<string, number | string | boolean>;

/** An option: the framework's word for it, Lanewise's, and the framework's default, `null` for none. */
export type Word = readonly [key: string, option: string, standard: number | boolean | null];

/** A state array that every parameter has. */
export interface Column {
  /** The framework's name. */
  readonly key: string;
  readonly state: StateName;
  /** Whether it is there with these options; default: always. */
  readonly when?: (options: Options) => unknown;
  /** Its value before the first step; default 0. */
  readonly start?: number;
}

const EPS_PLACEMENT = "epsPlacement";

/** Lanewise's options from the framework's; those that are absent or null are left out. */
export function importOptions(words: readonly Word[], record: Record<string, unknown>, path: string): Options {
  const options: Options = {};
  for (const [key, value] of Object.entries(record)) {
    if (value === null) continue;
    const word = words.find(([known]) => known === key);
    if (word === undefined)
      throw new CheckpointError(`${path}.${key} is ${describe(value)}, which Lanewise has no word for`);
    const [, option, standard] = word;
    const kind = typeof (standard ?? 0);
    if (typeof value !== kind) throw new CheckpointError(`${path}.${key} is ${describe(value)}, expected a ${kind}`);
    options[option] = option === EPS_PLACEMENT ? (value ? "inside" : "outside") : (value as number | boolean);
  }
  return options;
}

/** The framework's options, all of them, from Lanewise's. */
export function exportOptions(words: readonly Word[], options: Options): Record<string, unknown> {
  return Object.fromEntries(
    words.map(([key, option, standard]) => {
      const value = options[option] ?? standard;
      return [key, option === EPS_PLACEMENT ? value !== "outside" : value];
    }),
  );
}

/** The entries of a file: each may be taken once, and none may be left. */
export class Entries {
  readonly #left: Map<string, StoredTensor>;

  constructor(tensors: Iterable<readonly [string, StoredTensor]>) {
    this.#left = new Map(tensors);
  }

  /** Passes an entry over, if it is there. */
  drop(name: string): void {
    this.#left.delete(name);
  }

  has(name: string): boolean {
    return this.#left.has(name);
  }

  take(name: string): StoredTensor {
    const stored = this.#left.get(name);
    if (stored === undefined) throw new CheckpointError(`${quote(name)} is missing`);
    this.#left.delete(name);
    return stored;
  }

  /** A tensor of one number, of any dtype. */
  scalar(name: string): number {
    const { dtype, shape, data } = this.take(name);
    // Floats of 8 bits and fewer come as bytes.
    if (data.length !== 1 || /^F\d_|^F4$/.test(dtype ?? ""))
      throw new CheckpointError(`${quote(name)} is ${dtype ?? ""} [${cut(`${shape}`)}], expected one number`);
    return Number(data[0]);
  }

  count(name: string): number {
    const count = this.scalar(name);
    if (Number.isSafeInteger(count) && count >= 0) return count;
    throw new CheckpointError(`${quote(name)} is ${count}, expected an integer >= 0`);
  }

  finish(): void {
    const [extra] = this.#left.keys();
    if (extra !== undefined) throw new CheckpointError(`${quote(extra)} is unknown to this optimizer`);
  }
}

/** The state arrays of a parameter; `nameOf` gives the entry of a column. */
export function importArrays(
  columns: readonly Column[],
  entries: Entries,
  nameOf: (column: Column) => string,
  parameter: Parameter,
): Partial<ParameterState> {
  const arrays: Partial<ParameterState> = {};
  for (const column of columns) {
    const name = nameOf(column);
    arrays[column.state] = checkFits(name, entries.take(name), parameter);
  }
  return arrays;
}

/** An optimizer that a framework has. */
export interface Form {
  /** Lanewise's class. */
  readonly optimizer: string;
  readonly dialect?: string;
  readonly words: readonly Word[];
  readonly columns: readonly Column[];
}

/** Options that change what a step does, and that only some frameworks keep with their optimizer. */
const SPECIAL = ["clipValue", "clipNorm", "globalClipNorm", "weightDecay", "maximize", "nesterov"];
/** Likewise, but a dialect has it or refuses it by itself. */
const DECOUPLED = "decoupledWeightDecay";

/** What is to be exported, if the framework has such an optimizer and a place for all of its options and state. */
export function readSource<F extends Form>(
  framework: string,
  forms: readonly F[],
  { parameters, optimizer }: LayoutSource,
) {
  const description = optimizer?.description?.();
  if (description === undefined)
    throw new OptionError("optimizer has no description(), expected one of Lanewise's own");
  const form = forms.find((each) => each.optimizer === description.optimizer);
  if (form === undefined)
    throw new OptionError(`optimizer is ${description.optimizer}, which ${framework} does not have`);
  const { dialect, words, columns } = form;
  const refuse = (what: string): OptionError =>
    new OptionError(`optimizer has ${what}, for which the layout of ${framework} has no place`);
  if (description.dialect !== dialect) {
    throw new OptionError(`optimizer has the dialect ${describe(description.dialect)}, expected ${describe(dialect)}`);
  }
  for (const { options } of description.groups) {
    const foreign = (key: string): unknown => options[key] && !words.some(([, option]) => option === key);
    const special = SPECIAL.find(foreign) ?? (dialect === undefined && foreign(DECOUPLED) ? DECOUPLED : undefined);
    if (special !== undefined) throw refuse(special);
  }
  const state = optimizer.state();
  for (const [name, arrays] of Object.entries(state.parameters)) {
    const known = (key: string): boolean =>
      key === "iterations" || key === "momentumBegins" || columns.some((column) => column.state === key);
    const extra = Object.keys(arrays).find((key) => !known(key));
    if (extra !== undefined) throw refuse(`${extra} of ${name}`);
  }
  const named = namedParameters(parameters);
  const missing = Object.keys(state.parameters).find((name) => !named.has(name));
  if (missing !== undefined) throw new OptionError(`parameters.${missing} is missing, but the optimizer has it`);
  return { form, description, state, named };
}

/** A count, as frameworks save it: an int32 of rank 0. */
export function countOf(value: number): StoredTensor {
  return { shape: [], data: Int32Array.of(value) };
}

/** Throws CheckpointError unless it has the form of what `readSafetensors` returns. */
export function checkFile(file: Safetensors): Safetensors {
  const { tensors, metadata } = checkRecord("file", file);
  if (!(tensors instanceof Map)) throw new CheckpointError(`file.tensors is ${describe(tensors)}, expected a Map`);
  for (const [key, value] of Object.entries(checkRecord("file.metadata", metadata))) {
    checkString(`file.metadata.${key}`, value);
  }
  return file;
}
