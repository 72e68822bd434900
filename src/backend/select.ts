import { BackendError, messageOf, OutOfMemoryError } from "../errors.js";
import { type Allocator, Arena, AttachedHeap } from "./arena.js";
import type { Backend } from "./backend.js";
import { type CoreKernels, coreFamily } from "./families/core.js";
import type { KernelFamily } from "./family.js";
import { JsMemory } from "./js/memory.js";
import { Views } from "./js/views.js";
import type { Features } from "./probe.js";
import { selfTest } from "./self-test.js";
import { WasmMemory } from "./wasm/memory.js";

/** The compiled binaries, by the code they were generated for. */
export type WasmVariant = "simd" | "relaxed" | "wide" | "relaxed-wide";

/** A core binary at work. */
export interface Instantiated {
  readonly module: WebAssembly.Module;
  readonly kernels: CoreKernels;
  /** Compiles the binary of a family for the same memory and width. */
  compile<K>(family: KernelFamily<K>): WebAssembly.Module;
  /** What its reason adds. */
  readonly note?: string | undefined;
}

/** Turns a binary into kernels over a memory. An entry point brings it; `undefined` where there is no Wasm at all. */
export interface WasmSource {
  instantiate(variant: WasmVariant, memory: WebAssembly.Memory): Promise<Instantiated>;
  instantiateSync(variant: WasmVariant, memory: WebAssembly.Memory): Instantiated;
  /** The code of the threads, loaded when they are asked for; absent where there are no workers. */
  loadThreads?(): Promise<typeof import("./threads/start.js")>;
}

/** How much linear memory to start with, and how far it may grow. */
export interface MemorySize {
  initialBytes?: number;
  maximumBytes?: number;
}

/** Linear memory: its size, or an existing heap to use. */
export type MemoryOptions =
  | MemorySize
  | { attach: WebAssembly.Memory; allocate(bytes: number): number; free(address: number): void };

/** What `selectBackend` decides by; checked by the caller. */
export interface SelectOptions {
  backend: "auto" | "wasm" | "js";
  arithmetic: "reproducible" | "relaxed";
  wide: boolean;
  threads: number;
  memory: MemoryOptions;
}

/** What came of it; the module where it is Wasm. */
export type Selected = Backend & {
  allocator: Allocator;
  wasm?: { module: WebAssembly.Module; memory: WebAssembly.Memory };
};

/** A module to instantiate: synchronously or not is the driver's business. */
export interface InstantiateRequest {
  readonly variant: WasmVariant;
  readonly memory: WebAssembly.Memory;
}

const NO_SHARED_MEMORY = "one thread: SharedArrayBuffer does not exist here (a page must be cross-origin isolated)";
const DEFAULT_INITIAL_BYTES = 1 << 20;
const DEFAULT_MAXIMUM_BYTES = 2 ** 32;

/**
 * Tries the backends from the fastest down and returns the first that compiles, instantiates and passes its self-test.
 * Yields each module that it needs; the driver sends back its kernels, or throws into the generator.
 */
export function* selectBackend(
  options: SelectOptions,
  features: Features,
  source: WasmSource | undefined,
  whyOneThread: string | undefined,
): Generator<InstantiateRequest, Selected, Instantiated> {
  const refusals: string[] = [];
  if (options.backend === "js") refusals.push('backend: "js" was asked for');
  else if (source === undefined) refusals.push("this entry point carries no Wasm");
  else if (typeof WebAssembly !== "object") refusals.push("WebAssembly does not exist in this runtime");
  else if (!features.simd) refusals.push("this engine has no Wasm SIMD");
  else {
    const oneThread = whyOneThread ?? (features.threads ? undefined : NO_SHARED_MEMORY);
    const isThreaded = options.threads > 1 && oneThread === undefined;
    const last = options.threads > 1 && oneThread !== undefined ? [oneThread] : [];
    for (const { variant, isShared } of candidates(options, features, isThreaded, refusals)) {
      try {
        const { memory, limit } = wasmMemory(options.memory, isShared);
        const { handle } = memory;
        const allocator =
          "attach" in options.memory
            ? new AttachedHeap(options.memory, () => memory.buffer.byteLength)
            : new Arena(memory);
        const { module, kernels, compile, note } = yield { variant, memory: handle };
        selfTest(kernels, memory, allocator);
        const passed = `${variant} passed its self-test${note === undefined ? "" : `, ${note}`}`;
        const load = <K>(family: KernelFamily<K>) => {
          const compiled = compile(family);
          const { exports } = new WebAssembly.Instance(compiled, { env: { memory: handle } });
          return { kernels: exports as K, module: compiled };
        };
        const reason = [...refusals, passed, ...limit, ...last].join("; ");
        return { name: "wasm", variant, reason, kernels, memory, allocator, load, wasm: { module, memory: handle } };
      } catch (error) {
        const where = isShared ? " over shared memory" : "";
        refusals.push(`${variant}${where} was refused: ${messageOf(error)}`);
      }
    }
  }
  const needsWasm = options.backend === "wasm" ? 'backend: "wasm"' : "attach" in options.memory && "memory.attach";
  if (needsWasm) throw new BackendError(`${needsWasm} needs Wasm, which cannot run here: ${refusals.join("; ")}`);
  if (options.threads > 1) refusals.push("one thread: only Wasm is shared");
  const memory = jsMemory(options.memory as MemorySize);
  const views = new Views(memory);
  return {
    name: "js",
    variant: "scalar-js",
    reason: refusals.join("; "),
    kernels: coreFamily.js(views),
    load: (family) => ({ kernels: family.js(views) }),
    memory,
    allocator: new Arena(memory),
  };
}

/** From the fastest down; with threads first, then without. */
function candidates({ arithmetic, wide }: SelectOptions, features: Features, threaded: boolean, refusals: string[]) {
  const variants: WasmVariant[] = ["simd"];
  if (arithmetic === "relaxed") {
    if (features.relaxedSimd) variants.unshift("relaxed");
    else refusals.push("relaxed was refused: this engine has no relaxed SIMD");
  }
  if (wide) variants.unshift(variants.length === 1 ? "wide" : "relaxed-wide");
  const memories = threaded ? [true, false] : [false];
  return memories.flatMap((isShared) => variants.map((variant) => ({ variant, isShared })));
}

/** What is asked for at least, as a limit of growth, where nobody asks for one. */
const LEAST_MAXIMUM_BYTES = 2 ** 28;

/**
 * The memory of a candidate, and what its reason says of the limit: some phones refuse to set as much aside as it may
 * grow to.
 */
function wasmMemory(options: MemoryOptions, shared: boolean): { memory: WasmMemory; limit: string[] } {
  if ("attach" in options) return { memory: new WasmMemory(options.attach), limit: [] };
  const [initial, most] = sizes(options);
  const least = options.maximumBytes ?? Math.max(initial, LEAST_MAXIMUM_BYTES);
  for (let maximum = most; ; maximum /= 2) {
    try {
      const memory = WasmMemory.create(initial, maximum, shared);
      const refused = `memory of at most ${maximum / 2 ** 20} MiB: this runtime refuses more`;
      return { memory, limit: maximum === most ? [] : [refused] };
    } catch (error) {
      if (maximum / 2 < least) throw error;
    }
  }
}

function jsMemory(options: MemorySize): JsMemory {
  const [initial, maximum] = sizes(options);
  try {
    return new JsMemory(initial, maximum);
  } catch {
    throw new OutOfMemoryError(`memory.initialBytes is ${initial}, more than this runtime has`);
  }
}

function sizes({ initialBytes, maximumBytes = DEFAULT_MAXIMUM_BYTES }: MemorySize): [number, number] {
  return [Math.min(initialBytes ?? DEFAULT_INITIAL_BYTES, maximumBytes), maximumBytes];
}
