import { instantiate, instantiateSync as loadSync } from "@assemblyscript/loader";
import { isNumericArray } from "../../checks.js";
import type { Instantiated, WasmSource, WasmVariant } from "../select.js";
import { compile, instantiated } from "./instantiate.js";

/** A binary as a caller can have it: compiled, as bytes, on its way, or at an address to fetch. */
export type SuppliedWasm = WebAssembly.Module | BufferSource | Response | URL;

/**
 * The core binary that the caller brings; AssemblyScript's loader takes it in any of its forms. A Module of another
 * realm is instantiated directly, because the loader asks for `instanceof`.
 */
export function suppliedWasm(supplied: SuppliedWasm | PromiseLike<SuppliedWasm>): WasmSource {
  return {
    async instantiate(variant, memory) {
      const awaited = await supplied;
      const source = isA("URL", awaited) ? await fetch(awaited as URL) : awaited;
      if (isA("Module", source)) return checked(instantiated(source as WebAssembly.Module, memory), variant);
      const { module, instance } = await instantiate(source as BufferSource, { env: { memory } });
      return checked(instantiated(module, memory, compile, instance), variant);
    },
    instantiateSync(variant, memory) {
      if (isA("Module", supplied)) return checked(instantiated(supplied as WebAssembly.Module, memory), variant);
      if (!isNumericArray(supplied) && !isA("ArrayBuffer", supplied)) {
        throw new Error("wasm is not at hand yet: a Response, a URL or a promise needs the asynchronous createCore");
      }
      const { module, instance } = loadSync(supplied as unknown as BufferSource, { env: { memory } });
      return checked(instantiated(module, memory, compile, instance), variant);
    },
  };
}

/** Throws unless the binary is of the variant that the core takes it for. */
function checked(binary: Instantiated, variant: WasmVariant): Instantiated {
  const { is_relaxed } = binary.kernels as { is_relaxed?: () => number };
  if (is_relaxed?.() !== +(variant === "relaxed")) throw new Error(`the given Wasm is not ${variant}.wasm`);
  return binary;
}

/** `instanceof` for any realm. */
function isA(name: string, value: unknown): boolean {
  const tag = Object.prototype.toString.call(value);
  return tag === `[object ${name}]` || tag === `[object WebAssembly.${name}]`;
}
