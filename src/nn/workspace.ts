import type { Core } from "../core.js";
import { OptionError } from "../errors.js";
import { Tensor } from "../tensor.js";
import { type Batch, viewAddress } from "./data.js";
import type { Model } from "./model.js";
import { type ModelPlan, type PlanOptions, planModel } from "./model-plan.js";
import type { Plan } from "./plan.js";

/** Plans that are kept. An epoch needs two: for its batches, and for the rows that are left. */
const PLANS_KEPT = 32;

/**
 * Plans of a model for different numbers of rows, and the memory that they run in: one block for the values of all, and
 * room for inputs and targets that are not tensors. Memory grows with the largest batch seen.
 */
export class Workspace {
  readonly #model: Model;
  readonly #core: Core;
  /** What is planned, by its number. */
  readonly #options: (kind: number) => PlanOptions;
  readonly #targetSizes: readonly number[];
  readonly #plans = new Map<number, ModelPlan>();
  #block: Tensor | undefined;
  #inputs: Tensor[] = [];
  #targets: Tensor[] = [];
  #weights: Tensor | undefined;
  #capacity = 0;

  /** @param options of the plans of each kind, an integer from 0 to 31 */
  constructor(model: Model, options: (kind: number) => PlanOptions) {
    this.#model = model;
    this.#core = model.core;
    this.#options = options;
    this.#targetSizes = model.outputTensors.map(({ size }) => size);
  }

  /**
   * The plan for this number of rows, with room for everything it needs.
   *
   * @throws OutOfMemoryError, DisposedError; nothing has then changed
   */
  planFor(rows: number, kind: number): ModelPlan {
    const key = rows * 32 + kind;
    let found = this.#plans.get(key);
    if (found === undefined) {
      const { hasGradients } = this.#model;
      const made = planModel(this.#model, rows, this.#options(kind));
      try {
        this.#reserve(rows, made.plan);
      } catch (error) {
        made.plan.dispose();
        if (!hasGradients) this.#model.dropGradients();
        throw error;
      }
      if (this.#plans.size === PLANS_KEPT) {
        const [oldest, dropped] = this.#plans.entries().next().value!;
        this.#plans.delete(oldest);
        dropped.plan.dispose();
      }
      this.#plans.set(key, made);
      found = made;
    }
    found.plan.place(this.#block!.ptr);
    found.plan.prepare();
    return found;
  }

  /** Room for an input of at least as many rows as the largest plan has. */
  input(index: number): Tensor {
    return this.#inputs[index]!;
  }

  target(index: number): Tensor {
    return this.#targets[index]!;
  }

  /** The address of some rows of an input: where they are, or copied here. */
  inputAddress(index: number, x: Batch, first: number, rows: number): number {
    return addressOf(this.#core, x, this.#inputs[index]!, first, rows, this.#model.inputTensors[index]!.size);
  }

  /** The same for targets; `width` is the number of values in a row. */
  targetAddress(index: number, y: Batch, first: number, rows: number, width: number): number {
    return addressOf(this.#core, y, this.#targets[index]!, first, rows, width);
  }

  /** Room for the weights of the rows. */
  get weights(): Tensor {
    return this.#weights!;
  }

  /** The same for the weights of the rows. */
  weightsAddress(weights: Batch, first: number, rows: number): number {
    return addressOf(this.#core, weights, this.#weights!, first, rows, 1);
  }

  dispose(): void {
    for (const { plan } of this.#plans.values()) plan.dispose();
    this.#plans.clear();
    for (const tensor of [this.#block, ...this.#inputs, ...this.#targets, this.#weights]) tensor?.dispose();
    this.#capacity = 0;
    this.#block = undefined;
  }

  /** Makes room for a plan; all of it or nothing. */
  #reserve(rows: number, { bytes, scratchBytes }: Plan): void {
    const made: Tensor[] = [];
    const take = (elements: number): Tensor => {
      const tensor = this.#core.reserve([elements]);
      made.push(tensor);
      return tensor;
    };
    const grows = rows > this.#capacity;
    let block = this.#block;
    let inputs = this.#inputs;
    let targets = this.#targets;
    let weights = this.#weights;
    try {
      if (block === undefined || bytes > block.size * 4) block = take(Math.ceil(bytes / 4));
      if (grows) {
        inputs = this.#model.inputTensors.map(({ size }) => take(rows * size));
        targets = this.#targetSizes.map((size) => take(rows * size));
        weights = take(rows);
      }
      this.#core.scratch(scratchBytes); // last: what it has grown to is not given back
    } catch (error) {
      for (const tensor of made) tensor.dispose();
      throw error;
    }
    if (block !== this.#block) this.#block?.dispose();
    if (grows) for (const tensor of [...this.#inputs, ...this.#targets, this.#weights]) tensor?.dispose();
    this.#block = block;
    this.#inputs = inputs;
    this.#targets = targets;
    this.#weights = weights;
    this.#capacity = Math.max(rows, this.#capacity);
  }
}

/** The address of `rows` rows from row `first` on: in place for what is in the core's memory, else copied to `into`. */
function addressOf(core: Core, source: Batch, into: Tensor, first: number, rows: number, width: number): number {
  const start = first * width;
  if (source instanceof Tensor) return source.ptr + start * 4;
  const address = viewAddress(core, source);
  if (address !== undefined) return address + start * 4;
  const length = rows * width;
  if (source.length < start + length) {
    const expected = `at least ${start + length}, as when it was checked`;
    throw new OptionError(`an array of the batch has ${source.length} elements, expected ${expected}`);
  }
  if (start === 0 && length === source.length) into.data.set(source);
  else if (ArrayBuffer.isView(source)) {
    into.data.set((source as unknown as Float32Array).subarray(start, start + length));
  } else into.data.set(Array.prototype.slice.call(source, start, start + length));
  return into.ptr;
}
