import type { WasmSource } from "../select.js";
import { compileFamily, instantiated } from "./instantiate.js";

/**
 * Binaries that the platform has compiled beforehand, for runtimes that refuse to compile bytes.
 *
 * @param families binaries by the name of their family, for families that bring bytes
 */
export function precompiledWasm(
  simd: WebAssembly.Module,
  families: Readonly<Record<string, WebAssembly.Module>>,
): WasmSource {
  const source: WasmSource = {
    async instantiate(variant, memory) {
      return source.instantiateSync(variant, memory);
    },
    instantiateSync(variant, memory) {
      if (variant !== "simd") throw new Error("this runtime compiles nothing, and its entry point carries simd alone");
      return instantiated(simd, memory, (family) => families[family.name] ?? compileFamily(family, memory));
    },
  };
  return source;
}
