import type { Core } from "../core.js";
import { Tensor } from "../tensor.js";
import { fuse } from "./fuse.js";
import { layOut, type MemoryLayout } from "./memory-layout.js";
import type { EmittedCall, PlanBuilder } from "./plan-builder.js";
import { Address, RunArgument, rootOf, type Value, valueIn } from "./value.js";

type Kernel = (...args: number[]) => unknown;

/**
 * A kernel and its arguments. One array of mixed elements: V8 keeps numbers that are no small integers in boxes then,
 * made once, instead of making new ones for every call.
 */
type Call = [kernel: Kernel, ...args: number[]];

/** An argument of a call that is an address that may change. */
interface Patch {
  readonly call: Call;
  readonly index: number;
  readonly bytes: number;
}

interface WatchedTensor {
  readonly tensor: Tensor;
  readonly name: string;
  ptr: number;
  readonly patches: Patch[];
}

/**
 * The calls of a model for one number of rows, ready to run. A run sets the arguments that differ from batch to batch
 * and walks the lists; it allocates nothing.
 */
export class Plan {
  readonly rows: number;
  readonly scratchBytes: number;
  /** Bytes of memory that the values of the plan need. */
  readonly bytes: number;
  readonly #core: Core;
  readonly #builder: PlanBuilder;
  readonly #layout: MemoryLayout;
  #forward: Call[] = [];
  #loss: Call[] = [];
  #backward: Call[] = [];
  #arguments = new Map<RunArgument, Patch[]>();
  #tensors: WatchedTensor[] = [];
  #start = -1;

  /** Takes what a builder has recorded. */
  constructor(core: Core, builder: PlanBuilder) {
    const { calls, kept } = builder;
    fuse(calls, kept);
    this.rows = builder.rows;
    this.scratchBytes = builder.scratchBytes;
    this.#core = core;
    this.#builder = builder;
    this.#layout = layOut([...calls.forward, ...calls.loss, ...calls.backward], kept);
    this.bytes = this.#layout.bytes;
  }

  dispose(): void {
    this.#builder.dispose();
  }

  /** Resolves addresses for a block of memory that starts here. */
  place(start: number): void {
    if (this.#start === start) return;
    this.#start = start;
    this.#arguments = new Map();
    this.#tensors = [];
    const { forward, loss, backward } = this.#builder.calls;
    const watched = new Map<Tensor, WatchedTensor>();
    const make = (call: EmittedCall) => this.#resolve(call, watched);
    this.#forward = forward.map(make);
    this.#loss = loss.map(make);
    this.#backward = backward.map(make);
    this.#tensors = [...watched.values()];
  }

  /** The address of a value. */
  addressOf(value: Value): number {
    const root = rootOf(value);
    const place = root.place;
    if (place instanceof RunArgument) return place.value;
    return place instanceof Tensor ? place.ptr : this.#start + this.#layout.offsets.get(root)!;
  }

  /** Sets an argument of this run. */
  set(argument: RunArgument, value: number): void {
    if (argument.value === value) return;
    argument.value = value;
    const patches = this.#arguments.get(argument);
    if (patches === undefined) return;
    for (let i = 0; i < patches.length; i++) {
      const { call, index, bytes } = patches[i]!;
      call[index] = value + bytes;
    }
  }

  /** Sets what all layers' random numbers come from in this run. */
  setSeed(seed: number): void {
    const { seeds } = this.#builder;
    for (let i = 0; i < seeds.length; i++) this.set(seeds[i]!.argument, seed ^ seeds[i]!.stream);
  }

  /**
   * Makes the calls ready for a run: scratch, and tensors that have moved.
   *
   * @throws DisposedError if one of the tensors is disposed, OutOfMemoryError
   */
  prepare(): void {
    this.set(this.#builder.scratchArgument, this.scratchBytes === 0 ? 0 : this.#core.scratch(this.scratchBytes));
    for (let i = 0; i < this.#tensors.length; i++) {
      const watched = this.#tensors[i]!;
      const { ptr } = watched.tensor;
      if (ptr === watched.ptr) continue;
      watched.tensor.assertLive(watched.name);
      watched.ptr = ptr;
      for (const { call, index, bytes } of watched.patches) call[index] = ptr + bytes;
    }
  }

  forward(): void {
    run(this.#forward);
  }

  /** Computes the loss, and the gradient of the outputs if the plan has a backward pass. */
  loss(): number {
    const calls = this.#loss;
    if (calls.length === 1) return invoke(calls[0]!) as number;
    let sum = 0;
    for (let i = 0; i < calls.length; i++) sum += invoke(calls[i]!) as number;
    return Math.fround(sum);
  }

  backward(): void {
    run(this.#backward);
  }

  #resolve({ family, kernel, args }: EmittedCall, watched: Map<Tensor, WatchedTensor>): Call {
    const kernels = this.#core.kernels(family) as Record<string, Kernel>;
    const call: Call = [kernels[kernel]!];
    for (const [i, arg] of args.entries()) {
      const index = i + 1;
      if (typeof arg === "number") {
        call[index] = arg;
        continue;
      }
      const value = valueIn(arg);
      const bytes = arg instanceof Address ? arg.bytes : 0;
      const place = value === undefined ? (arg as RunArgument) : rootOf(value).place;
      if (place instanceof RunArgument) {
        const patches = this.#arguments.get(place);
        if (patches === undefined) this.#arguments.set(place, [{ call, index, bytes }]);
        else patches.push({ call, index, bytes });
        call[index] = place.value + bytes;
      } else if (place instanceof Tensor) {
        let entry = watched.get(place);
        if (entry === undefined) {
          entry = { tensor: place, name: this.#builder.names.get(place) ?? "tensor", ptr: -1, patches: [] };
          watched.set(place, entry);
        }
        entry.patches.push({ call, index, bytes });
        call[index] = 0; // written by prepare
      } else call[index] = this.#start + this.#layout.offsets.get(rootOf(value!))! + bytes;
    }
    return call;
  }
}

function run(calls: readonly Call[]): void {
  for (let i = 0; i < calls.length; i++) invoke(calls[i]!);
}

/** Calls a kernel with its arguments, which are written out because a spread would allocate. */
// biome-ignore format: one argument after the other
function invoke(c: Call): unknown {
  switch (c.length) {
    case 4: return c[0](c[1]!, c[2]!, c[3]!);
    case 5: return c[0](c[1]!, c[2]!, c[3]!, c[4]!);
    case 6: return c[0](c[1]!, c[2]!, c[3]!, c[4]!, c[5]!);
    case 7: return c[0](c[1]!, c[2]!, c[3]!, c[4]!, c[5]!, c[6]!);
    case 8: return c[0](c[1]!, c[2]!, c[3]!, c[4]!, c[5]!, c[6]!, c[7]!);
    case 9: return c[0](c[1]!, c[2]!, c[3]!, c[4]!, c[5]!, c[6]!, c[7]!, c[8]!);
    case 21:
      return c[0](
        c[1]!, c[2]!, c[3]!, c[4]!, c[5]!, c[6]!, c[7]!, c[8]!, c[9]!, c[10]!,
        c[11]!, c[12]!, c[13]!, c[14]!, c[15]!, c[16]!, c[17]!, c[18]!, c[19]!, c[20]!,
      );
    default: return c[0](
      c[1]!, c[2]!, c[3]!, c[4]!, c[5]!, c[6]!, c[7]!, c[8]!, c[9]!, c[10]!,
      c[11]!, c[12]!, c[13]!, c[14]!, c[15]!, c[16]!, c[17]!, c[18]!, c[19]!, c[20]!,
    );
  }
}
