import type { Binary } from "../family.js";
import type { WasmSource } from "../select.js";
import { binary as simd } from "./binaries/simd.js";
import { compileBinary, instantiated } from "./instantiate.js";

/**
 * Takes the place of embedded.ts for runtimes that refuse to compile bytes: `binary` is there a Module that the platform
 * has compiled, as every binary is (scripts/build-package.mjs).
 */
export const embeddedWasm: WasmSource = {
  async instantiate(variant, memory) {
    return embeddedWasm.instantiateSync(variant, memory);
  },
  instantiateSync(variant, memory) {
    if (variant !== "simd") throw new Error("this runtime compiles nothing, and its entry point carries simd alone");
    return instantiated(compileBinary(simd as Binary, memory), memory);
  },
};
