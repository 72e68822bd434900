import { describe, detached, isDetached, isNumericArray, unexpected } from "./checks.js";
import type { Core } from "./core.js";
import { DisposedError, OptionError, ShapeError } from "./errors.js";

/** Nested arrays of numbers, a plain number for rank 0. */
export type NestedArray = number | NestedArray[];

const INSPECT = /* @__PURE__ */ Symbol.for("nodejs.util.inspect.custom");
const INSPECT_IN_DENO = /* @__PURE__ */ Symbol.for("Deno.customInspect");

/** Elements that an inspected tensor shows. */
const SHOWN = 100;

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
      const hint = Array.isArray(dimension) ? "; values come after the shape: tensor([2, 2], values)" : "";
      throw new ShapeError(`shape is [${shape.map(describe).join(",")}], expected integers >= 0${hint}`);
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
  readonly ptr: number;
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
    this.assertLive("tensor");
    if (typeof source === "function") {
      // Collected first: the function may throw, or allocate and so move the memory.
      const values = Float32Array.from({ length: this.size }, (_, index) => {
        const value: unknown = source(index);
        if (typeof value === "number") return value;
        throw new OptionError(`source(${index}) returned ${describe(value)}, expected a number`);
      });
      this.data.set(values);
    } else if (typeof source === "number" && this.shape.length === 0) this.data[0] = source;
    else if (isDetached(source)) throw detached("source");
    else if (isNumericArray(source)) {
      const values = flatten(source, this.shape, this.size); // before `data`: getters may move the memory
      this.data.set(values);
    } else {
      throw unexpected("source", source, "an array, a typed array or a function of the index");
    }
    return this;
  }

  /**
   * A copy as nested arrays of numbers: a number for rank 0, an array for rank 1, an array of arrays for rank 2. Every
   * NaN is the canonical one.
   *
   * @example
   * const rows = core.tensor([2, 2], [1, 2, 3, 4]).toArray<number[][]>();
   */
  // biome-ignore lint/suspicious/noExplicitAny: the type follows from the rank, which TypeScript does not know
  toArray<Result extends NestedArray = any>(): Result {
    const data = this.data;
    let offset = 0;
    const next = (): number => {
      const value = data[offset++]!;
      return Number.isNaN(value) ? Number.NaN : value;
    };
    const nest = (depth: number): NestedArray =>
      depth === this.shape.length ? next() : Array.from({ length: this.shape[depth]! }, () => nest(depth + 1));
    return nest(0) as Result;
  }

  /** Shape and first elements, for people. */
  toString(): string {
    const name = `Tensor [${this.shape.join(", ")}]`;
    if (this.ptr === 0 || this.core.disposed) return `${name} (disposed)`;
    const shown = Array.from(this.data.subarray(0, SHOWN), (value) => String(value)).join(", ");
    return `${name} (${shown}${this.size > SHOWN ? ", …" : ""})`;
  }

  /** What other copies of the package know it by. @internal */
  get lanewiseClass(): string {
    return "Tensor";
  }

  /** What `console.log` shows in Node and Bun. */
  [INSPECT](): string {
    return this.toString();
  }

  /** The same in Deno. */
  [INSPECT_IN_DENO](): string {
    return this.toString();
  }

  /** Of one over somebody else's block: where that is now. @internal */
  moveTo(ptr: number): void {
    if (this.ptr === ptr) return;
    (this as { ptr: number }).ptr = ptr;
    this.core.changes++;
  }

  /** Gives the memory back; a second call does nothing. */
  dispose(): void {
    if (this.ptr !== 0 && this.#ownsMemory) {
      this.core.release(this.ptr);
      this.core.leaks.forget(this);
    }
    this.moveTo(0);
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
    if (!Array.isArray(source)) return source as ArrayLike<number>;
    const numbers = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const value: unknown = source[i]; // read once: it may be a getter
      if (typeof value !== "number") throw unexpected(`source[${i}]`, value, "a number");
      numbers[i] = value;
    }
    return numbers;
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
