import type { Core } from "../core.js";
import { ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { AVERAGE, type GroupOptions, type Hyperparameters, type Schedule, STATES } from "./options.js";
import type { OwnedMemory } from "./owned-memory.js";
import { type NamedParameter, pathOf, type Structure } from "./parameters.js";
import type { StateArray, StepOf, UpdateRule } from "./update-rule.js";

const NOTHING = new Float64Array(0);

/** One state array of every slot of a group, in one block of linear memory. */
export interface StateBlock {
  readonly ptr: number;
  /** Bytes from there to the array of each slot. */
  readonly offsets: Float64Array;
  /** Its elements; −1: the slot has none. */
  readonly counts: Float64Array;
}

/** Parameters with the same options. Their hyper-parameters are one block of the step table. */
export interface Group {
  readonly index: number;
  /** What messages put before its own options. */
  readonly prefix: string;
  /** Its own options, over the optimizer's, and the learning rate of these. */
  own: GroupOptions;
  ownRate: number | Schedule | undefined;
  hyper: Hyperparameters;
  readonly slots: Slot[];
  /** State of its slots, by index of the state array. */
  blocks: readonly (StateBlock | undefined)[];
}

/** A parameter with what belongs to it. Its index among all slots is that of its segment in the step table. */
export class Slot implements StepOf, NamedParameter {
  readonly name: string;
  readonly key: string;
  readonly set: string;
  readonly kind: NamedParameter["kind"];
  readonly structure: Structure<Slot>;
  readonly group: Group;
  /** Its index among the slots of the group. */
  readonly place: number;
  /** The caller's tensor, or the caller's array and its copy in linear memory. */
  readonly tensor: Tensor | undefined;
  readonly array: Float32Array | undefined;
  copy: Tensor | undefined = undefined;
  readonly size: number;
  readonly rows: number;
  readonly columns: number;
  /** What a gradient given as an array is copied to; 0 until one is. */
  stagingPtr = 0;
  /** The gradient that the caller gave. A tensor stays here after the step: the next one is compared with it. */
  gradient: Tensor | Float32Array | undefined = undefined;
  /** Where the gradient of this step is; 0: there is none. */
  gradPtr = 0;
  /** Steps taken by this parameter. */
  iterations = 0;
  /** How many steps it had taken when it began to need its first array; −1: that has a value. See `UpdateRule.isLazy`. */
  lazyFrom = 0;
  /** Whether its gradients are ignored. */
  frozen = false;
  /** Whether it had a gradient since the last update. */
  accumulated = false;
  readonly memory: Float64Array;

  constructor(
    { name, key, set, kind, value }: NamedParameter,
    structure: Structure<Slot>,
    group: Group,
    place: number,
    memory: readonly number[],
    rows?: (shape: readonly number[]) => number,
  ) {
    this.name = name;
    this.key = key;
    this.set = set;
    this.kind = kind;
    this.structure = structure;
    this.group = group;
    this.place = place;
    const isTensor = value instanceof Tensor;
    this.tensor = isTensor ? value : undefined;
    this.array = isTensor ? undefined : value;
    this.size = isTensor ? value.size : value.length;
    const shape = isTensor ? value.shape : [value.length];
    this.columns = shape.length > 1 ? shape[shape.length - 1]! : this.size;
    this.rows = shape.length < 2 ? 1 : rows ? rows(shape) : this.columns && this.size / this.columns;
    this.memory = memory.length === 0 ? NOTHING : Float64Array.from(memory);
  }

  get value(): Tensor | Float32Array {
    return this.tensor ?? this.array!;
  }

  get shape(): readonly number[] {
    return this.tensor?.shape ?? [this.size];
  }

  /** Address of what the kernel updates. */
  get ptr(): number {
    return (this.tensor ?? this.copy!).ptr;
  }

  get started(): boolean {
    return this.needs(0) ? this.iterations > this.lazyFrom : this.lazyFrom < 0;
  }

  /** Notes it, before options change: what it is then it stays, until a step gives the array a value. */
  begin(started = this.started): void {
    this.lazyFrom = started ? -1 : this.iterations;
  }

  /** Whether the next step is the one in which its average begins. */
  get averageBegins(): boolean {
    return this.iterations === 0 && !this.group.hyper.average?.startsAtParameter;
  }

  /** Whether its options need a state array; one that they do not need any more is kept. */
  needs(k: number): boolean {
    return this.group.hyper.initial[k] !== undefined;
  }

  /** Address of a state array; 0 where there is none. */
  statePtr(k: number): number {
    const block = this.group.blocks[k];
    return block === undefined || block.counts[this.place]! < 0 ? 0 : block.ptr + block.offsets[this.place]!;
  }

  /** A state array, live until the memory grows; `undefined` where there is none. */
  state(core: Core, k: number): Float32Array | undefined {
    const ptr = this.statePtr(k);
    if (ptr === 0) return undefined;
    return new Float32Array(core.linearMemory.buffer, ptr, this.group.blocks[k]!.counts[this.place]);
  }

  /** The parameter's elements, where the caller has them. */
  elements(): Float32Array {
    return this.array ?? this.tensor!.data;
  }
}

/** Throws unless the parameter can still be updated. */
export function checkLive(slot: Slot): void {
  const { tensor, array, size } = slot;
  if (tensor !== undefined) {
    if (tensor.ptr === 0) tensor.assertLive(pathOf(slot));
  } else if (array!.length !== size) {
    throw new ShapeError(`${pathOf(slot)} has ${array!.length} elements, expected the ${size} it had at first`);
  }
}

/** Arrays in a block start on cache lines. */
const LINE_BYTES = 64;

/** Bytes that an array with this number of elements takes in a block. */
export function bytesOf(count: number): number {
  return Math.ceil((count * 4) / LINE_BYTES) * LINE_BYTES;
}

/**
 * The state blocks of a group: those that its options need, with their start values if they are new, and those of the
 * rule that `keeps` says. Throws OutOfMemoryError.
 */
export function makeBlocks(
  core: Core,
  memory: OwnedMemory,
  { blocks, slots }: Group,
  { initial, average }: Hyperparameters,
  { states, isLazy }: Pick<UpdateRule<object>, "states" | "isLazy">,
  keeps: (k: number) => boolean,
): (StateBlock | undefined)[] {
  return Array.from({ length: STATES }, (_, k) => {
    const start = initial[k] ?? (k < states.length && keeps(k) ? (isLazy ? -0 : 0) : undefined);
    if (start === undefined || blocks[k]) return start === undefined ? undefined : blocks[k];
    const sizeOf = k < AVERAGE ? states[k]!.size : undefined;
    const block = makeBlock(memory, slots, sizeOf);
    const end = slots.length === 0 ? 0 : block.offsets[slots.length]!;
    new Float32Array(core.linearMemory.buffer, block.ptr, end / 4).fill(start);
    if (k === AVERAGE) {
      for (const slot of slots) {
        if (slot.iterations === 0 && !average!.startsAtParameter) continue;
        new Float32Array(core.linearMemory.buffer, block.ptr + block.offsets[slot.place]!, slot.size).set(
          slot.elements(),
        );
      }
    }
    return block;
  });
}

function makeBlock(memory: OwnedMemory, slots: readonly Slot[], sizeOf: StateArray["size"]): StateBlock {
  const offsets = new Float64Array(slots.length + 1);
  const counts = new Float64Array(slots.length);
  let end = 0;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    const count = sizeOf === undefined ? slot.size : sizeOf(slot.shape);
    counts[i] = count;
    offsets[i] = end;
    end += bytesOf(Math.max(count, 0));
  }
  offsets[slots.length] = end;
  return { ptr: memory.allocate(end), offsets, counts };
}
