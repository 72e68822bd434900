import type { Kernels } from "../backend.js";
import type { WasmSource } from "../select.js";
import { hex as simd } from "./binaries/simd.js";
import { decodeHex, importsOver, instantiateSync } from "./instantiate.js";

/** The binaries carried inside the JavaScript. The relaxed one is a module of its own, loaded when it is asked for. */
export const inlinedWasm: WasmSource = {
  async instantiate(variant, memory) {
    const hex = variant === "simd" ? simd : (await import("./binaries/relaxed.js")).hex;
    const { instance } = await WebAssembly.instantiate(decodeHex(hex), importsOver(memory));
    return instance.exports as unknown as Kernels;
  },
  instantiateSync(variant, memory) {
    if (variant !== "simd") throw new Error("it is loaded on demand: use createCore");
    return instantiateSync(simd, memory) as unknown as Kernels;
  },
  load: instantiateSync,
};
