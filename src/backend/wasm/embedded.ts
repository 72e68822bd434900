import type { WasmSource } from "../select.js";
import { binary as simd } from "./binaries/simd.js";
import { bytesFor, compileFamily, instantiated } from "./instantiate.js";

/** The binaries carried inside the JavaScript. All but one are loaded when they are asked for. */
export const embeddedWasm: WasmSource = {
  async instantiate(variant, memory) {
    if (variant !== "simd") return (await import("./lazy.js")).instantiateLazily(variant, memory, simd);
    try {
      // A few kilobytes: sooner done than awaited, and Node 20 may never wake from the wait (nodejs/node deadlock of
      // asynchronous compilation and garbage collection).
      return embeddedWasm.instantiateSync(variant, memory);
    } catch {
      const { module, instance } = await WebAssembly.instantiate(bytesFor(memory, simd), { env: { memory } });
      return instantiated(module, memory, compileFamily, instance);
    }
  },
  instantiateSync(variant, memory) {
    if (variant !== "simd") throw new Error("it is loaded on demand: use createCore");
    return instantiated(new WebAssembly.Module(bytesFor(memory, simd)), memory);
  },
  loadThreads: () => import("../threads/start.js"),
};
