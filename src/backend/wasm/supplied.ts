import { instantiate, instantiateSync as loadSync } from "@assemblyscript/loader";
import { isNumericArray } from "../../checks.js";
import type { Kernels } from "../backend.js";
import type { WasmSource } from "../select.js";
import { importsOver, instantiateSync } from "./instantiate.js";

/** A binary as a caller can have it: compiled, as bytes, on its way, or at an address to fetch. */
export type SuppliedWasm = WebAssembly.Module | BufferSource | Response | URL;

/**
 * The core binary that the caller brings; AssemblyScript's loader takes it in any of its forms. A Module of another
 * realm is instantiated directly, because the loader asks for `instanceof`.
 */
export function suppliedWasm(supplied: SuppliedWasm | PromiseLike<SuppliedWasm>): WasmSource {
  return {
    async instantiate(_, memory) {
      const awaited = await supplied;
      const source = isA("URL", awaited) ? await fetch(awaited as URL) : awaited;
      if (isA("Module", source)) return instantiateSync(source as WebAssembly.Module, memory) as unknown as Kernels;
      const { instance } = await instantiate(source as BufferSource, importsOver(memory));
      return instance.exports as unknown as Kernels;
    },
    instantiateSync(_, memory) {
      if (isA("Module", supplied)) return instantiateSync(supplied as WebAssembly.Module, memory) as unknown as Kernels;
      if (!isNumericArray(supplied) && !isA("ArrayBuffer", supplied)) {
        throw new Error("wasm is not at hand yet: a Response, a URL or a promise needs the asynchronous createCore");
      }
      const { instance } = loadSync(supplied as unknown as BufferSource, importsOver(memory));
      return instance.exports as unknown as Kernels;
    },
    load: instantiateSync,
  };
}

/** `instanceof` for any realm. */
function isA(name: string, value: unknown): boolean {
  const tag = Object.prototype.toString.call(value);
  return tag === `[object ${name}]` || tag === `[object WebAssembly.${name}]`;
}
