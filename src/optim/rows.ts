import { type CoreKernels, coreFamily } from "../backend/families/core.js";
import { checkInteger, isFloat32Array, tagOf, unexpected } from "../checks.js";
import type { Core } from "../core.js";
import { OptionError, ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { viewOfMemory } from "./gradients.js";
import type { OwnedMemory } from "./owned-memory.js";
import { pathOf } from "./parameters.js";
import type { RowIndices } from "./row-gradient.js";
import type { SegmentTable } from "./segment-table.js";
import { checkLive, type Slot } from "./slots.js";

/**
 * Steps of single rows of a tensor: a step table with a segment for each row that is touched, and a block for their
 * gradients. Both grow when they must and are kept from call to call.
 */
export class RowTable {
  readonly #memory: OwnedMemory;
  readonly #kernels: CoreKernels;
  /** Makes a table with room for this number of segments. */
  readonly #makeTable: (segmentCount: number) => SegmentTable;
  #table: SegmentTable | undefined;
  #gradients = { ptr: 0, size: -1 };
  /** 1 + the segment of each row of the tensor that a call has met; 0 between calls. */
  #marks = new Int32Array(0);

  constructor(core: Core, memory: OwnedMemory, makeTable: (segmentCount: number) => SegmentTable) {
    this.#memory = memory;
    this.#kernels = core.kernels(coreFamily);
    this.#makeTable = makeTable;
  }

  /** What the last `write` has written. */
  get table(): SegmentTable {
    return this.#table!;
  }

  /** Makes room for these rows of the slot. Throws OutOfMemoryError. */
  reserve(slot: Slot, indices: Float64Array): void {
    const width = widthOf(slot.tensor!);
    const count = width === 0 ? 0 : indices.length;
    this.#reserve(count + 1, count * width, count && slot.tensor!.shape[0]!);
  }

  /** Gives the room back. */
  release(): void {
    this.forget();
    this.#memory.release(this.#gradients.ptr);
    this.#gradients = { ptr: 0, size: -1 };
  }

  /** Makes the table anew when it is next needed. */
  forget(): void {
    this.#table?.dispose();
    this.#table = undefined;
  }

  /**
   * Writes a segment for each row of the slot that `indices` name; the gradients of one that is named several times are
   * added in the order of the call. Returns how many. Checks nothing. Throws OutOfMemoryError, and has then changed
   * nothing.
   */
  write(slot: Slot, indices: Float64Array, grads: Tensor | Float32Array): number {
    const width = widthOf(slot.tensor!);
    const count = width === 0 ? 0 : indices.length; // without elements there may be more rows than an array can mark
    this.#reserve(count + 1, count * width, count && slot.tensor!.shape[0]!);
    const { table } = this;
    const marks = this.#marks;
    const { ptr } = this.#gradients;
    table.renew();
    table.copyIn(grads instanceof Tensor ? grads.data : grads, ptr);
    let segmentCount = 0;
    for (let i = 0; i < count; i++) {
      const index = indices[i]!;
      const gradPtr = ptr + i * width * 4;
      if (marks[index] === 0) {
        table.writeSegment(segmentCount, slot, width, index * width * 4);
        table.setGradient(segmentCount, gradPtr);
        marks[index] = ++segmentCount;
      } else {
        const sumPtr = table.gradientOf(marks[index]! - 1);
        const sum = table.writeSum(table.segmentCount - 1, width, gradPtr, sumPtr);
        this.#kernels.accumulate_f32(sum, 1, 0);
      }
    }
    for (let i = 0; i < count; i++) marks[indices[i]!] = 0;
    return segmentCount;
  }

  #reserve(segments: number, elements: number, marks: number): void {
    if (this.#marks.length < marks) this.#marks = new Int32Array(marks);
    let capacity = this.#table?.segmentCount ?? 16;
    while (capacity < segments) capacity *= 2;
    if (this.#table?.segmentCount === capacity && this.#gradients.size >= elements) return;
    const { table, gradients } = this.#memory.transaction(() => ({
      table: this.#table?.segmentCount === capacity ? this.#table : this.#makeTable(capacity),
      gradients:
        this.#gradients.size < elements
          ? { ptr: this.#memory.allocate(elements * 4), size: elements }
          : this.#gradients,
    }));
    if (table !== this.#table) this.#table?.dispose();
    if (gradients !== this.#gradients) this.#memory.release(this.#gradients.ptr);
    this.#table = table;
    this.#gradients = gradients;
  }
}

/** An array, or typed array of any realm, for integers. */
function isIndices(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof Int32Array || value instanceof Uint32Array) return true;
  return /^\[object (Int|Uint)32Array\]$/.test(tagOf(value));
}

/** Elements of a row. */
function widthOf({ size, shape }: Tensor): number {
  return size === 0 ? 0 : size / shape[0]!;
}

/** A copy of the indices of a call, read once: those of an array may be getters. Its memory is kept from call to call. */
export class IndexBuffer {
  #values = new Float64Array(16);
  #view = this.#values.subarray(0, 0);

  /** Throws OptionError unless these are indices; whether they are in range is for `checkRows`. */
  read(indices: RowIndices): Float64Array {
    if (!isIndices(indices)) {
      throw unexpected("rowIndices", indices, "an array of integers, an Int32Array or a Uint32Array");
    }
    const { length } = indices;
    if (this.#values.length < length) this.#values = new Float64Array(length);
    const values = this.#values;
    for (let i = 0; i < length; i++) {
      const index: unknown = indices[i];
      if (!Number.isInteger(index)) checkInteger(`rowIndices[${i}]`, index, 0);
      values[i] = index as number;
    }
    if (this.#view.length !== length || this.#view.buffer !== values.buffer) this.#view = values.subarray(0, length);
    return this.#view;
  }
}

/** Throws OptionError, ShapeError or DisposedError unless a step of these rows of the slot can be made. */
export function checkRows(core: Core, slot: Slot, indices: Float64Array, grads: Tensor | Float32Array): void {
  const { tensor } = slot;
  if (tensor === undefined || tensor.shape.length === 0) {
    const what = tensor === undefined ? "a Float32Array" : "a Tensor of shape []";
    throw new OptionError(`${pathOf(slot)} is ${what}, which has no rows, expected a Tensor with a first axis`);
  }
  checkLive(slot);
  const last = tensor.shape[0]! - 1;
  const count = indices.length;
  for (let i = 0; i < count; i++) {
    const index = indices[i]!;
    if (!(index >= 0 && index <= last)) checkInteger(`rowIndices[${i}]`, index, 0, last);
  }
  const length = count * widthOf(tensor);
  if (grads instanceof Tensor) {
    grads.assertLive("rowGrads");
    if (grads.core !== core) throw new OptionError("rowGrads is a tensor of another core than the optimizer");
    const expected = [count, ...tensor.shape.slice(1)];
    if (String(grads.shape) !== String(expected)) {
      throw new ShapeError(`rowGrads has shape [${grads.shape}], expected [${expected}]`);
    }
  } else if (!(grads instanceof Float32Array || isFloat32Array(grads))) {
    throw unexpected("rowGrads", grads, "a Tensor or Float32Array");
  } else if (grads.length !== length) {
    throw new ShapeError(`rowGrads has ${grads.length} elements, expected ${length}`);
  } else if (grads.buffer === core.linearMemory.buffer) throw viewOfMemory("rowGrads");
}
