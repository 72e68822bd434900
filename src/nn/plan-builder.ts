import { nnFamily } from "../backend/families/nn.js";
import type { KernelFamily } from "../backend/family.js";
import type { Core } from "../core.js";
import { type Shape, sizeOf, Tensor } from "../tensor.js";
import { type Argument, RunArgument, Value } from "./value.js";

/** A kernel call as a layer or loss emits it. */
export interface EmittedCall {
  readonly family: KernelFamily<unknown>;
  readonly kernel: string;
  args: Argument[];
  /** The second may take the memory of the first, if nothing reads the first afterwards. */
  reuse: readonly [Value, Value] | undefined;
}

/** The calls of a plan, in the order in which they run. */
export interface EmittedCalls {
  readonly forward: EmittedCall[];
  /** Each returns a loss. */
  readonly loss: EmittedCall[];
  readonly backward: EmittedCall[];
}

/** What a builder asks its model for. */
export interface PlanContext {
  readonly core: Core;
  /** Parameters, buffers and the gradients of parameters, by the model's names. */
  tensor(name: string): Tensor;
  gradient(name: string): Tensor;
  /** State of a layer for batches of this many rows, zeros at first. */
  carried(name: string, rows: number, size: number): Tensor;
  /** Changes the calls of a forward pass before they are made ready. */
  rewrite?: (calls: readonly EmittedCall[]) => void;
}

/**
 * Records what a model computes for one number of rows: the kernel calls of the forward and of the backward pass, and
 * the values that they read and write. The calls are replayed for every batch of that size. Where values are in memory is
 * decided when all calls are known.
 */
export class PlanBuilder {
  /** Whether dropout drops, and normalization uses the batch's own statistics. */
  readonly training: boolean;
  /** Bytes of scratch that the calls need. @internal */
  scratchBytes = 0;
  /** @internal */
  readonly calls: EmittedCalls = { forward: [], loss: [], backward: [] };
  /** What messages call the tensors of calls. @internal */
  readonly names = new Map<Tensor, string>();
  /** Seeds that calls take: each is the run's seed, changed by a stream's number. @internal */
  readonly seeds: { argument: RunArgument; stream: number }[] = [];
  /** Values that must outlive the calls that mention them. @internal */
  readonly kept = new Set<Value>();
  /** @internal */
  readonly scratchArgument = new RunArgument();
  readonly #context: PlanContext;
  readonly #constants: Tensor[] = [];
  readonly #backward: { y: Value; layer: string; rows: number; emit: (dy: Value) => void }[] = [];
  readonly #gradients = new Map<Value, Value>();
  readonly #parameters = new Map<string, Value>();
  readonly #written = new Set<string>();
  readonly #after: (() => void)[] = [];
  #emitting: EmittedCall[] = this.calls.forward;
  #rows: number;
  /** Name and number of the layer that is planned. */
  #layer = "";
  #node = 0;
  #layerNeedsGradient = false;
  readonly #plansGradients: boolean;

  /** @internal */
  constructor(context: PlanContext, rows: number, training: boolean, gradients: boolean) {
    this.#context = context;
    this.#plansGradients = gradients;
    this.#rows = rows;
    this.training = training;
  }

  /** Rows of the batch. */
  get rows(): number {
    return this.#rows;
  }

  /** The kernels of a family, to ask for sizes of scratch; calls are emitted by `call`. */
  kernels<K>(family: KernelFamily<K>): K {
    return this.#context.core.kernels(family);
  }

  /** A new value with elements of this shape for each row of the batch. */
  value(shape: Shape): Value {
    return new Value(shape, this.rows * sizeOf(shape), undefined, this.#layerNeedsGradient);
  }

  /** A new value of any number of elements, for what calls leave to each other. */
  block(size: number): Value {
    return new Value([size], size, undefined, false);
  }

  /** A parameter of the layer that is planned. */
  parameter(name: string): Value {
    const key = `${this.#layer}.${name}`;
    let value = this.#parameters.get(key);
    if (value === undefined) {
      const tensor = this.#context.tensor(key);
      this.names.set(tensor, `parameter ${key}`);
      value = new Value(tensor.shape, tensor.size, tensor, true);
      this.#parameters.set(key, value);
    }
    return value;
  }

  /** A buffer of the layer that is planned. Calls may change it. */
  buffer(name: string): Value {
    const key = `${this.#layer}.${name}`;
    const tensor = this.#context.tensor(key);
    this.names.set(tensor, `buffer ${key}`);
    return new Value(tensor.shape, tensor.size, tensor, false);
  }

  /**
   * State that the layer keeps from one batch of this size to the next, [rows, ...shape], zeros at first and after
   * `model.resetStates()`. Calls may change it.
   */
  carried(name: string, shape: Shape): Value {
    const size = this.rows * sizeOf(shape);
    return new Value(shape, size, this.#context.carried(`${this.#layer}.${name}`, this.rows, size), false);
  }

  /** The same elements in another shape, of a row. Its gradient is that of `x`. */
  view(x: Value, shape: Shape): Value {
    const y = new Value(shape, x.size, x, x.needsGradient);
    this.backward(y, (dy) => this.passGradient(x, dy));
    return y;
  }

  /** Unsigned 32-bit words at an address of their own, such as the sizes that a kernel reads. */
  constant(words: ArrayLike<number>): Value {
    const { core } = this.#context;
    const tensor = core.reserve([words.length]);
    this.#constants.push(tensor);
    new Uint32Array(core.linearMemory.buffer, tensor.ptr, words.length).set(words);
    return new Value([words.length], words.length, tensor, false);
  }

  /** The address of scratch: at least this number of bytes, whose content lasts for one call. */
  scratch(bytes: number): RunArgument {
    this.scratchBytes = Math.max(this.scratchBytes, bytes);
    return this.scratchArgument;
  }

  /**
   * A seed of random numbers that is another one in each step and for each layer, an int32.
   */
  seed(): RunArgument {
    const argument = new RunArgument();
    this.seeds.push({ argument, stream: Math.imul(this.#node + 1, 0x9e3779b9) });
    return argument;
  }

  /**
   * Emits a kernel call.
   *
   * @param reuse a value that the call reads and one of the same size that it writes, if the kernel may be given the
   *   same address for both
   */
  call<K>(
    family: KernelFamily<K>,
    kernel: keyof K & string,
    args: readonly Argument[],
    reuse?: readonly [Value, Value],
  ): void {
    const known = family as unknown as KernelFamily<unknown>;
    this.#emitting.push({ family: known, kernel, args: [...args], reuse });
  }

  /** Emits the call of a loss that returns its value. */
  result<K>(family: KernelFamily<K>, kernel: keyof K & string, args: readonly Argument[]): void {
    this.#emitting = this.calls.loss;
    this.call(family, kernel, args);
    this.#emitting = this.calls.forward;
  }

  /**
   * Says how the gradient of `y` goes back to the layer's inputs and parameters: `emit` emits those calls, and is called
   * after all layers are planned, last ones first, if there is a gradient of `y`.
   */
  backward(y: Value, emit: (dy: Value) => void): void {
    this.#backward.push({ y, layer: this.#layer, rows: this.#rows, emit });
  }

  /**
   * Where to write a gradient: all elements of that of a parameter or of a value. Undefined where nobody asks for it.
   * If the value is used more than once, the gradients are added, those of later uses first.
   */
  gradient(x: Value): Value | undefined {
    if (!x.needsGradient || !this.#plansGradients) return undefined;
    if (x.place instanceof Tensor) return this.#parameterGradient(x);
    const dx = new Value(x.shape, x.size, undefined, false);
    this.passGradient(x, dx);
    return dx;
  }

  /** The gradient of `x` is `dx`, a value that is written elsewhere; added to others if `x` is used more than once. */
  passGradient(x: Value, dx: Value): void {
    if (!x.needsGradient) return;
    const before = this.#gradients.get(x);
    if (before === undefined) {
      this.#gradients.set(x, dx.shape === x.shape ? dx : new Value(x.shape, x.size, dx, false));
      return;
    }
    const sum = new Value(x.shape, x.size, undefined, false);
    this.#gradients.set(x, sum);
    this.#after.push(() => this.call(nnFamily, "add_f32", [x.size, before, dx, sum], [before, sum]));
  }

  #parameterGradient(x: Value): Value {
    const [name] = [...this.#parameters].find(([, value]) => value === x)!;
    const tensor = this.#context.gradient(name);
    const total = new Value(x.shape, x.size, tensor, false);
    if (!this.#written.has(name)) {
      this.#written.add(name);
      return total;
    }
    const more = this.block(x.size);
    this.#after.push(() => this.call(nnFamily, "add_f32", [x.size, total, more, total]));
    return more;
  }

  /** Plans a layer by `plan`; its values need gradients if `needsGradient`. @internal */
  layer(name: string, node: number, needsGradient: boolean, plan: () => Value): Value {
    this.#layer = name;
    this.#node = node;
    this.#layerNeedsGradient = needsGradient;
    return plan();
  }

  /**
   * Plans a layer that is a part of this one.
   *
   * @param part comes before the names of its parameters, `"<part>.<name>"`, unless it is ""
   * @param rows of its batch: of the values that it makes, and what `builder.rows` is meanwhile
   */
  within<T>(part: string, rows: number, plan: () => T): T {
    const [layer, outerRows] = [this.#layer, this.#rows];
    this.#layer = part === "" ? layer : `${layer}.${part}`;
    this.#rows = rows;
    try {
      return plan();
    } finally {
      this.#layer = layer;
      this.#rows = outerRows;
    }
  }

  /** Emits the backward pass; returns the gradient of each of these inputs. @internal */
  emitBackward(inputs: readonly Value[]): (Value | undefined)[] {
    this.#emitting = this.calls.backward;
    this.#addGradients(); // of outputs that are one value
    for (let i = this.#backward.length - 1; i >= 0; i--) {
      const { y, layer, rows, emit } = this.#backward[i]!;
      const dy = this.#gradients.get(y);
      if (dy === undefined) continue;
      this.#layer = layer;
      this.within("", rows, () => emit(dy));
      this.#addGradients();
    }
    return inputs.map((x) => this.#gradients.get(x));
  }

  /** Emits the sums of gradients whose terms were written by the calls so far. */
  #addGradients(): void {
    for (const add of this.#after.splice(0)) add();
  }

  /** Whether somebody said how the gradient of `y` goes back, or nobody will ask. @internal */
  hasBackward(y: Value): boolean {
    return !this.#plansGradients || this.#backward.some((entry) => entry.y === y);
  }

  /** Frees the constants. @internal */
  dispose(): void {
    for (const tensor of this.#constants) tensor.dispose();
  }
}
