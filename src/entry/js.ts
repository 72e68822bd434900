import { type Core, type CoreOptions, createCoreFrom, createCoreSyncFrom } from "../core.js";

export * from "../index.js";

/** A core on the pure JavaScript backend: this entry point carries no Wasm. */
export function createCore(options?: CoreOptions): Promise<Core> {
  return createCoreFrom(undefined, options);
}

/** The same, synchronously. */
export function createCoreSync(options?: CoreOptions): Core {
  return createCoreSyncFrom(undefined, options);
}
