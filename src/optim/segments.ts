import {
  GROUP,
  GROUP_BYTES,
  MODE_DECAY_FACTOR,
  SEGMENT_ACCUMULATOR,
  SEGMENT_AVERAGE_COMPLEMENT,
  SEGMENT_AVERAGE_DECAY,
  SEGMENT_BYTES,
  SEGMENT_CORRECTION_0,
  SEGMENT_CORRECTION_1,
  SEGMENT_COUNT,
  SEGMENT_GRAD,
  SEGMENT_GROUP,
  SEGMENT_PARAM,
  SEGMENT_STATE,
} from "../backend/segments.js";
import type { Core } from "../core.js";
import { ACCUMULATOR, type Plan, type Slot, STATES } from "./slots.js";

/** Hyper-parameters of a group that stay as they are from step to step. */
export type GroupScalars = Partial<
  Record<Exclude<keyof typeof GROUP, "mode" | "learningRate" | "decoupledDecay">, number>
>;

/** Which factor of the update the learning rate is, and with which sign. */
export interface RatePlacement {
  readonly field: "learningRate" | "rateAfter" | "rateLast";
  readonly sign: 1 | -1;
}

const IN_FRONT: RatePlacement = { field: "learningRate", sign: 1 };
/** Where a row has the address of each state array of a slot. */
const STATE_WORDS = /* @__PURE__ */ Array.from({ length: STATES }, (_, k) =>
  k === ACCUMULATOR ? SEGMENT_ACCUMULATOR : SEGMENT_STATE + k,
);

/** Words of a row or block that change from step to step are written only when they do; this is what they hold. */
interface Written {
  group: number;
  paramPtr: number;
  gradPtr: number;
  correction0: number;
  correction1: number;
  moves: boolean;
}

/**
 * The segment table of an optimizer in linear memory: one row for each parameter, then one block for each group. It is
 * written once, and a step that brings the same gradient tensors and learning rate writes nothing.
 */
export class SegmentTable {
  readonly ptr: number;
  readonly rowCount: number;
  /** The groups' learning rates for the next step; an array, because V8 boxes numbers that are handed on one by one. */
  readonly learningRates: Float64Array;
  readonly #core: Core;
  readonly #rows: Written[];
  readonly #writtenRates: Float64Array;
  readonly #weightDecays: Float64Array;
  readonly #rates: RatePlacement[] = [];
  /** Of each group: whether decoupled decay multiplies the parameter with 1 − lr·wd. */
  readonly #decaysByFactor: boolean[] = [];
  #f32: Float32Array = new Float32Array(0);
  #u32: Uint32Array = new Uint32Array(0);

  /** Throws OutOfMemoryError. */
  constructor(core: Core, rowCount: number, groupCount: number) {
    this.#core = core;
    this.rowCount = rowCount;
    this.#rows = Array.from({ length: rowCount }, () => {
      return { group: -1, paramPtr: 0, gradPtr: 0, correction0: 1, correction1: 1, moves: false };
    });
    this.learningRates = new Float64Array(groupCount);
    this.#writtenRates = new Float64Array(groupCount).fill(Number.NaN);
    this.#weightDecays = new Float64Array(groupCount);
    const bytes = rowCount * SEGMENT_BYTES + groupCount * GROUP_BYTES;
    this.ptr = core.allocate(bytes);
    this.#renew();
    this.#u32.fill(0, this.ptr / 4, (this.ptr + bytes) / 4);
  }

  dispose(): void {
    this.#core.release(this.ptr);
  }

  /** Writes a row: `count` elements of a slot, from one that lies `offset` bytes after its first. */
  writeRow(row: number, { tensor, states, group }: Slot, count: number, offset: number): void {
    this.#renew();
    const at = this.#rowWord(row);
    this.setParameter(row, tensor.ptr + offset);
    this.#u32[at + SEGMENT_COUNT] = count;
    this.#u32[at + SEGMENT_GROUP] = this.#groupWord(group.index) * 4;
    for (let k = 0; k < STATES; k++) {
      const ptr = states[k]?.ptr;
      this.#u32[at + STATE_WORDS[k]!] = ptr === undefined ? 0 : ptr + offset;
    }
    const written = this.#rows[row]!;
    if (written.group === group.index) return;
    // What another group's options have left here is nothing to this one.
    this.#f32.fill(1, at + SEGMENT_CORRECTION_0, at + SEGMENT_CORRECTION_1 + 1);
    this.#f32[at + SEGMENT_AVERAGE_DECAY] = 0;
    this.#f32[at + SEGMENT_AVERAGE_COMPLEMENT] = 1;
    written.group = group.index;
    written.correction0 = 1;
    written.correction1 = 1;
    written.moves = false;
  }

  /** The address of a row that adds `count` elements at `gradPtr` to those at `accumulatorPtr`. */
  writeSum(row: number, count: number, gradPtr: number, accumulatorPtr: number): number {
    this.setGradient(row, gradPtr);
    this.#renew();
    const at = this.#rowWord(row);
    this.#u32[at + SEGMENT_COUNT] = count;
    this.#u32[at + SEGMENT_ACCUMULATOR] = accumulatorPtr;
    return at * 4;
  }

  /** Writes a group's block; each scalar is rounded to float32 here, and nowhere else. */
  writeGroup(group: number, mode: number, scalars: GroupScalars, rate: RatePlacement = IN_FRONT): void {
    this.#renew();
    const at = this.#groupWord(group);
    this.#u32[at + GROUP.mode] = mode;
    this.#weightDecays[group] = scalars.weightDecay ?? 0;
    this.#rates[group] = rate;
    this.#decaysByFactor[group] = (mode & MODE_DECAY_FACTOR) !== 0;
    for (const factor of ["learningRate", "rateAfter", "rateLast"] as const) this.#f32[at + GROUP[factor]] = 1;
    for (const field of Object.keys(scalars) as (keyof GroupScalars)[]) this.#f32[at + GROUP[field]] = scalars[field]!;
  }

  setParameter(row: number, paramPtr: number): void {
    const written = this.#rows[row]!;
    if (written.paramPtr === paramPtr) return;
    this.#renew();
    this.#u32[this.#rowWord(row) + SEGMENT_PARAM] = paramPtr;
    written.paramPtr = paramPtr;
  }

  /** 0 stands for no gradient. */
  setGradient(row: number, gradPtr: number): void {
    const written = this.#rows[row]!;
    if (written.gradPtr === gradPtr) return;
    this.#renew();
    this.#u32[this.#rowWord(row) + SEGMENT_GRAD] = gradPtr;
    written.gradPtr = gradPtr;
  }

  setCorrections(row: number, corrections: Float64Array): void {
    const written = this.#rows[row]!;
    if (written.correction0 === corrections[0] && written.correction1 === corrections[1]) return;
    this.#renew();
    written.correction0 = corrections[0]!;
    written.correction1 = corrections[1]!;
    this.#f32.set(corrections, this.#rowWord(row) + SEGMENT_CORRECTION_0);
  }

  /** Whether the parameter's average moves in a step, or copies, as it does in a new row. */
  setAverage(row: number, average: NonNullable<Plan["average"]>, moves: boolean): void {
    const written = this.#rows[row]!;
    if (written.moves === moves) return;
    this.#renew();
    const at = this.#rowWord(row);
    this.#f32[at + SEGMENT_AVERAGE_DECAY] = moves ? average.decay : 0;
    this.#f32[at + SEGMENT_AVERAGE_COMPLEMENT] = moves ? average.complement : 1;
    written.moves = moves;
  }

  /** The address of the gradient of a row. */
  gradientOf(row: number): number {
    return this.#rows[row]!.gradPtr;
  }

  /** Writes the group's `learningRates`, and what is derived from it. */
  setLearningRate(group: number): void {
    const learningRate = this.learningRates[group]!;
    if (this.#writtenRates[group] === learningRate) return;
    this.#renew();
    const at = this.#groupWord(group);
    const { field, sign } = this.#rates[group]!;
    const decay = learningRate * this.#weightDecays[group]!;
    this.#f32[at + GROUP[field]] = sign * learningRate;
    this.#f32[at + GROUP.decoupledDecay] = this.#decaysByFactor[group] ? 1 - decay : decay;
    this.#writtenRates[group] = learningRate;
  }

  #rowWord(row: number): number {
    return (this.ptr + row * SEGMENT_BYTES) / 4;
  }

  #groupWord(group: number): number {
    return (this.ptr + this.rowCount * SEGMENT_BYTES + group * GROUP_BYTES) / 4;
  }

  /** Views of the whole memory as it is now. */
  #renew(): void {
    const { buffer } = this.#core.linearMemory;
    if (this.#f32.buffer === buffer) return;
    this.#f32 = new Float32Array(buffer);
    this.#u32 = new Uint32Array(buffer);
  }
}
