import type { WasmSource } from "../select.js";
import { instantiated } from "./instantiate.js";

/**
 * Binaries that the platform has compiled beforehand, for runtimes that refuse to compile bytes. The network kernels
 * come along because `lanewise/nn` carries bytes; they are the only binary that is loaded over a core's memory.
 */
export function compiledWasm(simd: WebAssembly.Module, network: WebAssembly.Module): WasmSource {
  const source: WasmSource = {
    async instantiate(variant, memory) {
      return source.instantiateSync(variant, memory);
    },
    instantiateSync(variant, memory) {
      if (variant !== "simd") throw new Error("this runtime compiles nothing, and its entry point carries simd alone");
      return instantiated(simd, memory, () => network);
    },
  };
  return source;
}
