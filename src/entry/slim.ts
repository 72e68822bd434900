import { type UserWasm, userWasm } from "../backend/wasm/user-wasm.js";
import { type Core, type CoreOptions, createCoreFrom, createCoreSyncFrom } from "../core.js";
import { OptionError } from "../errors.js";

export type { UserWasm } from "../backend/wasm/user-wasm.js";
export * from "../index.js";

/** Options of this entry point's `createCore`. */
export interface SlimCoreOptions extends CoreOptions {
  /** `lanewise/wasm/simd.wasm`: a Module, its bytes, a Response, a URL to fetch, or a promise of one of them. */
  wasm: UserWasm | PromiseLike<UserWasm>;
}

/**
 * A core on the Wasm that the caller brings, or on JavaScript where it cannot run. With `arithmetic: "relaxed"` bring
 * `lanewise/wasm/relaxed.wasm`; with `threads` and a Module, `lanewise/wasm/simd-threads.wasm` or `relaxed-threads.wasm`.
 * There is no wide mode here.
 *
 * @throws BackendError when `backend: "wasm"` was asked for and cannot run, OptionError for a bad option
 * @example
 * const core = await createCore({ wasm: fetch("/assets/simd.wasm") });
 */
export async function createCore(options: SlimCoreOptions): Promise<Core> {
  const { wasm, ...rest } = withWasm(options);
  return createCoreFrom(userWasm(wasm), rest);
}

/** The same, synchronously: `wasm` is a Module or its bytes. */
export function createCoreSync(options: SlimCoreOptions): Core {
  const { wasm, ...rest } = withWasm(options);
  return createCoreSyncFrom(userWasm(wasm), rest);
}

function withWasm(options: SlimCoreOptions): SlimCoreOptions {
  if (typeof options?.wasm === "object" && options.wasm !== null) return options;
  throw new OptionError("wasm is missing, expected a Module, bytes, a Response, a URL or a promise of one of them");
}
