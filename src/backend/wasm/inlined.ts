import type { Kernels } from "../backend.js";
import type { WasmSource } from "../select.js";
import { simd } from "./binaries/simd.js";
import { bytesFor, compile, importsOver, instantiateSync } from "./instantiate.js";

/** The binaries carried inside the JavaScript. The relaxed one is a module of its own, loaded when it is asked for. */
export const inlinedWasm: WasmSource = {
  async instantiate(variant, memory) {
    const hex = variant === "simd" ? simd : (await import("./binaries/relaxed.js")).relaxed;
    const { module, instance } = await WebAssembly.instantiate(bytesFor(hex, memory), importsOver(memory));
    return { module, kernels: instance.exports as unknown as Kernels };
  },
  instantiateSync(variant, memory) {
    if (variant !== "simd") throw new Error("it is loaded on demand: use createCore");
    const module = compile(simd, memory);
    return { module, kernels: instantiateSync(module, memory) as unknown as Kernels };
  },
  load: instantiateSync,
};
