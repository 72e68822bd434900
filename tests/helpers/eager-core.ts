import type { PoolOptions } from "../../src/backend/threads/pool.js";
import { embeddedWasm } from "../../src/backend/wasm/embedded.js";
import { type Core, type CoreOptions, createCoreFrom } from "../../src/core.js";

/** A core on several threads that shares whatever can be cut, however small. */
export async function eagerCore(options: CoreOptions, pool: PoolOptions = {}): Promise<Core> {
  const { startThreads } = await embeddedWasm.loadThreads!();
  const eager: typeof startThreads = (threads, backend, module, memory, allocator) =>
    startThreads(threads, backend, module, memory, allocator, { ...pool, eager: true });
  const source = { ...embeddedWasm, loadThreads: async () => ({ startThreads: eager }) };
  return createCoreFrom(source, { ...options, backend: "wasm" });
}
