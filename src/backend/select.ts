import { BackendError } from "../errors.js";
import { type Allocator, Arena, AttachedHeap } from "./arena.js";
import type { Backend, Kernels, WasmBinary } from "./backend.js";
import { createJsKernels } from "./js/kernels.js";
import { JsMemory } from "./js/memory.js";
import type { Features } from "./probe.js";
import { selfTest } from "./self-test.js";
import { WasmMemory } from "./wasm/memory.js";

/** The compiled binaries, by the code they were generated for. */
export type WasmVariant = "simd" | "relaxed";

/** Turns a binary into kernels over a memory. An entry point brings it; `undefined` where there is no Wasm at all. */
export interface WasmSource {
  instantiate(variant: WasmVariant, memory: WebAssembly.Memory): Promise<Instantiated>;
  instantiateSync(variant: WasmVariant, memory: WebAssembly.Memory): Instantiated;
  /** Any other binary over the same memory. */
  load(binary: WasmBinary, memory: WebAssembly.Memory): WebAssembly.Exports;
}

/** A module, and its kernels over a memory. */
export interface Instantiated {
  readonly module: WebAssembly.Module;
  readonly kernels: Kernels;
}

/** How much linear memory to start with, and how far it may grow. */
export interface MemorySize {
  initialBytes?: number;
  maximumBytes?: number;
}

/** Linear memory: its size, or somebody else's heap to work in. */
export type MemoryOptions =
  | MemorySize
  | { attach: WebAssembly.Memory; allocate(bytes: number): number; free(address: number): void };

/** What `selectBackend` decides by; checked by the caller. */
export interface SelectOptions {
  backend: "auto" | "wasm" | "js";
  arithmetic: "reproducible" | "relaxed";
  memory: MemoryOptions;
  threads: number;
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
): Generator<InstantiateRequest, Selected, Instantiated> {
  const refusals: string[] = [];
  if (options.backend === "js") refusals.push('backend: "js" was asked for');
  else if (source === undefined) refusals.push("this entry point carries no Wasm");
  else if (typeof WebAssembly !== "object") refusals.push("WebAssembly does not exist in this runtime");
  else if (!features.simd) refusals.push("this engine has no Wasm SIMD");
  else {
    for (const variant of variants(options, features, refusals)) {
      try {
        const memory = wasmMemory(options.memory, options.threads > 1 && features.threads);
        const allocator = "attach" in options.memory ? new AttachedHeap(options.memory) : new Arena(memory);
        const { module, kernels } = yield { variant, memory: memory.handle };
        selfTest(kernels, memory, allocator);
        const reason = [...refusals, `${variant} passed its self-test`].join("; ");
        const load = (binary: WasmBinary) => source.load(binary, memory.handle);
        return {
          name: "wasm",
          variant,
          reason,
          kernels,
          memory,
          allocator,
          load,
          wasm: { module, memory: memory.handle },
        };
      } catch (error) {
        refusals.push(`${variant} was refused: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  const reason = refusals.join("; ");
  const needsWasm = options.backend === "wasm" ? 'backend: "wasm"' : "attach" in options.memory && "memory.attach";
  if (needsWasm) throw new BackendError(`${needsWasm} needs Wasm, which cannot run here: ${reason}`);
  const memory = new JsMemory(...sizes(options.memory as MemorySize));
  const kernels = createJsKernels(memory);
  return { name: "js", variant: "scalar-js", reason, kernels, memory, allocator: new Arena(memory) };
}

function variants(options: SelectOptions, features: Features, refusals: string[]): WasmVariant[] {
  if (options.arithmetic === "reproducible") return ["simd"];
  if (features.relaxedSimd) return ["relaxed", "simd"];
  refusals.push("relaxed was refused: this engine has no relaxed SIMD");
  return ["simd"];
}

function wasmMemory(options: MemoryOptions, shared: boolean): WasmMemory {
  return "attach" in options ? new WasmMemory(options.attach) : WasmMemory.create(...sizes(options), shared);
}

function sizes({ initialBytes, maximumBytes = DEFAULT_MAXIMUM_BYTES }: MemorySize): [number, number] {
  return [Math.min(initialBytes ?? DEFAULT_INITIAL_BYTES, maximumBytes), maximumBytes];
}
