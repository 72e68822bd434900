import binaryen from "binaryen";
import { type Spawn, spawnWorker } from "../../src/backend/threads/spawn.js";
import type { Core, CoreOptions } from "../../src/core.js";
import { eagerCore } from "./eager-core.js";

/** What a kernel does in a worker after it has overwritten the first number of its result. */
export type Spoilt = "spins" | "traps";

/** Where a kernel's result begins: step kernels are given a table, whose first word is a parameter's address. */
function resultOf(kernel: string): string {
  if (kernel === "gemm_f32") return "(local.get 14)";
  return kernel === "accumulate_f32"
    ? "(i32.load offset=32 (local.get 0))" // SEGMENT_ACCUMULATOR
    : "(i32.load (local.get 0))";
}

/** A module with these kernels, every one of which writes NaN over the beginning of its result, and then does not end. */
function spoiltModule(kernels: readonly string[], spoilt: Spoilt): WebAssembly.Module {
  const end = spoilt === "spins" ? "(loop $l (br $l))" : "(unreachable)";
  const functions = kernels.map(
    (kernel) => `(func (export "${kernel}") (param ${"i32 ".repeat(20)})
      (i32.store ${resultOf(kernel)} (i32.const 0x7fc00000)) ${end})`,
  );
  const module = binaryen.parseText(`(module (import "env" "memory" (memory 1 65536 shared)) ${functions.join(" ")})`);
  module.setFeatures(binaryen.Features.All);
  const bytes = module.emitBinary();
  module.dispose();
  return new WebAssembly.Module(Uint8Array.from(bytes));
}

/** A core on two threads that shares whatever can be cut, and whose worker fails in the middle of these kernels. */
export function coreWithSpoiltWorker(
  spoilt: Spoilt,
  spoils: (kernel: string) => boolean,
  options: CoreOptions = {},
): Promise<Core> {
  const spawn: Spawn = (listener) => {
    const worker = spawnWorker(listener);
    return {
      ...worker,
      post: (message) =>
        worker.post(
          message.kernels.some(spoils) ? { ...message, module: spoiltModule(message.kernels, spoilt) } : message,
        ),
    };
  };
  return eagerCore({ ...options, threads: 2 }, { spawn, patienceMilliseconds: 50 });
}
