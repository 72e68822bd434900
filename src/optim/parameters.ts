import { isFloat32Array, tagOf, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { RowGradient } from "./row-gradient.js";

/** What an optimizer updates: a tensor in place, or a plain array by copying it in and out. */
export type Parameter = Tensor | Float32Array;

/** One parameter, an array of them, or a record by name. */
export type ParameterSet = Parameter | readonly Parameter[] | { readonly [name: string]: Parameter };

/** Parameters with options of their own, which override the optimizer's. */
export type ParameterGroup<Options> = Options & { readonly params: ParameterSet };

/** What an optimizer is made for: a set of parameters, or an array of groups. */
export type ParametersOf<Options> =
  | ParameterSet
  | readonly ParameterGroup<Options>[]
  | Elements<Parameter | ParameterGroup<Options>>;

/**
 * No array is one. TypeScript compares an array that is none of the others with this, with which it has most keys in
 * common, and so names the option of a group that is wrong; otherwise it would take the array for a record, to which
 * `params` is unknown.
 */
interface Elements<Element> extends Array<Element> {
  [index: `${number}`]: Element;
  readonly [unassignable]: never;
}
declare const unassignable: unique symbol;

/** The gradient of one parameter; without one (`null` or `undefined`) a step passes the parameter over. */
export type Gradient = Tensor | Float32Array | RowGradient | null | undefined;

/** Gradients in the structure of a `ParameterSet`. */
export type GradientSet = Gradient | readonly Gradient[] | { readonly [name: string]: Gradient };

/**
 * Gradients in the structure of the parameters; for groups one entry each, as `gradients` or `{ params: gradients }`, or
 * one record of all if the groups are records.
 */
export type Gradients = GradientSet | readonly (GradientSet | { readonly params: GradientSet })[];

/** A copy of every parameter, in the structure of the parameters; for groups one entry each. */
export type ParameterCopies = CopySet | CopySet[];

/** A copy of a parameter, flat, with the parameter's shape. */
export interface ParameterCopy extends Float32Array {
  readonly shape: readonly number[];
}

type CopySet = ParameterCopy | ParameterCopy[] | { [name: string]: ParameterCopy };

/** How a structure is nested: one parameter, an array of them, or a record by name. */
export type StructureKind = "single" | "list" | "record";

/** How parameters were given; gradients are looked up in the same structure. */
export interface Structure<Member extends NamedParameter = NamedParameter> {
  readonly kind: StructureKind;
  /** Its index among the groups, -1 where there are none. */
  index: number;
  /** The parameters in order, and by their key. */
  readonly members: Member[];
  readonly byKey: Map<string, Member>;
  /** The record of gradients whose names were checked last: enumerating the names of a large one takes long. */
  known: Record<string, unknown> | undefined;
  /** Whether the gradients of this step came as `{ params: gradients }`. */
  wrapped: boolean;
}

/** A parameter of a structure. */
export interface NamedParameter {
  /** Key of its state: the key in a record, else the running index over all parameters. */
  readonly name: string;
  /** Key inside its structure: for a list the index. */
  readonly key: string;
  /** What error messages call the structure: "params", "params[1].params". */
  readonly set: string;
  readonly kind: StructureKind;
  readonly value: Parameter;
}

/** Parameters of one structure. */
export interface NamedSet {
  readonly kind: StructureKind;
  readonly parameters: readonly NamedParameter[];
}

/** What a group was given: its parameters and its own options; without groups it has none. */
export interface GivenGroup extends NamedSet {
  readonly options: object;
  /** What error messages call the group: "params[1]". */
  readonly path: string;
}

/** The parameters, their names and groups. Throws OptionError or DisposedError with the name of what is wrong. */
export function collectParameters(core: Core, params: unknown): { grouped: boolean; groups: GivenGroup[] } {
  const named = nameParameters("params", params);
  const all: NamedParameter[] = [];
  for (const { parameters } of named.groups) for (const parameter of parameters) all.push(parameter);
  for (const parameter of all) checkParameter(core, parameter);
  checkDistinct(core, all);
  return named;
}

/**
 * What each parameter is called, in groups or without: the one rule for optimizers and checkpoints. The values are what
 * they are, unchecked. Throws OptionError with `path`, the name of what is wrong.
 */
export function nameParameters(path: string, params: unknown): { grouped: boolean; groups: GivenGroup[] } {
  const grouped = Array.isArray(params) && params.some(isGroup);
  if (!grouped) return { grouped, groups: [{ ...nameSet(params, path, 0), options: {}, path }] };
  let count = 0;
  const groups = Array.from(params as unknown[], (group, i): GivenGroup => {
    const groupPath = `${path}[${i}]`;
    if (!isGroup(group)) throw unexpected(groupPath, group, "a group { params, ... }");
    const { params: members, ...options } = group;
    const set = nameSet(members, `${groupPath}.params`, count);
    count += set.parameters.length;
    return { ...set, options, path: groupPath };
  });
  return { grouped, groups };
}

/** One set of parameters, before which there are `count` others. Throws like `collectParameters`. */
export function collectSet(core: Core, value: unknown, set: string, count: number): NamedSet {
  const named = nameSet(value, set, count);
  for (const parameter of named.parameters) checkParameter(core, parameter);
  return named;
}

function nameSet(value: unknown, set: string, count: number): NamedSet {
  const kind = kindOf(value, set);
  const parameters: NamedParameter[] = [];
  const add = (key: string, member: unknown): void => {
    const name = kind === "record" ? key : String(count + parameters.length);
    parameters.push({ name, key, set, kind, value: member as Parameter });
  };
  if (kind === "single") add("", value);
  else if (kind === "record") {
    for (const key of Object.keys(value as object)) add(key, (value as Record<string, unknown>)[key]);
  } else {
    // By index, because a hole in an array is a member that is missing.
    const list = value as readonly unknown[];
    for (let i = 0; i < list.length; i++) add(String(i), list[i]);
  }
  if (parameters.length === 0) throw new OptionError(`${set} is empty, expected at least one parameter`);
  return { kind, parameters };
}

/** What messages call a parameter. */
export function pathOf({ set, kind, key }: NamedParameter): string {
  return set + suffix(kind, key);
}

/** How a member of a set is written after the set's name: `[2]` or `.w1`. */
export function suffix(kind: StructureKind, key: string): string {
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
    tagOf(value) === "[object Object]"
  );
}

function isGroup(value: unknown): value is Record<string, unknown> & { params: unknown } {
  return isRecord(value) && Object.hasOwn(value, "params");
}

function kindOf(value: unknown, path: string): StructureKind {
  if (value instanceof Tensor || isFloat32Array(value)) return "single";
  if (Array.isArray(value)) return "list";
  if (isRecord(value)) {
    if (isRecord(value.parameters)) throw unexpected(path, value, "its parameters: model.parameters");
    return "record";
  }
  throw unexpected(path, value, "a Tensor or Float32Array, an array of them, or a record of them by name");
}

function checkParameter(core: Core, parameter: NamedParameter): void {
  const value: unknown = parameter.value;
  if (value instanceof Tensor) {
    if (value.ptr !== 0 && value.core === core) return;
    value.assertLive(pathOf(parameter));
    throw new OptionError(`${pathOf(parameter)} is a tensor of another core than the optimizer`);
  }
  if (!isFloat32Array(value)) throw unexpected(pathOf(parameter), value, "a Tensor or Float32Array");
  if (value.buffer !== core.linearMemory.buffer) return;
  throw new OptionError(`${pathOf(parameter)} is a view of the core's memory, expected the Tensor itself`);
}

/** Throws OptionError if two parameters have the same name, or share memory. */
export function checkDistinct(core: Core, parameters: readonly NamedParameter[]): void {
  const byName = new Map<string, NamedParameter>();
  const byValue = new Map<Parameter, NamedParameter>();
  for (const parameter of parameters) {
    const { name, value } = parameter;
    const same = byValue.get(value);
    if (same) throw new OptionError(`${pathOf(parameter)} is the same parameter as ${pathOf(same)}`);
    const namesake = byName.get(name);
    if (namesake) {
      throw new OptionError(`${pathOf(parameter)} has the name "${name}", which ${pathOf(namesake)} has too`);
    }
    byName.set(name, parameter);
    byValue.set(value, parameter);
  }
  checkDisjoint(core, parameters);
}

/** Where a parameter is: its buffer, and the bytes in it. */
interface Place {
  readonly parameter: NamedParameter;
  readonly start: number;
  readonly end: number;
}

function checkDisjoint(core: Core, parameters: readonly NamedParameter[]): void {
  const byBuffer = new Map<ArrayBufferLike, Place[]>();
  for (const parameter of parameters) {
    const { value } = parameter;
    const isTensor = value instanceof Tensor;
    const start = isTensor ? value.ptr : value.byteOffset;
    const bytes = isTensor ? value.size * 4 : value.byteLength;
    if (bytes === 0 || (isTensor && start === 0)) continue;
    const buffer = isTensor ? core.linearMemory.buffer : value.buffer;
    const place = { parameter, start, end: start + bytes };
    const places = byBuffer.get(buffer);
    if (places) places.push(place);
    else byBuffer.set(buffer, [place]);
  }
  for (const places of byBuffer.values()) {
    places.sort((a, b) => a.start - b.start);
    for (let i = 1; i < places.length; i++) {
      const [before, after] = [places[i - 1]!, places[i]!];
      if (after.start >= before.end) continue;
      throw new OptionError(`${pathOf(after.parameter)} overlaps ${pathOf(before.parameter)} in memory`);
    }
  }
}
