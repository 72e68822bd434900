import type { KernelFamily } from "../family.js";
import type { Instantiated, WasmVariant } from "../select.js";
import { bytesFor, instantiated, isShared } from "./instantiate.js";
import { proveWide } from "./wide/prove.js";
import { compileWide, FIRST_V8, v8Version } from "./wide/revectorize.js";
import { warmUpCore } from "./wide/warm-up.js";
import { warmUpSteps } from "./wide/warm-up-steps.js";

const BINARIES = {
  relaxed: () => import("./binaries/relaxed.js"),
  wide: () => import("./binaries/wide.js"),
  "relaxed-wide": () => import("./binaries/relaxed-wide.js"),
};

/** Wide modules that have passed: once is enough for a process. */
const proven = new Map<string, { module: WebAssembly.Module; gain: number }>();

/** The binaries that are modules of their own. `simd`: the one that they must be better than. */
export async function instantiateLazily(
  variant: Exclude<WasmVariant, "simd">,
  memory: WebAssembly.Memory,
  simd: string,
): Promise<Instantiated> {
  if (variant === "relaxed" && v8Version() < FIRST_V8) {
    throw new Error("its kernels are slower than simd in this V8");
  }
  const bytes = bytesFor(memory, (await BINARIES[variant]()).binary);
  if (variant === "relaxed") return instantiated(await WebAssembly.compile(bytes), memory);
  const { binaries } = await import("./binaries/wide-families.js");
  const key = `${variant} ${isShared(memory)}`;
  let wide = proven.get(key);
  if (wide === undefined) {
    const module = compileWide(bytes, warmUpCore, memory);
    wide = { module, gain: proveWide(module, bytesFor(memory, simd), memory) };
    proven.set(key, wide);
  }
  const { module, gain } = wide;
  const compile = <K>(family: KernelFamily<K>) => compileWideFamily(family, binaries[family.name], memory);
  return { ...instantiated(module, memory, compile), note: `${gain.toFixed(1)} × the 128-bit kernels` };
}

/** Widens a family; `wideBinary` is the one with tiles for it, where the family has products. */
export function compileWideFamily<K>(
  { binary, warmUp, steps = {} }: KernelFamily<K>,
  wideBinary: string | undefined,
  memory: WebAssembly.Memory,
): WebAssembly.Module {
  const bytes = bytesFor(memory, wideBinary ?? (binary as string));
  const run = (exports: WebAssembly.Exports, own: WebAssembly.Memory): void => {
    warmUp?.(exports as K, own);
    warmUpSteps(exports, steps, own);
  };
  return compileWide(bytes, run, memory);
}
