import { checkBoolean, checkKeys, isFloat32Array, listOf, quote, unexpected } from "../checks.js";
import { CheckpointError, OptionError } from "../errors.js";
import type { OptimizerDescription } from "../optim/options.js";
import { isRecord } from "../optim/parameters.js";
import type { OptimizerState } from "../optim/state.js";
import {
  checkOptimizer,
  FORMAT,
  KEY,
  kindOf,
  OPTIMIZER,
  otherParts,
  readAbout,
  type StatefulOptimizer,
} from "./about.js";
import { type CheckpointParameters, checkFits, namedParameters, valuesOf } from "./parameters.js";
import { arraysOf, unpack } from "./plain.js";
import { type Safetensors, type SafetensorsLimits, type StoredTensor, toSafetensors } from "./safetensors.js";

/** What `loadCheckpoint` writes to. */
export interface CheckpointTarget {
  /** A network, or parameters as an optimizer takes them. */
  parameters: CheckpointParameters;
  /** Without one only the parameters are loaded. */
  optimizer?: StatefulOptimizer;
}

/** Options of `loadCheckpoint`. */
export interface LoadOptions {
  /**
   * `false`: what the file lacks stays as it is, what it has besides is left out, and the report says both. Default
   * `true`: they are errors. A shape that differs is an error always.
   */
  strict?: boolean;
  /**
   * The parameters to load, with their state; the others stay as they are. A list of names, a record from their names to
   * those in the file, or a function from one to the other that returns `undefined` for what is not to be loaded. The
   * file may then have other parameters too. Default: all, under their own names.
   */
  names?: readonly string[] | Readonly<Record<string, string>> | ((name: string) => string | undefined);
  /** Rounds float64 parameters to float32; F16 and BF16 need no rounding, and are always taken. Default `false`. */
  convert?: boolean;
  /** See `readSafetensors`. */
  limits?: SafetensorsLimits;
}

/** What a checkpoint says beside parameters and state, and what was loaded of it. */
export interface Checkpoint {
  readonly metadata: Readonly<Record<string, string>>;
  /** The optimizer that was saved, with its options; absent if there was none, or if it gave no description. */
  readonly optimizer?: OptimizerDescription;
  /** Names of the parameters that were loaded. */
  readonly loaded: readonly string[];
  /** Parameters, and parts of the optimizer's state (`optimizer/…`), that the file lacks; they are as they were. */
  readonly missing: readonly string[];
  /** Tensors of the file, and parts of its state, that were not loaded. */
  readonly unexpected: readonly string[];
}

interface Report {
  missing: string[];
  unexpected: string[];
}

type Tree = Record<string, unknown>;

/** What a trainer's state has beside its optimizer's: nothing in it says how the optimizer steps. */
const TRAINER_KEYS = ["random"];
/** What an optimizer's state has of its options. */
const OPTIONS = "options";

/**
 * Loads what `saveCheckpoint` saved: parameters in place, and the state of an optimizer of the same kind over the same
 * parameters. Training then resumes as if it had never stopped, with the same bits.
 *
 * Class and dialect of the optimizer must be those of the saved one. Options that
 * were changed while it ran, and what is frozen, become the saved ones; the others are the constructor's of `optimizer`.
 * All saved ones are returned. A schedule is code, and the optimizer must have it already. A partial
 * load leaves the options what they are, and lists them in `unexpected`. A trainer's file may be loaded into an optimizer, and the reverse: the
 * trainer's random numbers are then left out, or stay. Any safetensors file will do for parameters alone.
 *
 * @param bytes the file, an `ArrayBuffer` too, or what `readSafetensors` returns
 * @param target see `CheckpointTarget`
 * @param options see `LoadOptions`
 * @throws CheckpointError naming what is damaged, missing, unknown or of another shape or kind; OptionError,
 *   DisposedError. Parameters and state are then what they were
 * @example
 * const { metadata } = loadCheckpoint(await readFile("model.safetensors"), { parameters: model, optimizer: trainer });
 * @example
 * const { missing } = loadCheckpoint(bytes, { parameters: model }, { strict: false });
 */
export function loadCheckpoint(
  bytes: Uint8Array | ArrayBuffer | Safetensors,
  target: CheckpointTarget,
  options: LoadOptions = {},
): Checkpoint {
  checkKeys("target", target, ["parameters", "optimizer"]);
  checkKeys("options", options, ["strict", "names", "convert", "limits"]);
  const { strict = true, names, convert = false, limits } = options;
  checkBoolean("options.strict", strict);
  checkBoolean("options.convert", convert);
  const named = namedParameters(target.parameters);
  checkOptimizer(target.optimizer);
  const sources = sourcesOf(names, named.keys());
  const file = toSafetensors(bytes, limits);
  const about = readAbout(file, named.size);

  const report: Report = { missing: [], unexpected: [] };
  const values = new Map<string, Float32Array>();
  const used = new Set<string>();
  for (const [name, source] of sources) {
    const stored = file.tensors.get(source);
    if (stored !== undefined) {
      used.add(source);
      values.set(name, checkFits(source, stored, named.get(name)!, convert));
    } else if (strict) throw new CheckpointError(`${quote(source)} is missing`);
    else report.missing.push(name);
  }
  const arrays = new Map<string, StoredTensor>();
  const others = new Set(otherParts(about).flatMap(([part, value]) => arraysOf(value, part)));
  for (const [name, stored] of file.tensors) {
    if (used.has(name) || others.has(name)) continue;
    if (name.startsWith(`${OPTIMIZER}/`)) arrays.set(name, stored);
    else if (strict && names === undefined) {
      throw new CheckpointError(`${quote(name)} is not among the parameters, which are ${listOf(named.keys())}`);
    } else report.unexpected.push(name);
  }

  const { optimizer } = target;
  if (optimizer !== undefined) {
    const saved = about.optimizer;
    if (saved === undefined && strict) throw new CheckpointError("the file has no state of an optimizer");
    const own = optimizer.description?.();
    if (own && saved?.description && kindOf(own) !== kindOf(saved.description)) {
      throw new CheckpointError(`the state is of ${kindOf(saved.description)}, expected ${kindOf(own)}`);
    }
    const state = (saved && unpack(saved.state, OPTIMIZER, arrays, about.format === FORMAT)) as Tree | undefined;
    const [extra] = arrays.keys();
    if (extra !== undefined && strict) throw new CheckpointError(`${quote(extra)} belongs to no state`);
    for (const name of arrays.keys()) report.unexpected.push(name);
    const loaded = new Map([...sources].filter(([name]) => values.has(name)));
    optimizer.load(adopt(optimizer.state(), state ?? {}, loaded, { strict, all: names === undefined }, report));
  }
  for (const [name, parameter] of named) {
    const array = values.get(name);
    if (array !== undefined) valuesOf(parameter).set(array);
  }
  const { [KEY]: _, ...metadata } = file.metadata;
  const description = about.optimizer?.description;
  return { metadata, ...(description && { optimizer: description }), loaded: [...values.keys()], ...report };
}

/** Which tensor of the file each parameter is loaded from. */
function sourcesOf(names: unknown, parameters: Iterable<string>): Map<string, string> {
  const all = [...parameters];
  if (names === undefined) return new Map(all.map((name) => [name, name]));
  let asked: [string, unknown][];
  if (typeof names === "function") {
    asked = all.map((name): [string, unknown] => [name, names(name)]).filter(([, source]) => source !== undefined);
  } else if (Array.isArray(names)) asked = names.map((name) => [name, name]);
  else if (isRecord(names)) asked = Object.entries(names);
  else throw unexpected("options.names", names, "a list, a record or a function of names");
  const known = new Set(all);
  for (const [name, source] of asked) {
    if (!known.has(name)) {
      throw new OptionError(`options.names has ${quote(String(name))}, which is none of the parameters ${listOf(all)}`);
    }
    if (typeof source !== "string")
      throw unexpected(`options.names.${name}`, source, "the name of a tensor in the file");
  }
  return new Map(asked as [string, string][]);
}

/** The state that is to be loaded, of the optimizer's own and the saved one. */
function adopt(
  own: OptimizerState,
  saved: Tree,
  loaded: ReadonlyMap<string, string>,
  { strict, all }: { strict: boolean; all: boolean },
  report: Report,
): OptimizerState {
  const state = { ...saved };
  for (const key of TRAINER_KEYS) {
    const [hasOwn, isSaved] = [Object.hasOwn(own, key), Object.hasOwn(saved, key)];
    if (hasOwn === isSaved) continue;
    (hasOwn ? report.missing : report.unexpected).push(`${OPTIMIZER}/${key}`);
    if (hasOwn) state[key] = (own as unknown as Tree)[key];
    else delete state[key];
  }
  if (strict && all) return state as unknown as OptimizerState;
  // A part of a state goes into an optimizer whose options stay its own.
  if (state[OPTIONS] !== undefined) report.unexpected.push(`${OPTIMIZER}/${OPTIONS}`);
  const { [OPTIONS]: ownOptions, ...ownState } = own as unknown as Tree;
  delete state[OPTIONS];
  const theirs = isRecord(saved.parameters) ? saved.parameters : {};
  const asked = new Set(loaded.values());
  for (const name of Object.keys(theirs)) {
    if (!asked.has(name)) report.unexpected.push(`${OPTIMIZER}/parameters/${name}`);
  }
  if (!strict) {
    const renamed = Array.from(loaded, ([name, source]) => [name, theirs[source]] as const);
    const parameters = Object.fromEntries(renamed.filter(([, record]) => record !== undefined));
    const merged = merge(ownState, { ...state, parameters }, OPTIMIZER, report, loaded);
    return { ...merged, ...(ownOptions !== undefined && { [OPTIONS]: ownOptions }) } as unknown as OptimizerState;
  }
  const parameters: Tree = { ...own.parameters };
  for (const [name, source] of loaded) {
    if (!Object.hasOwn(own.parameters, name)) continue; // a buffer, or another optimizer's
    const record = Object.hasOwn(theirs, source) ? theirs[source] : undefined;
    if (record === undefined) throw new CheckpointError(`"${OPTIMIZER}/parameters/${source}" is missing`);
    Object.defineProperty(parameters, name, { value: record, enumerable: true, configurable: true, writable: true });
  }
  const kept = { ...state, ...(ownOptions !== undefined && { [OPTIONS]: ownOptions }), parameters };
  return kept as unknown as OptimizerState;
}

/** `own` with what `saved` has in its place; says what it lacks, and what it has besides. */
function merge(own: Tree, saved: Tree, path: string, report: Report, only?: ReadonlyMap<string, string>): Tree {
  for (const key of Object.keys(saved)) if (!Object.hasOwn(own, key)) report.unexpected.push(`${path}/${key}`);
  const members = Object.entries(own).map(([key, mine]) => {
    const place = `${path}/${key}`;
    const theirs = Object.hasOwn(saved, key) ? saved[key] : undefined;
    if (isRecord(mine) && (theirs === undefined || isRecord(theirs))) {
      if (path === `${OPTIMIZER}/parameters` && only?.has(key) === false) return [key, mine];
      return [key, merge(mine, theirs ?? {}, place, report, only)];
    }
    const fits = isFloat32Array(mine)
      ? isFloat32Array(theirs) && theirs.length === mine.length
      : typeof mine === typeof theirs && !isFloat32Array(theirs);
    if (fits) return [key, theirs];
    (theirs === undefined ? report.missing : report.unexpected).push(place);
    return [key, mine];
  });
  return Object.fromEntries(members);
}
