import { precompiledWasm } from "../backend/wasm/precompiled.js";
import { type Core, type CoreOptions, createCoreFrom, createCoreSyncFrom } from "../core.js";
import network from "../wasm/nn.wasm?module";
import simd from "../wasm/simd.wasm?module";

export * from "../index.js";

const wasm = /* @__PURE__ */ precompiledWasm(simd, { nn: network });

/** The `createCore` of edge functions as Vercel builds them: `?module` asks for a compiled Module. */
export function createCore(options?: CoreOptions): Promise<Core> {
  return createCoreFrom(wasm, options);
}

/** The same, synchronously. */
export function createCoreSync(options?: CoreOptions): Core {
  return createCoreSyncFrom(wasm, options);
}
