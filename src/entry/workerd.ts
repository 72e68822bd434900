import { precompiledWasm } from "../backend/wasm/precompiled.js";
import { type Core, type CoreOptions, createCoreFrom, createCoreSyncFrom } from "../core.js";
import network from "../wasm/nn.wasm";
import simd from "../wasm/simd.wasm";

export * from "../index.js";

const wasm = /* @__PURE__ */ precompiledWasm(simd, { nn: network });

/** The `createCore` of Cloudflare Workers, whose Wasm must be part of the upload. */
export function createCore(options?: CoreOptions): Promise<Core> {
  return createCoreFrom(wasm, options);
}

/** The same, synchronously. */
export function createCoreSync(options?: CoreOptions): Core {
  return createCoreSyncFrom(wasm, options);
}
