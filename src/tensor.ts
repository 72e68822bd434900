import { describe, detached, isDetached, isNumericArray, unexpected } from "./checks.js";
import type { Core } from "./core.js";
import { DisposedError, ShapeError } from "./errors.js";

/** Nested arrays of numbers, a plain number for rank 0. */
export type NestedArray = number | NestedArray[];

/** What a tensor can be filled from: numbers in row-major order, nested arrays of its shape, or a function of the index. */
export type TensorSource = ArrayLike<number> | NestedArray | ((index: number) => number);

/** Dimensions of a tensor, outermost first. */
export type Shape = readonly number[];

/** Number of elements of a shape; throws ShapeError unless every dimension is an integer >= 0. */
export function sizeOf(shape: Shape): number {
  if (!Array.isArray(shape)) throw new ShapeError(`shape is ${describe(shape)}, expected an array of integers >= 0`);
  let size = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new ShapeError(`shape is [${shape}], expected integers >= 0`);
    }
    size *= dimension;
  }
  // The product of huge dimensions may be infinite, and NaN once a 0 follows.
  return shape.includes(0) ? 0 : size;
}

/** A block of float32 in a core's linear memory, row-major. Made by `core.tensor`. */
export class Tensor {
  readonly shape: Shape;
  readonly size: number;
  readonly dtype = "float32";
  readonly core: Core;
  /** Address in linear memory, in bytes; 0 once disposed. One over somebody else's block may be moved. @internal */
  ptr: number;
  #view: Float32Array | undefined;
  /** Whether `dispose` gives the memory back. */
  #ownsMemory = true;

  /** Use `core.tensor`. @internal */
  constructor(core: Core, shape: Shape, ptr: number) {
    this.core = core;
    this.shape = Object.freeze([...shape]);
    this.size = sizeOf(shape);
    this.ptr = ptr;
  }

  /** A tensor over a part of somebody else's block, which it does not free. @internal */
  static viewOf(core: Core, shape: Shape, ptr: number): Tensor {
    const tensor = new Tensor(core, shape, ptr);
    tensor.#ownsMemory = false;
    return tensor;
  }

  /**
   * The elements, live: writing to it writes to the tensor. Valid until the memory grows (any allocation may grow it),
   * so read the property again rather than keep the array. Costs a comparison; allocates only after growth.
   *
   * @throws DisposedError after `dispose()` of the tensor or its core
   */
  get data(): Float32Array {
    this.assertLive("tensor");
    const buffer = this.core.linearMemory.buffer;
    let view = this.#view;
    if (view?.buffer !== buffer || view.byteOffset !== this.ptr) {
      view = new Float32Array(buffer, this.ptr, this.size);
      this.#view = view;
    }
    return view;
  }

  /**
   * Overwrites every element and returns the tensor.
   *
   * @param source as many numbers as the tensor has elements, flat or nested as its shape, or a function of the flat index
   * @throws ShapeError when the lengths differ, OptionError for another type; the tensor is then unchanged
   */
  set(source: TensorSource): this {
    const data = this.data;
    if (typeof source === "function") {
      // Collected first: the function may throw, or allocate and so move the memory.
      const values = Float32Array.from({ length: this.size }, (_, index) => source(index));
      this.data.set(values);
    } else if (typeof source === "number" && this.shape.length === 0) data[0] = source;
    else if (isDetached(source)) throw detached("source");
    else if (isNumericArray(source)) data.set(flatten(source, this.shape, this.size));
    else {
      throw unexpected("source", source, "an array, a typed array or a function of the index");
    }
    return this;
  }

  /** A copy as nested arrays of numbers: a number for rank 0, an array for rank 1, an array of arrays for rank 2. */
  toArray(): NestedArray {
    const data = this.data;
    let offset = 0;
    const nest = (depth: number): NestedArray =>
      depth === this.shape.length ? data[offset++]! : Array.from({ length: this.shape[depth]! }, () => nest(depth + 1));
    return nest(0);
  }

  /** Gives the memory back; a second call does nothing. */
  dispose(): void {
    if (this.ptr !== 0 && this.#ownsMemory) this.core.release(this.ptr);
    this.ptr = 0;
    this.#view = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Throws DisposedError, with the argument's name, unless tensor and core are live. @internal */
  assertLive(name: string): void {
    if (this.ptr !== 0 && !this.core.disposed) return;
    throw new DisposedError(`${name} of shape [${this.shape}] was used after dispose()`);
  }
}

/** What a tensor can be filled from after memory may have grown: a copy of what is in that memory itself. */
export function withoutViews(core: Core, source: TensorSource): TensorSource {
  if (!ArrayBuffer.isView(source) || source.buffer !== core.linearMemory.buffer) return source;
  return (source as unknown as Float32Array).slice();
}

/** Checks that `source` fits `shape`, and returns its numbers in row-major order. */
function flatten(source: ArrayLike<number | NestedArray>, shape: Shape, size: number): ArrayLike<number> {
  if (typeof source[0] !== "object") {
    if (source.length !== size) {
      throw new ShapeError(`source has ${source.length} elements, expected ${size} for shape [${shape}]`);
    }
    const bad = Array.isArray(source) ? source.findIndex((value) => typeof value !== "number") : -1;
    if (bad >= 0) throw unexpected(`source[${bad}]`, source[bad], "a number");
    return source as ArrayLike<number>;
  }
  const flat: number[] = [];
  const visit = (value: NestedArray | ArrayLike<number>, depth: number): void => {
    if (depth === shape.length) {
      if (typeof value !== "number") throw new ShapeError(`source is nested deeper than shape [${shape}]`);
      flat.push(value);
    } else if (!isNumericArray(value) || value.length !== shape[depth]) {
      const found = isNumericArray(value) ? `${value.length} elements` : describe(value);
      throw new ShapeError(`source has ${found} along axis ${depth}, expected ${shape[depth]} for shape [${shape}]`);
    } else for (let i = 0; i < value.length; i++) visit(value[i]!, depth + 1);
  };
  visit(source as NestedArray, 0);
  return flat;
}
