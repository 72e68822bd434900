import { checkKeys, isFloat32Array, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError, ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { type Gradients, isRecord, type SetKind, suffix } from "./parameters.js";
import type { GroupScalars, RatePlacement } from "./segments.js";

/** Places of a slot's state arrays: up to three of the optimizer, the parameter's average and the gradients' sum. */
export const AVERAGE = 3;
export const ACCUMULATOR = 4;
export const STATES = 5;

/** What the options of a group amount to. */
export interface Plan {
  /** MODE_… bits. */
  readonly mode: number;
  readonly scalars: GroupScalars;
  /** Start value of each state array; `undefined` where the group does without it. */
  readonly initial: readonly (number | undefined)[];
  /** Writes the row's two corrections; absent where both are always 1. */
  readonly correct: Correct | undefined;
  /** Where the learning rate stands in the formula. Default: before the division. */
  readonly rate: RatePlacement | undefined;
  /** a ← decay·a + complement·θ; unless it starts at the parameter, the first step copies. */
  readonly average:
    | { readonly decay: number; readonly complement: number; readonly startsAtParameter: boolean }
    | undefined;
}

/** Parameters with the same options. Their learning rate is written once for all of them. */
export interface Group {
  /** Its place among the groups. */
  readonly index: number;
  plan: Plan;
  readonly slots: Slot[];
}

/**
 * Writes a row's two corrections for a step, counted from 1. The learning rate comes in its array, by the group's index:
 * V8 boxes numbers that are handed on one by one.
 */
export type Correct = (step: number, corrections: Float64Array, learningRates: Float64Array, group: number) => void;

/** A parameter with what belongs to it. Its place among all slots is its row of the segment table. */
export interface Slot {
  /** Key of its state. */
  readonly name: string;
  /** Key inside its set. */
  readonly key: string;
  /** What messages call the parameter. */
  readonly path: string;
  readonly set: SlotSet;
  readonly group: Group;
  /** What the kernel updates: the caller's tensor, or the copy of the caller's array. */
  readonly tensor: Tensor;
  readonly array: Float32Array | undefined;
  /** Its state arrays; `undefined` where the options do without one. */
  states: readonly (Tensor | undefined)[];
  /** What a gradient given as an array is copied into; made when first needed. */
  staging: Tensor | undefined;
  /** The gradient of the step that is being made. */
  gradient: Tensor | Float32Array | undefined;
  /** The last tensor that was found to be a possible gradient: no need to check it in every step. */
  accepted: Tensor | undefined;
  /** Steps taken by this parameter. */
  iterations: number;
  /** Whether its gradients are ignored. */
  frozen: boolean;
  /** Whether it had a gradient since the last update. */
  accumulated: boolean;
}

/** The slots of a set of parameters, for looking gradients up in the set's structure. */
export interface SlotSet {
  /** Its place among the entries of the gradients, -1 if they are the set's own. */
  index: number;
  readonly kind: SetKind;
  readonly slots: Slot[];
  readonly byKey: Map<string, Slot>;
  /** Whether the gradients of this step came as `{ params: gradients }`. */
  wrapped: boolean;
}

/** What messages call the gradients of a set. */
function gradientsName({ index, wrapped }: SlotSet): string {
  if (index < 0) return "grads";
  return wrapped ? `grads[${index}].params` : `grads[${index}]`;
}

/** What messages call the gradient of a slot. */
export function gradientName({ set, key }: Slot): string {
  return gradientsName(set) + suffix(set.kind, key);
}

/** Whether the gradient of this step is an array for which there is no room in linear memory yet. */
export function needsStaging({ gradient, accepted, staging }: Slot): boolean {
  return gradient !== undefined && gradient !== accepted && staging === undefined;
}

/**
 * Checks gradients in the structure of the sets, and notes each in its slot; checks too that the parameters can still
 * be updated. Allocates nothing. Throws ShapeError, OptionError or DisposedError; only notes have then changed.
 */
export function readGradients(
  core: Core,
  sets: readonly SlotSet[],
  parameters: ReadonlySet<Tensor>,
  grads: Gradients,
): void {
  const first = sets[0]!;
  if (first.index < 0) readSet(core, first, parameters, grads);
  else readGroups(core, sets, parameters, grads);
}

function readGroups(core: Core, sets: readonly SlotSet[], parameters: ReadonlySet<Tensor>, grads: Gradients): void {
  if (!Array.isArray(grads)) {
    throw unexpected("grads", grads, "an array with the gradients of each group");
  }
  if (grads.length > sets.length) {
    throw new ShapeError(`grads has ${grads.length} entries, expected at most ${sets.length}, one for each group`);
  }
  for (let i = 0; i < sets.length; i++) {
    const set = sets[i]!;
    const entry: unknown = grads[i];
    set.wrapped = false;
    if (!set.byKey.has("params") && isRecord(entry) && Object.hasOwn(entry, "params")) {
      for (const key in entry) if (key !== "params") checkKeys(gradientsName(set), entry, ["params"]);
      set.wrapped = true;
      readSet(core, set, parameters, entry.params);
    } else readSet(core, set, parameters, entry);
  }
}

function readSet(core: Core, set: SlotSet, parameters: ReadonlySet<Tensor>, grads: unknown): void {
  const { kind, slots } = set;
  if (grads === undefined || grads === null || kind === "single") {
    for (let i = 0; i < slots.length; i++) accept(core, slots[i]!, parameters, grads);
  } else if (kind === "list") {
    const list = checkList(set, grads);
    for (let i = 0; i < slots.length; i++) accept(core, slots[i]!, parameters, list[i]);
  } else {
    const record = checkRecord(set, grads);
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      accept(core, slot, parameters, Object.hasOwn(record, slot.key) ? record[slot.key] : undefined);
    }
  }
}

function checkList(set: SlotSet, grads: unknown): readonly unknown[] {
  if (!Array.isArray(grads)) {
    throw unexpected(gradientsName(set), grads, "an array like the parameters");
  }
  const expected = set.slots.length;
  if (grads.length <= expected) return grads;
  throw new ShapeError(`${gradientsName(set)} has ${grads.length} entries, expected at most ${expected}`);
}

function checkRecord(set: SlotSet, grads: unknown): Record<string, unknown> {
  if (!isRecord(grads)) {
    throw unexpected(gradientsName(set), grads, "a record like the parameters");
  }
  for (const key in grads) {
    if (set.byKey.has(key)) continue;
    const known = [...set.byKey.keys()].join(", ");
    throw new OptionError(`${gradientsName(set)}.${key} is not a parameter; known are ${known}`);
  }
  return grads;
}

/** Notes the gradient of a slot. What is as it was in the last step is found so with few comparisons. */
function accept(core: Core, slot: Slot, parameters: ReadonlySet<Tensor>, value: unknown): void {
  const { accepted, tensor, array } = slot;
  if (slot.frozen) slot.gradient = undefined;
  else if (
    accepted !== undefined &&
    value === accepted &&
    accepted.ptr !== 0 &&
    array === undefined &&
    tensor.ptr !== 0
  ) {
    slot.gradient = accepted;
  } else {
    checkParameter(slot);
    slot.gradient = value === undefined || value === null ? undefined : checkGradient(core, slot, parameters, value);
  }
}

/** Throws unless the parameter can still be updated. */
export function checkParameter({ path, tensor, array }: Slot): void {
  if (array === undefined) tensor.assertLive(path);
  else if (array.length !== tensor.size) {
    throw new ShapeError(`${path} has ${array.length} elements, expected the ${tensor.size} it had at first`);
  }
}

function checkGradient(core: Core, slot: Slot, parameters: ReadonlySet<Tensor>, value: unknown): Tensor | Float32Array {
  const { tensor, array } = slot;
  if (value instanceof Tensor) {
    if (value.ptr === 0) value.assertLive(gradientName(slot));
    if (value.core !== core) {
      throw new OptionError(`${gradientName(slot)} is a tensor of another core than the optimizer`);
    }
    if (parameters.has(value)) {
      throw new OptionError(`${gradientName(slot)} is a parameter itself, expected another tensor`);
    }
    const fits = array === undefined ? sameShape(value, tensor) : value.size === tensor.size;
    if (!fits) throw new ShapeError(`${gradientName(slot)} has shape [${value.shape}], expected [${tensor.shape}]`);
    slot.accepted = value;
    return value;
  }
  if (value instanceof Float32Array || isFloat32Array(value)) {
    if (value.length !== tensor.size) {
      throw new ShapeError(`${gradientName(slot)} has ${value.length} elements, expected ${tensor.size}`);
    }
    if (value.buffer === core.linearMemory.buffer) throw viewOfMemory(gradientName(slot));
    return value;
  }
  throw unexpected(gradientName(slot), value, "a Tensor, Float32Array or null");
}

/** The error of an array that the core's memory would move away under. */
export function viewOfMemory(name: string): OptionError {
  return new OptionError(`${name} is a view of the core's memory, expected the Tensor itself`);
}

function sameShape({ shape }: Tensor, { shape: other }: Tensor): boolean {
  return shape.length === other.length && shape.every((dimension, axis) => dimension === other[axis]);
}
