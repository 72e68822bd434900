import type { WasmSource } from "../select.js";
import { hex as simd } from "./binaries/simd.js";
import { bytesFor, compile, instantiated } from "./instantiate.js";

/** The binaries carried inside the JavaScript. All but one are loaded when they are asked for. */
export const inlinedWasm: WasmSource = {
  async instantiate(variant, memory) {
    if (variant !== "simd") return (await import("./on-demand.js")).instantiateOnDemand(variant, memory, simd);
    const { module, instance } = await WebAssembly.instantiate(bytesFor(memory, simd), { env: { memory } });
    return instantiated(module, memory, compile, instance);
  },
  instantiateSync(variant, memory) {
    if (variant !== "simd") throw new Error("it is loaded on demand: use createCore");
    return instantiated(compile(bytesFor(memory, simd)), memory);
  },
  loadThreads: () => import("../threads/start.js"),
};
