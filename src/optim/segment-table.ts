import {
  FORM_NEGATIVE,
  GROUP_BYTES,
  GROUP_DECOUPLED_DECAY,
  GROUP_FORM,
  GROUP_LEARNING_RATE,
  GROUP_MODE,
  MODE_DECAY_FACTOR,
  SEGMENT_ACCUMULATOR,
  SEGMENT_AVERAGE_COMPLEMENT,
  SEGMENT_AVERAGE_DECAY,
  SEGMENT_BYTES,
  SEGMENT_COLUMNS,
  SEGMENT_COUNT,
  SEGMENT_GRAD,
  SEGMENT_GROUP,
  SEGMENT_PARAM,
  SEGMENT_ROWS,
  SEGMENT_SCALAR,
  SEGMENT_SCALAR_F64,
  SEGMENT_SCALARS,
  SEGMENT_STATE,
} from "../abi/step-table.js";
import type { Core } from "../core.js";
import { type Hyperparameters, STATES } from "./options.js";
import type { OwnedMemory } from "./owned-memory.js";
import type { Slot } from "./slots.js";
import { type ParameterAverage, SCALAR_F64 } from "./update-rule.js";

/**
 * The step table of an optimizer in linear memory: a segment for each parameter, then a block for each group; the words
 * are those of src/abi/step-table.ts. Call `renew` before writing: the memory may have grown.
 */
export class SegmentTable {
  readonly ptr: number;
  readonly segmentCount: number;
  /** The groups' learning rates for the next step; an array, because V8 boxes numbers that are handed on one by one. */
  readonly rates: Float64Array;
  readonly #core: Core;
  readonly #memory: OwnedMemory;
  readonly #writtenRates: Float64Array;
  readonly #weightDecays: Float64Array;
  /** Of each group: 1 or −1, what its learning rate is multiplied by. */
  readonly #signs: number[] = [];
  /** Of each group: whether decoupled decay multiplies the parameter with 1 − lr·wd. */
  readonly #decaysByFactor: boolean[] = [];
  #f32: Float32Array = new Float32Array(0);
  #u32: Uint32Array = new Uint32Array(0);
  /** The words of the scalars that a step writes, always the same array. */
  #scalarWords: Uint32Array = new Uint32Array(0);

  /** Throws OutOfMemoryError. */
  constructor(core: Core, memory: OwnedMemory, segmentCount: number, groupCount: number) {
    this.#core = core;
    this.#memory = memory;
    this.segmentCount = segmentCount;
    this.rates = new Float64Array(groupCount);
    this.#writtenRates = new Float64Array(groupCount).fill(Number.NaN);
    this.#weightDecays = new Float64Array(groupCount);
    const bytes = segmentCount * SEGMENT_BYTES + groupCount * GROUP_BYTES;
    this.ptr = memory.allocate(bytes);
    this.renew();
    this.#u32.fill(0, this.ptr / 4, (this.ptr + bytes) / 4);
  }

  dispose(): void {
    this.#memory.release(this.ptr);
  }

  /** Views of the whole memory as it is now. */
  renew(): void {
    const { buffer } = this.#core.linearMemory;
    if (this.#f32.buffer === buffer) return;
    this.#f32 = new Float32Array(buffer);
    this.#u32 = new Uint32Array(buffer);
  }

  /** Writes a segment: `count` elements of a slot, from one that is `offset` bytes after its first. */
  writeSegment(index: number, slot: Slot, count: number, offset: number): void {
    const at = this.#segmentWord(index);
    const whole = count === slot.size;
    this.#u32[at + SEGMENT_PARAM] = slot.ptr + offset;
    this.#u32[at + SEGMENT_COUNT] = count;
    this.#u32[at + SEGMENT_GROUP] = this.#groupWord(slot.group.index) * 4;
    this.#u32[at + SEGMENT_ROWS] = whole ? slot.rows : 1;
    this.#u32[at + SEGMENT_COLUMNS] = whole ? slot.columns : count;
    for (let k = 0; k < STATES; k++) {
      const ptr = slot.statePtr(k);
      this.#u32[at + SEGMENT_STATE + k] = ptr === 0 || !slot.needs(k) ? 0 : ptr + offset;
    }
    for (let k = 0; k < SEGMENT_SCALARS; k++) this.#f32[at + SEGMENT_SCALAR + k] = 1;
    this.#f32[at + SEGMENT_AVERAGE_DECAY] = 0;
    this.#f32[at + SEGMENT_AVERAGE_COMPLEMENT] = 1;
  }

  /** The address of a segment that adds `count` elements at `gradPtr` to those at `accumulatorPtr`. */
  writeSum(index: number, count: number, gradPtr: number, accumulatorPtr: number): number {
    const at = this.#segmentWord(index);
    this.#u32[at + SEGMENT_GRAD] = gradPtr;
    this.#u32[at + SEGMENT_COUNT] = count;
    this.#u32[at + SEGMENT_ACCUMULATOR] = accumulatorPtr;
    return at * 4;
  }

  /** Writes a group's block; each scalar is rounded to float32 here, and nowhere else. */
  writeGroup(group: number, mode: number, { form, scalars, doubles, weightDecay }: Hyperparameters): void {
    const at = this.#groupWord(group);
    this.#u32[at + GROUP_MODE] = mode;
    this.#u32[at + GROUP_FORM] = form;
    this.#weightDecays[group] = weightDecay;
    this.#signs[group] = form & FORM_NEGATIVE ? -1 : 1;
    this.#decaysByFactor[group] = (mode & MODE_DECAY_FACTOR) !== 0;
    for (const [word, value] of scalars) this.#f32[at + word] = value;
    // Two words: an attached heap's blocks need not be aligned to eight bytes.
    for (const [word, value] of doubles) this.#u32.set(new Uint32Array(Float64Array.of(value).buffer), at + word);
  }

  /** Where a parameter is, and its gradient; 0 is no gradient. */
  setPointers(index: number, paramPtr: number, gradPtr: number): void {
    const at = this.#segmentWord(index);
    this.#u32[at + SEGMENT_PARAM] = paramPtr;
    this.#u32[at + SEGMENT_GRAD] = gradPtr;
  }

  setGradient(index: number, gradPtr: number): void {
    this.#u32[this.#segmentWord(index) + SEGMENT_GRAD] = gradPtr;
  }

  gradientOf(index: number): number {
    return this.#u32[this.#segmentWord(index) + SEGMENT_GRAD]!;
  }

  /** Writes the first `count` scalars; with all of them, the float64 one too. */
  setScalars(index: number, scalars: Float64Array, count: number): void {
    const at = this.#segmentWord(index);
    const singles = Math.min(count, SEGMENT_SCALARS);
    for (let k = 0; k < singles; k++) this.#f32[at + SEGMENT_SCALAR + k] = scalars[k]!;
    if (count <= SCALAR_F64) return;
    // Two words: an attached heap's blocks need not be aligned to eight bytes.
    const words = this.#words(scalars);
    this.#u32[at + SEGMENT_SCALAR_F64] = words[2 * SCALAR_F64]!;
    this.#u32[at + SEGMENT_SCALAR_F64 + 1] = words[2 * SCALAR_F64 + 1]!;
  }

  /** Whether the parameter's average moves in this step, or copies. */
  setAverage(index: number, average: ParameterAverage, moves: boolean): void {
    const at = this.#segmentWord(index);
    this.#f32[at + SEGMENT_AVERAGE_DECAY] = moves ? (average.isLerp ? -1 : average.decay) : 0;
    this.#f32[at + SEGMENT_AVERAGE_COMPLEMENT] = moves ? average.complement : 1;
  }

  /** Copies an array into linear memory. */
  copyIn(array: Float32Array, ptr: number): void {
    this.#f32.set(array, ptr / 4);
  }

  copy(fromPtr: number, toPtr: number, count: number): void {
    this.#f32.copyWithin(toPtr / 4, fromPtr / 4, fromPtr / 4 + count);
  }

  clear(ptr: number, count: number): void {
    this.#f32.fill(0, ptr / 4, ptr / 4 + count);
  }

  /** Writes the group's learning rate, and what is derived from it. */
  setRate(group: number): void {
    const rate = this.rates[group]!;
    if (this.#writtenRates[group] === rate) return;
    this.renew();
    const at = this.#groupWord(group);
    const decay = rate * this.#weightDecays[group]!;
    this.#f32[at + GROUP_LEARNING_RATE] = this.#signs[group]! * rate;
    this.#f32[at + GROUP_DECOUPLED_DECAY] = this.#decaysByFactor[group] ? 1 - decay : decay;
    this.#writtenRates[group] = rate;
  }

  #words(scalars: Float64Array): Uint32Array {
    if (this.#scalarWords.buffer !== scalars.buffer) this.#scalarWords = new Uint32Array(scalars.buffer);
    return this.#scalarWords;
  }

  #segmentWord(index: number): number {
    return (this.ptr + index * SEGMENT_BYTES) / 4;
  }

  #groupWord(group: number): number {
    return (this.ptr + this.segmentCount * SEGMENT_BYTES + group * GROUP_BYTES) / 4;
  }
}
