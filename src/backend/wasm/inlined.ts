import { instantiate, instantiateSync } from "@assemblyscript/loader";
import type { Kernels } from "../backend.js";
import type { WasmSource } from "../select.js";
import { simd } from "./binaries/simd.js";

/**
 * The binaries carried inside the JavaScript, as hexadecimal strings. The relaxed one is a module of its own that is
 * loaded when it is asked for. The loader is given bytes, and only its `instance` is used: its own wrappers would add
 * nanoseconds to every call.
 */
export const inlinedWasm: WasmSource = {
  async instantiate(variant, memory) {
    const hex = variant === "simd" ? simd : (await import("./binaries/relaxed.js")).relaxed;
    const { instance } = await instantiate(decode(hex), { env: { memory } });
    return instance.exports as unknown as Kernels;
  },
  instantiateSync(variant, memory) {
    if (variant !== "simd") throw new Error("its binary is loaded on demand, which needs the asynchronous createCore");
    const { instance } = instantiateSync(decode(simd), { env: { memory } });
    return instance.exports as unknown as Kernels;
  },
};

function decode(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
