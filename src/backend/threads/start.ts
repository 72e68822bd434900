import type { Allocator } from "../arena.js";
import type { Backend } from "../backend.js";
import type { CoreKernels } from "../families/core.js";
import type { KernelFamily } from "../family.js";
import { isShared } from "../wasm/instantiate.js";
import { threadedGemm } from "./gemm.js";
import type { Kernel } from "./job-queue.js";
import { Pool, type PoolOptions } from "./pool.js";
import { sharedCall, wholeLines } from "./shared-call.js";
import { StepSplitter } from "./step.js";

const NAMES = ["gemm_f32", "rmsprop_f32", "adam_f32", "sgd_f32", "accumulate_f32"] as const;

/** The kernels of a backend on several threads. */
export interface Threads {
  readonly kernels: CoreKernels;
  /** The kernels of another family; the calls that may be cut run on all threads. */
  share<K>(family: KernelFamily<K>, one: K, module: WebAssembly.Module): K;
  /** How many threads compute, and why not more; it may change when a worker ends. */
  readonly reason: string;
  dispose(): void;
}

/**
 * Starts `threads` − 1 workers over the backend's memory, and resolves when they are ready. Where they cannot be had, the
 * kernels are the backend's own, and the reason says why.
 *
 * @param module the core binary that the backend was instantiated from
 */
export async function startThreads(
  threads: number,
  backend: Pick<Backend, "kernels" | "memory">,
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  allocator: Allocator,
  options?: PoolOptions,
): Promise<Threads> {
  const one = backend.kernels;
  if (!isShared(memory)) {
    return { kernels: one, share: (_, own) => own, reason: "one thread: the memory is not shared", dispose() {} };
  }
  const pool = new Pool(threads - 1, memory, options);
  const binary = pool.learn(module, one as unknown as WebAssembly.Exports, NAMES);
  await pool.start();
  const run = (name: (typeof NAMES)[number]) => {
    const kernel = NAMES.indexOf(name);
    return (chunks: number) => pool.run(binary, kernel, chunks);
  };
  const steps = new StepSplitter(pool, backend.memory, allocator, one.measure_f32);
  const kernels: CoreKernels = {
    ...threadedGemm(pool, one, run("gemm_f32")),
    measure_f32: one.measure_f32,
    rmsprop_f32: steps.threaded(one.rmsprop_f32, run("rmsprop_f32")),
    adam_f32: steps.threaded(one.adam_f32, run("adam_f32")),
    sgd_f32: steps.threaded(one.sgd_f32, run("sgd_f32")),
    accumulate_f32: steps.accumulation(one.accumulate_f32, run("accumulate_f32")),
  };
  return {
    kernels,
    share: (family, own, other) => shareFamily(pool, family, own, other),
    get reason() {
      return pool.reason;
    },
    dispose: () => pool.dispose(),
  };
}

function shareFamily<K>(pool: Pool, family: KernelFamily<K>, one: K, module: WebAssembly.Module): K {
  const { shared = {}, scratchBytes = [] } = family as unknown as KernelFamily<Record<string, Kernel>>;
  const own = one as Record<string, Kernel>;
  const names = Object.keys(shared);
  const kernels = { ...own };
  if (names.length > 0) {
    const binary = pool.learn(module, own as unknown as WebAssembly.Exports, names);
    for (const [index, name] of names.entries()) {
      kernels[name] = sharedCall(pool, name, shared[name]!, own[name]!, (chunks) => pool.run(binary, index, chunks));
    }
  }
  for (const name of scratchBytes) {
    const bytes = own[name]!;
    kernels[name] = (...args) => pool.size * wholeLines(bytes(...args) as number);
  }
  return kernels as K;
}
