import { embeddedWasm } from "../backend/wasm/embedded.js";
import { type Core, type CoreOptions, createCoreFrom, createCoreSyncFrom } from "../core.js";

export * from "../index.js";

/**
 * A core on the fastest backend that works here.
 *
 * @throws BackendError when `backend: "wasm"` was asked for and cannot run, OptionError for a bad option
 * @example
 * const core = await createCore();
 * console.log(core.backend, core.variant, core.reason);
 */
export function createCore(options?: CoreOptions): Promise<Core> {
  return createCoreFrom(embeddedWasm, options);
}

/** The same, where synchronous compilation is allowed: everywhere but on old browsers' main threads. */
export function createCoreSync(options?: CoreOptions): Core {
  return createCoreSyncFrom(embeddedWasm, options);
}
