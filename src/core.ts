import type { LinearMemory, LoadedFamily } from "./backend/backend.js";
import { coreFamily } from "./backend/families/core.js";
import type { KernelFamily } from "./backend/family.js";
import { type Features, probeFeatures } from "./backend/probe.js";
import {
  type MemoryOptions,
  type Selected,
  type SelectOptions,
  selectBackend,
  type WasmSource,
} from "./backend/select.js";
import type { Threads } from "./backend/threads/start.js";
import { checkBoolean, checkChoice, checkFunction, checkInteger, checkKeys, tagOf, unexpected } from "./checks.js";
import { BackendError, DisposedError, messageOf, OptionError } from "./errors.js";
import { LeakWatch } from "./leaks.js";
import { type PackedTensor, type PackOptions, pack } from "./packed.js";
import { type Shape, sizeOf, Tensor, type TensorSource, withoutViews } from "./tensor.js";

/** How a core is made; every option may be left out. */
export interface CoreOptions {
  /** `"auto"` (default): the fastest backend that passes its self-test. `"wasm"` throws BackendError where Wasm cannot run. */
  backend?: "auto" | "wasm" | "js";
  /**
   * `"reproducible"` (default): the same bits everywhere. `"relaxed"` may fuse multiply and add in products, where the
   * engine can; from `createCore`, or from `lanewise/slim` with the binary for it.
   */
  arithmetic?: "reproducible" | "relaxed";
  /**
   * Asks V8 to widen the kernels to 256 bits, with the same bits as result: Node 24 and later on x64, `createCore` only.
   * It uses an experimental flag of V8. `core.features.wide` says whether it worked. Default false.
   */
  wide?: boolean;
  /**
   * Threads that compute, the caller's among them, 1 to 256; `createCore` only. Needs SharedArrayBuffer and workers: in
   * browsers a cross-origin isolated page. The bits do not depend on it. Default 1.
   */
  threads?: number;
  /** Sizes of the linear memory (default 1 MiB, growing up to 4 GiB), or an existing heap to use. */
  memory?: MemoryOptions;
}

/** Bytes of linear memory. */
export interface MemoryUse {
  /** Used by tensors, optimizer state and scratch. */
  readonly bytesInUse: number;
  /** Reserved from the runtime; never shrinks. */
  readonly bytesReserved: number;
}

/**
 * A backend, its linear memory and its tensors. Made by `createCore` or `createCoreSync`.
 * Cores share nothing with each other.
 */
export class Core {
  /** `"wasm"` or `"js"`. */
  readonly backend: "wasm" | "js";
  /** Which binary runs: `"simd"`, `"relaxed"`, `"wide"`, `"relaxed-wide"` or `"scalar-js"`. */
  readonly variant: string;
  /** What was probed; `wide`: whether the kernels run widened. */
  readonly features: Features;
  /** These two are dropped by `dispose`, so that the memory can be collected. */
  #backend: Selected | undefined;
  #threads: Threads | undefined;
  #reason: string;
  #scratch = { ptr: 0, bytes: 0 };
  readonly #kernels = new Map<string, unknown>();
  /** Goes up whenever a tensor may have been disposed or moved: who has checked some need not while it stays. @internal */
  changes = 0;
  /** Tensors of the scope that is running. */
  #scope: Set<Tensor> | undefined;
  /** @internal */
  readonly leaks = new LeakWatch();

  /** Use `createCore`. @internal */
  constructor(backend: Selected, features: Features, threads?: Threads) {
    this.backend = backend.name;
    this.variant = backend.variant;
    this.#reason = backend.reason;
    this.#threads = threads;
    this.features = { ...features, wide: backend.variant.endsWith("wide") };
    this.#backend = backend;
    this.#kernels.set(coreFamily.name, threads === undefined ? backend.kernels : threads.kernels);
  }

  /** Why this backend and not a faster one, and how many threads compute. */
  get reason(): string {
    return this.#threads === undefined ? this.#reason : `${this.#reason}; ${this.#threads.reason}`;
  }

  get memory(): MemoryUse {
    return {
      bytesInUse: this.#backend?.allocator.bytesInUse ?? 0,
      bytesReserved: this.#backend?.memory.buffer.byteLength ?? 0,
    };
  }

  /**
   * The kernels of a family on this core's backend and threads, made when they are first asked for.
   *
   * @throws BackendError where the family's binary cannot be compiled, DisposedError
   * @internal
   */
  kernels<K>(family: KernelFamily<K>): K {
    const backend = this.#usable();
    const kernels = this.#kernels.get(family.name);
    return kernels === undefined ? this.#load(backend, family) : (kernels as K);
  }

  #load<K>(backend: Selected, family: KernelFamily<K>): K {
    let loaded: LoadedFamily<K>;
    try {
      loaded = backend.load(family);
    } catch (cause) {
      throw new BackendError(`the "${family.name}" kernels cannot be compiled here: ${messageOf(cause)}`, { cause });
    }
    const { module } = loaded;
    const kernels = this.#threads && module ? this.#threads.share(family, loaded.kernels, module) : loaded.kernels;
    this.#kernels.set(family.name, kernels);
    return kernels;
  }

  /** @internal */
  get linearMemory(): LinearMemory {
    return this.#live().memory;
  }

  /**
   * Runs a function and frees the tensors that were made in it by `core.tensor`, `matmul` and `predict`, but for those
   * that it returns: a tensor, or an array or a plain object of them. State of optimizers and parameters of models stay.
   *
   * @param make is called at once; it is not asynchronous
   * @returns what it returns
   * @throws OptionError if it returns a promise, and what it throws; the tensors are freed all the same
   * @example
   * const y = core.scope(() => matmul(matmul(a, b), c)); // the inner product is freed
   */
  scope<Result>(make: () => Result): Result {
    this.assertLive();
    checkFunction("make", make);
    const outer = this.#scope;
    const made = new Set<Tensor>();
    this.#scope = made;
    let result: Result | undefined;
    try {
      result = make();
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function") {
        throw new OptionError("make returned a promise, expected a function that is not asynchronous");
      }
    } catch (error) {
      result = undefined;
      throw error;
    } finally {
      this.#scope = outer;
      for (const tensor of tensorsIn(result)) {
        if (!made.delete(tensor)) continue;
        outer?.add(tensor);
      }
      for (const tensor of made) tensor.dispose();
    }
    return result;
  }

  /**
   * A new float32 tensor, zeros unless a source is given.
   *
   * @param shape dimensions, integers >= 0; `[]` is a scalar
   * @param source as many numbers as the shape has elements (flat or nested), or a function of the flat index
   * @throws ShapeError, OptionError, OutOfMemoryError, DisposedError; nothing is then allocated
   * @example
   * const x = core.tensor([2, 3], [1, 2, 3, 4, 5, 6]);
   */
  tensor(shape: Shape, source?: TensorSource): Tensor {
    const tensor = this.reserve(shape, source);
    this.leaks.watch(tensor, tensor.size * 4);
    this.#scope?.add(tensor);
    return tensor;
  }

  /** A tensor that belongs to an object, which disposes of it: no scope frees it. @internal */
  reserve(shape: Shape, source?: TensorSource): Tensor {
    this.assertLive();
    if (Array.isArray(shape)) shape = [...shape]; // read once: it may have getters
    const size = sizeOf(shape);
    const values = source === undefined ? undefined : withoutViews(this, source);
    const tensor = new Tensor(this, shape, this.allocate(size * 4));
    try {
      if (values === undefined) tensor.data.fill(0);
      else tensor.set(values);
    } catch (error) {
      tensor.dispose();
      throw error;
    }
    return tensor;
  }

  /**
   * A copy of a constant right operand, laid out once for `matmul`, which takes it wherever `b` goes. Products of few rows
   * gain most: they read it from end to end. The bits are those of the product with `b` itself, unless the arithmetic is
   * relaxed.
   *
   * Cost: b is read and written once; memory for b with its columns rounded up to 4 or a multiple of 16.
   *
   * @param b [k, n], [batch, k, n] or [k]; later changes to it have no effect
   * @param options `transposeB`: it is [n, k] or [batch, n, k]; `matmul` then needs no `transposeB`
   * @throws ShapeError, OptionError, OutOfMemoryError, DisposedError; nothing is then allocated
   * @example
   * const weights = core.pack(b);
   * const y = matmul(x, weights);
   */
  pack(b: Tensor, options: PackOptions = {}): PackedTensor {
    this.assertLive();
    return pack(this, b, options);
  }

  /** What other copies of the package know it by. @internal */
  get lanewiseClass(): string {
    return "Core";
  }

  /** Ends the workers, frees everything in the memory and drops it. A second call does nothing; any other use afterwards throws DisposedError. */
  dispose(): void {
    this.changes++;
    const isWhole = this.#threads?.broken === undefined;
    this.#threads?.dispose();
    this.#reason = this.reason;
    this.#threads = undefined;
    this.#kernels.clear();
    this.leaks.end();
    if (isWhole) this.#backend?.allocator.freeAll();
    this.#backend = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal */
  get disposed(): boolean {
    return this.#backend === undefined;
  }

  /** @internal */
  assertLive(): void {
    this.#usable();
  }

  #live(): Selected {
    if (this.#backend === undefined) throw new DisposedError("core was used after dispose()");
    return this.#backend;
  }

  /** What has to compute or to allocate: refused once a worker has left something half-written. */
  #usable(): Selected {
    const backend = this.#live();
    const broken = this.#threads?.broken;
    if (broken !== undefined) throw new BackendError(`the core cannot be used any more: ${broken}`);
    return backend;
  }

  /** Bytes of linear memory, their content unspecified. @internal */
  allocate(bytes: number): number {
    return this.#usable().allocator.allocate(bytes);
  }

  /** @internal */
  release(ptr: number): void {
    this.changes++;
    // A worker that was given up may still write: nothing of a broken core's memory is handed out again.
    if (this.#threads?.broken === undefined) this.#backend?.allocator.free(ptr);
  }

  /** The core's one scratch block, at least `bytes` long; its content lasts until the next call. @internal */
  scratch(bytes: number): number {
    if (bytes > this.#scratch.bytes) {
      const { allocator } = this.#usable();
      const ptr = allocator.allocate(bytes);
      allocator.free(this.#scratch.ptr);
      this.#scratch = { ptr, bytes };
    }
    return this.#scratch.ptr;
  }
}

/** The tensors that a value consists of. */
function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (typeof value !== "object" || value === null) return [];
  const isPlain = Array.isArray(value) || tagOf(value) === "[object Object]";
  return isPlain ? Object.values(value).flatMap((part) => (part instanceof Tensor ? [part] : [])) : [];
}

/** `createCore` of an entry point that brings this Wasm. */
export async function createCoreFrom(source: WasmSource | undefined, options: CoreOptions = {}): Promise<Core> {
  const { features, selection } = begin(source, options);
  let step = selection.next();
  while (!step.done) {
    const { variant, memory } = step.value;
    try {
      step = selection.next(await source!.instantiate(variant, memory));
    } catch (error) {
      step = selection.throw(error);
    }
  }
  const backend = step.value;
  const { threads = 1 } = options;
  if (threads === 1 || backend.wasm === undefined || !features.threads) return new Core(backend, features);
  let startThreads: typeof import("./backend/threads/start.js")["startThreads"];
  try {
    ({ startThreads } = await source!.loadThreads!());
  } catch (error) {
    const reason = `${backend.reason}; one thread: its code was not loaded: ${messageOf(error)}`;
    return new Core({ ...backend, reason }, features);
  }
  const { module, memory } = backend.wasm;
  return new Core(backend, features, await startThreads(threads, backend, module, memory, backend.allocator));
}

/** `createCoreSync` of an entry point that brings this Wasm. */
export function createCoreSyncFrom(source: WasmSource | undefined, options: CoreOptions = {}): Core {
  const { features, selection } = begin(source, options, "one thread: workers need the asynchronous createCore");
  let step = selection.next();
  while (!step.done) {
    const { variant, memory } = step.value;
    try {
      step = selection.next(source!.instantiateSync(variant, memory));
    } catch (error) {
      step = selection.throw(error);
    }
  }
  return new Core(step.value, features);
}

/** `oneThread`: why there are no more, whatever the runtime offers. */
function begin(source: WasmSource | undefined, options: CoreOptions, oneThread?: string) {
  let features = probeFeatures();
  if (source !== undefined && source.loadThreads === undefined) {
    features = { ...features, threads: false };
    oneThread = "one thread: this runtime has no workers";
  }
  return { features, selection: selectBackend(resolve(options), features, source, oneThread) };
}

function resolve(options: CoreOptions): SelectOptions {
  checkKeys("options", options, ["backend", "arithmetic", "wide", "threads", "memory"]);
  const { backend = "auto", arithmetic = "reproducible", wide = false, threads = 1, memory = {} } = options;
  checkChoice("backend", backend, ["auto", "wasm", "js"]);
  checkChoice("arithmetic", arithmetic, ["reproducible", "relaxed"]);
  checkBoolean("wide", wide);
  checkInteger("threads", threads, 1, 256);
  if (typeof memory === "object" && memory !== null && "attach" in memory) {
    checkKeys("memory", memory, ["attach", "allocate", "free"]);
    if (typeof memory.allocate !== "function" || typeof memory.free !== "function") {
      throw new OptionError("memory.attach needs memory.allocate and memory.free, both functions");
    }
    if (tagOf(memory.attach) !== "[object WebAssembly.Memory]") {
      throw unexpected("memory.attach", memory.attach, "a WebAssembly.Memory");
    }
  } else {
    checkKeys("memory", memory, ["initialBytes", "maximumBytes"]);
    checkInteger("memory.maximumBytes", memory.maximumBytes ?? 2 ** 32, 65536, 2 ** 32);
    checkInteger("memory.initialBytes", memory.initialBytes ?? 0, 0, memory.maximumBytes ?? 2 ** 32);
  }
  return { backend, arithmetic, wide, threads, memory };
}
