import { checkKeys, isFloat32Array, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { NonFiniteError, OptionError, ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { type Gradients, isRecord, type Structure, suffix } from "./parameters.js";
import { checkLive, type Slot } from "./slots.js";

/** Names that a message lists at most. */
const LISTED = 20;

/** `names` as a message shows them. */
export function listed(names: Iterable<string>, quote = ""): string {
  const shown: string[] = [];
  for (const name of names) {
    if (shown.length === LISTED) return `${shown.join(", ")}, …`;
    shown.push(quote + name + quote);
  }
  return shown.join(", ");
}

/** What messages call the gradients of a structure. */
function gradientsName({ index, wrapped }: Structure<Slot>): string {
  if (index < 0) return "grads";
  return wrapped ? `grads[${index}].params` : `grads[${index}]`;
}

/** What messages call the gradient of a slot. */
export function gradientName({ structure, key }: Slot): string {
  return gradientsName(structure) + suffix(structure.kind, key);
}

/**
 * Finds the gradient of each slot in what the caller gave, and checks it. A tensor that is where it was in the last
 * step costs one comparison: the core counts what could have changed it.
 */
export class GradientReader {
  readonly #core: Core;
  readonly #structures: readonly Structure<Slot>[];
  /** The caller's tensors, none of which may be a gradient. */
  readonly #parameters: ReadonlySet<Tensor>;
  /** `core.changes` when every parameter and gradient was last found to be live. */
  #checked = -1;
  #checksAll = true;
  /** Whether the step table must be written anew: some gradient is another, or may be at another address. */
  stale = true;
  /** Whether a gradient came as an array, and whether there is room for all of these. */
  hasArrays = false;
  needsStaging = false;

  constructor(core: Core, structures: readonly Structure<Slot>[], parameters: ReadonlySet<Tensor>) {
    this.#core = core;
    this.#structures = structures;
    this.#parameters = parameters;
  }

  /** What was found is no longer true: parameters, their state or options have changed. */
  forget(): void {
    this.#checked = -1;
    this.stale = true;
  }

  /**
   * Whether these are the gradients of the last step in the same structure, tensors that are where they were: then there
   * is nothing to check and nothing to write. False for groups, and where the table must be written anew. What getters
   * in `grads` do is seen, because changes are compared last.
   */
  areSame(grads: Gradients): boolean {
    const { index, kind, members, known } = this.#structures[0]!;
    if (this.stale || index >= 0) return false;
    if (kind === "single") {
      if (grads !== members[0]!.gradient) return false;
    } else if (kind === "list") {
      if (!Array.isArray(grads) || grads.length !== members.length) return false;
      for (let i = 0; i < members.length; i++) if (isAnother(members[i]!, grads[i])) return false;
    } else {
      if (known === undefined || grads !== known) return false;
      for (let i = 0; i < members.length; i++) if (isAnother(members[i]!, known[members[i]!.key])) return false;
    }
    return this.#checked === this.#core.changes;
  }

  /**
   * Notes the gradient of each slot; checks too that the parameters can still be updated. Allocates nothing. Throws
   * ShapeError, OptionError or DisposedError; only notes have then changed.
   */
  read(grads: Gradients): void {
    const { changes } = this.#core;
    this.#checksAll = this.#checked !== changes;
    this.hasArrays = false;
    this.needsStaging = false;
    if (this.#checksAll) {
      this.stale = true;
      this.#checked = -1;
    }
    const first = this.#structures[0]!;
    if (first.index < 0) this.#readStructure(first, grads);
    else this.#readGroups(grads);
    if (this.#core.changes !== changes) {
      this.stale = true;
      this.#core.assertLive();
      throw new OptionError("grads disposed of a tensor while it was read, expected gradients that only are read");
    }
    this.#checked = changes;
  }

  #readGroups(grads: Gradients): void {
    const structures = this.#structures;
    if (isRecord(grads) && structures.every(({ kind }) => kind === "record")) {
      this.#readNames(grads);
      return;
    }
    if (!Array.isArray(grads)) throw unexpected("grads", grads, "an array with the gradients of each group");
    if (grads.length > structures.length) {
      throw new ShapeError(
        `grads has ${grads.length} entries, expected at most ${structures.length}, one for each group`,
      );
    }
    for (let i = 0; i < structures.length; i++) {
      const structure = structures[i]!;
      const entry: unknown = grads[i];
      structure.wrapped = false;
      if (!structure.byKey.has("params") && isRecord(entry) && Object.hasOwn(entry, "params")) {
        for (const key in entry) if (key !== "params") checkKeys(gradientsName(structure), entry, ["params"]);
        structure.wrapped = true;
        this.#readStructure(structure, entry.params);
      } else this.#readStructure(structure, entry);
    }
  }

  /** One record for all groups, which are records too: names are unique. */
  #readNames(grads: Record<string, unknown>): void {
    const structures = this.#structures;
    if (grads !== structures[0]!.known) {
      for (const key in grads) {
        if (structures.some(({ byKey }) => byKey.has(key))) continue;
        const known = structures.flatMap(({ byKey }) => [...byKey.keys()]);
        throw new OptionError(`grads.${key} is not a parameter; known are ${listed(known)}`);
      }
    }
    for (let i = 0; i < structures.length; i++) {
      const structure = structures[i]!;
      structure.wrapped = false;
      structure.known = i === 0 ? grads : undefined;
      const { members } = structure;
      for (let k = 0; k < members.length; k++) {
        const slot = members[k]!;
        this.#accept(slot, Object.hasOwn(grads, slot.key) ? grads[slot.key] : undefined);
      }
    }
  }

  #readStructure(structure: Structure<Slot>, grads: unknown): void {
    const { kind, members } = structure;
    if (grads === undefined && structure.index < 0 && kind !== "single") {
      throw unexpected("grads", grads, "the gradients, such as step(model.gradients); null passes over all parameters");
    }
    if (grads === undefined || grads === null || kind === "single") {
      for (let i = 0; i < members.length; i++) this.#accept(members[i]!, grads);
    } else if (kind === "list") {
      const list = checkList(structure, grads);
      for (let i = 0; i < members.length; i++) this.#accept(members[i]!, list[i]);
    } else {
      const record = grads === structure.known ? structure.known : checkRecord(structure, grads);
      structure.known = record;
      for (let i = 0; i < members.length; i++) {
        const slot = members[i]!;
        this.#accept(slot, Object.hasOwn(record, slot.key) ? record[slot.key] : undefined);
      }
    }
  }

  /** Notes the gradient of a slot. What is as it was in the last step is found so with few comparisons. */
  #accept(slot: Slot, value: unknown): void {
    const before = slot.gradient;
    if (slot.frozen) {
      slot.gradient = undefined;
      return;
    }
    if (!this.#checksAll && (value ?? undefined) === before && (before === undefined || before instanceof Tensor)) {
      if (slot.array !== undefined) checkLive(slot);
      return;
    }
    this.stale = true;
    slot.gradient = undefined;
    checkLive(slot);
    if (value === undefined || value === null) return;
    if (value === before && value instanceof Tensor) {
      if (value.ptr === 0) value.assertLive(gradientName(slot));
    } else this.#check(slot, value);
    slot.gradient = value as Tensor | Float32Array;
    if (value instanceof Tensor) return;
    this.hasArrays = true;
    if (slot.stagingPtr === 0) this.needsStaging = true;
  }

  /** Throws unless this can be the gradient of the slot. */
  #check(slot: Slot, value: unknown): void {
    const core = this.#core;
    const { tensor, size } = slot;
    if (value instanceof Tensor) {
      if (value.ptr === 0) value.assertLive(gradientName(slot));
      if (value.core !== core) {
        throw new OptionError(`${gradientName(slot)} is a tensor of another core than the optimizer`);
      }
      if (this.#parameters.has(value)) {
        throw new OptionError(`${gradientName(slot)} is a parameter itself, expected another tensor`);
      }
      const fits = tensor === undefined ? value.size === size : sameShape(value, tensor);
      if (fits) return;
      throw new ShapeError(`${gradientName(slot)} has shape [${value.shape}], expected [${slot.shape}]`);
    }
    if (!(value instanceof Float32Array || isFloat32Array(value))) {
      throw unexpected(gradientName(slot), value, "a Tensor, Float32Array or null");
    }
    if (value.length !== size) {
      throw new ShapeError(`${gradientName(slot)} has ${value.length} elements, expected ${size}`);
    }
    if (value.buffer === core.linearMemory.buffer) throw viewOfMemory(gradientName(slot));
  }
}

/** Whether a gradient is not the one of the slot's last step. */
function isAnother(slot: Slot, value: unknown): boolean {
  return value !== slot.gradient && !slot.frozen;
}

function checkList(structure: Structure<Slot>, grads: unknown): readonly unknown[] {
  if (!Array.isArray(grads)) throw unexpected(gradientsName(structure), grads, "an array like the parameters");
  const expected = structure.members.length;
  if (grads.length <= expected) return grads;
  throw new ShapeError(`${gradientsName(structure)} has ${grads.length} entries, expected at most ${expected}`);
}

function checkRecord(structure: Structure<Slot>, grads: unknown): Record<string, unknown> {
  if (!isRecord(grads)) throw unexpected(gradientsName(structure), grads, "a record like the parameters");
  const { members, byKey } = structure;
  let place = 0;
  for (const key in grads) {
    if (members[place++]?.key === key || byKey.has(key)) continue; // mostly they come in the order of the parameters
    throw new OptionError(`${gradientsName(structure)}.${key} is not a parameter; known are ${listed(byKey.keys())}`);
  }
  return grads;
}

/** The error of a gradient that is refused. */
export function nonFinite(name: string): NonFiniteError {
  return new NonFiniteError(`${name} contains NaN or ±Infinity, expected finite numbers (onNonFinite is "throw")`);
}

/** The error of an array that the core's memory would move away under. */
export function viewOfMemory(name: string): OptionError {
  return new OptionError(`${name} is a view of the core's memory, expected the Tensor itself`);
}

function sameShape({ shape }: Tensor, { shape: other }: Tensor): boolean {
  return shape.length === other.length && shape.every((dimension, axis) => dimension === other[axis]);
}
