import { isFloat32Array, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError } from "../errors.js";
import { Tensor } from "../tensor.js";

/** What an optimizer updates: a tensor where it lies, or a plain array by copying it in and out. */
export type Parameter = Tensor | Float32Array;

/** One parameter, an array of them, or a record by name. */
export type ParameterSet = Parameter | readonly Parameter[] | { readonly [name: string]: Parameter };

/** Parameters with options of their own, which override the optimizer's. */
export type ParameterGroup<Options> = Options & { readonly params: ParameterSet };

/** What an optimizer is made for: a set of parameters, or an array of groups. */
export type ParametersOf<Options> = ParameterSet | readonly ParameterGroup<Options>[];

/** The gradient of one parameter; without one (`null` or `undefined`) a step passes the parameter over. */
export type Gradient = Tensor | Float32Array | null | undefined;

/** Gradients in the structure of a `ParameterSet`. */
export type GradientSet = Gradient | readonly Gradient[] | { readonly [name: string]: Gradient };

/** Gradients in the structure of the parameters; for groups one entry each, as `gradients` or `{ params: gradients }`. */
export type Gradients = GradientSet | readonly (GradientSet | { readonly params: GradientSet })[];

/** A copy of every parameter, in the structure of the parameters; for groups one entry each. */
export type ParameterCopies = CopySet | CopySet[];

type CopySet = Float32Array | Float32Array[] | { [name: string]: Float32Array };

/** How a set of parameters was given. */
export type SetKind = "single" | "list" | "record";

/** One parameter of a set. */
export interface Entry {
  /** Key of its state: the key in a record, else the running index over all parameters. */
  readonly name: string;
  /** Key inside its set: for a list the index. */
  readonly key: string;
  /** What error messages call it. */
  readonly path: string;
  readonly value: Parameter;
}

/** A group, or the only set of an optimizer without groups. */
export interface EntrySet {
  readonly kind: SetKind;
  /** The group's options; without groups none. */
  readonly options: object;
  /** What error messages call the group: "params[1]". */
  readonly path: string;
  readonly entries: readonly Entry[];
}

/** The parameters, their names and groups. Throws OptionError or DisposedError with the name of what is wrong. */
export function collectParameters(core: Core, params: unknown): { grouped: boolean; sets: EntrySet[] } {
  const named = nameParameters("params", params);
  const entries = named.sets.flatMap((set) => set.entries);
  for (const { path, value } of entries) checkParameter(core, path, value);
  checkDistinct(core, entries);
  return named;
}

/**
 * What each parameter is called, in groups or without: the one rule for optimizers and checkpoints. The values are what
 * they are, unchecked. Throws OptionError with `path`, the name of what is wrong.
 */
export function nameParameters(path: string, params: unknown): { grouped: boolean; sets: EntrySet[] } {
  const grouped = Array.isArray(params) && params.some(isGroup);
  if (!grouped) return { grouped, sets: [{ ...nameSet(params, path, 0), options: {}, path }] };
  let count = 0;
  const sets = Array.from(params as unknown[], (group, i): EntrySet => {
    const groupPath = `${path}[${i}]`;
    if (!isGroup(group)) throw unexpected(groupPath, group, "a group { params, ... }");
    const { params: members, ...options } = group;
    const set = nameSet(members, `${groupPath}.params`, count);
    count += set.entries.length;
    return { ...set, options, path: groupPath };
  });
  return { grouped, sets };
}

/** One set of parameters, before which there are `count` others. Throws like `collectParameters`. */
export function collectSet(
  core: Core,
  value: unknown,
  path: string,
  count: number,
): Pick<EntrySet, "kind" | "entries"> {
  const set = nameSet(value, path, count);
  for (const entry of set.entries) checkParameter(core, entry.path, entry.value);
  return set;
}

function nameSet(value: unknown, path: string, count: number): Pick<EntrySet, "kind" | "entries"> {
  const kind = kindOf(value, path);
  const members: [string, unknown][] = kind === "single" ? [["", value]] : membersOf(value as object);
  if (members.length === 0) throw new OptionError(`${path} is empty, expected at least one parameter`);
  const entries = members.map(([key, member], i) => ({
    name: kind === "record" ? key : String(count + i),
    key,
    path: `${path}${suffix(kind, key)}`,
    value: member as Parameter,
  }));
  return { kind, entries };
}

/** How a member of a set is written after the set's name: `[2]` or `.w1`. */
export function suffix(kind: SetKind, key: string): string {
  if (kind === "single") return "";
  return kind === "list" ? `[${key}]` : `.${key}`;
}

/** An object that is no instance of anything special: a record or a group. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !(value instanceof Tensor) &&
    !ArrayBuffer.isView(value) && // toString would make a string for each
    Object.prototype.toString.call(value) === "[object Object]"
  );
}

function isGroup(value: unknown): value is Record<string, unknown> & { params: unknown } {
  return isRecord(value) && Object.hasOwn(value, "params");
}

function kindOf(value: unknown, path: string): SetKind {
  if (value instanceof Tensor || isFloat32Array(value)) return "single";
  if (Array.isArray(value)) return "list";
  if (isRecord(value)) return "record";
  throw unexpected(path, value, "a Tensor or Float32Array, an array of them, or a record of them by name");
}

function membersOf(set: object): [string, unknown][] {
  // By index, because a hole in an array is a member that is missing.
  return Array.isArray(set) ? Array.from(set, (member, i) => [String(i), member]) : Object.entries(set);
}

function checkParameter(core: Core, path: string, value: unknown): void {
  if (value instanceof Tensor) {
    value.assertLive(path);
    if (value.core !== core) throw new OptionError(`${path} is a tensor of another core than the optimizer`);
  } else if (!isFloat32Array(value)) {
    throw unexpected(path, value, "a Tensor or Float32Array");
  } else if (value.buffer === core.linearMemory.buffer) {
    throw new OptionError(`${path} is a view of the core's memory, expected the Tensor itself`);
  }
}

/** Throws OptionError if two parameters have the same name, or share memory. */
export function checkDistinct(core: Core, entries: readonly Entry[]): void {
  const byName = new Map<string, Entry>();
  const byValue = new Map<Parameter, Entry>();
  const blocks = entries.map((entry) => {
    const { name, path, value } = entry;
    const sameValue = byValue.get(value);
    if (sameValue) throw new OptionError(`${path} is the same parameter as ${sameValue.path}`);
    const sameName = byName.get(name);
    if (sameName) throw new OptionError(`${path} has the name "${name}", which ${sameName.path} has too`);
    byName.set(name, entry);
    byValue.set(value, entry);
    return value instanceof Tensor
      ? { path, buffer: core.linearMemory.buffer, start: value.ptr, end: value.ptr && value.ptr + value.size * 4 }
      : { path, buffer: value.buffer, start: value.byteOffset, end: value.byteOffset + value.byteLength };
  });
  const byBuffer = new Map<ArrayBufferLike, typeof blocks>();
  for (const block of blocks) {
    if (block.start === block.end) continue;
    const neighbours = byBuffer.get(block.buffer);
    if (neighbours) neighbours.push(block);
    else byBuffer.set(block.buffer, [block]);
  }
  for (const neighbours of byBuffer.values()) {
    neighbours.sort((a, b) => a.start - b.start);
    for (let i = 1; i < neighbours.length; i++) {
      const [before, after] = [neighbours[i - 1]!, neighbours[i]!];
      if (after.start < before.end) throw new OptionError(`${after.path} overlaps ${before.path} in memory`);
    }
  }
}
