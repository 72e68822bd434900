import { checkKeys, describe, isFloat32Array, unexpected } from "../checks.js";
import { CheckpointError, OptionError } from "../errors.js";
import type { OptimizerDescription } from "../optim/options.js";
import { isRecord, type ParameterSet } from "../optim/parameters.js";
import type { OptimizerState } from "../optim/state.js";
import { checkFits, namedParameters, shapeOf, valuesOf } from "./parameters.js";
import { checkPlain, readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.js";

/** What a checkpoint needs of an optimizer; `RMSProp`, `SGD` and the others are. */
export interface StatefulOptimizer {
  state(): OptimizerState;
  load(state: OptimizerState): void;
  /** An optimizer of one's own may go without; its kind is then not compared. */
  description?(): OptimizerDescription;
}

/** What `saveCheckpoint` saves. */
export interface CheckpointSource {
  /** A Tensor or Float32Array, an array or a record of them; `model.parameters` of a network. */
  parameters: ParameterSet;
  optimizer?: StatefulOptimizer;
  /** Strings of one's own; the key `lanewise` is taken. */
  metadata?: Readonly<Record<string, string>>;
}

/** What `loadCheckpoint` writes to. */
export interface CheckpointTarget {
  /** The parameters under the names that they were saved under. */
  parameters: ParameterSet;
  /** Without one only the parameters are loaded. */
  optimizer?: StatefulOptimizer;
}

/** What a checkpoint says beside parameters and state. */
export interface Checkpoint {
  readonly metadata: Readonly<Record<string, string>>;
  /** The optimizer that was saved, with its options; absent if there was none, or if it gave no description. */
  readonly optimizer?: OptimizerDescription;
}

/** Changes when files can no longer be read as before. */
const FORMAT = 1;
const PACKAGE = "0.1.0";
const KEY = "lanewise";
/** Before the names of state arrays. */
const PREFIX = "optimizer/";

/** What stands in the metadata. `null` in the state is an array, stored as the tensor of that path. */
interface About {
  format: typeof FORMAT;
  package: string;
  optimizer?: { description?: OptimizerDescription; state: Nested };
}

type Nested = { [key: string]: Nested } | number | string | boolean | null;

/**
 * Saves parameters, an optimizer's state and its description in one safetensors file.
 *
 * | tensor | |
 * |---|---|
 * | `name` | a parameter, with its shape |
 * | `optimizer/parameters/name/squareAverage` | a state array of it, flat |
 *
 * Counts of steps and options are JSON in the metadata, under `lanewise`. A learning rate is saved as the number that
 * the next step uses; a schedule is code, and is given again to the optimizer that goes on. The same state gives the
 * same bytes.
 *
 * @param source see `CheckpointSource`
 * @returns the file
 * @throws OptionError, DisposedError
 * @example
 * const bytes = saveCheckpoint({ parameters: model.parameters, optimizer });
 * await writeFile("model.safetensors", bytes);
 */
export function saveCheckpoint(source: CheckpointSource): Uint8Array {
  checkKeys("source", source, ["parameters", "optimizer", "metadata"]);
  const { parameters, optimizer, metadata = {} } = source;
  checkPlain("metadata", metadata);
  if (Object.hasOwn(metadata, KEY)) throw new OptionError(`metadata.${KEY} is taken, expected another key`);
  const named = namedParameters(parameters);
  checkOptimizer(optimizer);
  // First: what it allocates may move the memory that parameters are views of.
  const description = optimizer?.description?.();
  const state = optimizer?.state();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, parameter] of named) {
    if (name.startsWith(PREFIX)) throw new OptionError(`parameters.${name}: names in "${PREFIX}" are taken`);
    tensors.set(name, { shape: shapeOf(parameter), data: valuesOf(parameter) });
  }
  const about: About = { format: FORMAT, package: PACKAGE };
  if (state !== undefined) {
    about.optimizer = { ...(description && { description }), state: detach(state, PREFIX, tensors) };
  }
  return writeSafetensors(tensors, { ...metadata, [KEY]: JSON.stringify(about) });
}

/**
 * Loads what `saveCheckpoint` saved: parameters in place, and the state of an optimizer of the same kind over the same
 * parameters. Training then goes on as if it had never stopped, with the same bits.
 *
 * Class and dialect of the optimizer must be those of the saved one. Its options, the learning rate among them, stay
 * what they are; the saved ones are returned. Any safetensors file with these names will do for parameters alone.
 *
 * @param bytes the file
 * @param target see `CheckpointTarget`
 * @throws CheckpointError naming what is damaged, missing, unknown or of another shape or kind; OptionError,
 *   DisposedError. Parameters and state are then what they were
 * @example
 * const { metadata } = loadCheckpoint(await readFile("model.safetensors"), { parameters: model.parameters, optimizer });
 */
export function loadCheckpoint(bytes: Uint8Array, target: CheckpointTarget): Checkpoint {
  checkKeys("target", target, ["parameters", "optimizer"]);
  const named = namedParameters(target.parameters);
  checkOptimizer(target.optimizer);
  const file = readSafetensors(bytes);
  const { [KEY]: text, ...metadata } = file.metadata;
  const saved = text === undefined ? undefined : readAbout(text).optimizer;

  const states = new Map<string, StoredTensor>();
  const values = new Map<string, Float32Array>();
  for (const [name, stored] of file.tensors) {
    const parameter = named.get(name);
    if (parameter !== undefined) values.set(name, checkFits(name, stored, parameter));
    else if (name.startsWith(PREFIX)) states.set(name, stored);
    else throw new CheckpointError(`"${name}" is not among the parameters, which are ${[...named.keys()].join(", ")}`);
  }
  for (const name of named.keys()) if (!values.has(name)) throw new CheckpointError(`"${name}" is missing`);

  if (target.optimizer !== undefined) {
    if (saved === undefined) throw new CheckpointError("the file holds no state of an optimizer");
    const own = target.optimizer.description?.();
    if (own && saved.description && kindOf(own) !== kindOf(saved.description)) {
      throw new CheckpointError(`the state is of ${kindOf(saved.description)}, expected ${kindOf(own)}`);
    }
    const state = attach(saved.state, PREFIX, states);
    const [extra] = states.keys();
    if (extra !== undefined) throw new CheckpointError(`"${extra}" belongs to no state`);
    target.optimizer.load(state as unknown as OptimizerState);
  }
  for (const [name, parameter] of named) valuesOf(parameter).set(values.get(name)!);
  return { metadata, ...(saved?.description && { optimizer: saved.description }) };
}

/** Throws OptionError unless there is none, or one with a state. */
function checkOptimizer(optimizer: Partial<StatefulOptimizer> | undefined): void {
  if (optimizer === undefined || (optimizer?.state && optimizer.load)) return;
  throw unexpected("optimizer", optimizer, "one with state() and load()");
}

/** Moves the arrays of a state into `tensors`, under their paths; the rest is plain data. */
function detach(value: unknown, path: string, tensors: Map<string, StoredTensor>): Nested {
  if (isFloat32Array(value)) {
    tensors.set(path, { shape: [value.length], data: value });
    return null;
  }
  if (typeof value !== "object" || value === null) return value as Nested;
  const members = Object.entries(value).map(([key, member]) => [key, detach(member, join(path, key), tensors)]);
  return Object.fromEntries(members) as Nested;
}

/** The reverse: takes the arrays out of `tensors`. */
function attach(value: Nested, path: string, tensors: Map<string, StoredTensor>, depth = 0): unknown {
  if (value === null) {
    const stored = tensors.get(path);
    if (stored === undefined) throw new CheckpointError(`"${path}" is missing`);
    tensors.delete(path);
    return stored.data;
  }
  if (typeof value !== "object") return value;
  if (depth > 9) throw new CheckpointError(`metadata.${KEY} is nested too deeply`);
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, attach(member, join(path, key), tensors, depth + 1)]),
  );
}

function join(path: string, key: string): string {
  return path === PREFIX ? path + key : `${path}/${key}`;
}

/** Class and dialect: "RMSProp (pytorch)". */
function kindOf({ optimizer, dialect }: OptimizerDescription): string {
  return dialect === undefined ? optimizer : `${optimizer} (${dialect})`;
}

/** What the metadata says, checked as far as it is used here; `Optimizer.load` checks the state. */
function readAbout(text: string): About {
  const about = parseJson(`metadata.${KEY}`, text);
  if (!isRecord(about)) throw new CheckpointError(`metadata.${KEY} is ${describe(about)}, expected an object`);
  if (about.format !== FORMAT) {
    throw new CheckpointError(`metadata.${KEY}.format is ${describe(about.format)}, expected ${FORMAT}`);
  }
  const { optimizer } = about;
  if (optimizer === undefined) return { format: FORMAT, package: PACKAGE };
  const isSaved =
    isRecord(optimizer) &&
    isRecord(optimizer.state) &&
    (optimizer.description === undefined || isDescription(optimizer.description));
  if (!isSaved) throw new CheckpointError(`metadata.${KEY}.optimizer is no saved optimizer`);
  return about as unknown as About;
}

function isDescription(value: unknown): boolean {
  if (!isRecord(value) || typeof value.optimizer !== "string" || !Array.isArray(value.groups)) return false;
  return value.groups.every((group: unknown) => isRecord(group) && isRecord(group.options));
}

/** Throws CheckpointError unless `text` is JSON. */
export function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${name} is no JSON: ${(error as Error).message}`);
  }
}
