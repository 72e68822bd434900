import type { Allocator } from "../arena.js";
import type { Backend, Kernels } from "../backend.js";
import { isShared } from "../wasm/instantiate.js";
import { threadedGemm } from "./gemm.js";
import { Pool, type PoolOptions } from "./pool.js";
import { StepSplitter } from "./step.js";

const NAMES = ["gemm_f32", "rmsprop_f32", "adam_f32", "sgd_f32", "accumulate_f32"] as const;

/** The kernels of a backend on several threads. */
export interface Threads {
  readonly kernels: Kernels;
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
    return { kernels: one, reason: "one thread: the memory is not shared", dispose() {} };
  }
  const pool = new Pool(threads - 1, memory, options);
  const binary = pool.learn(module, one as unknown as WebAssembly.Exports, NAMES);
  await pool.start();
  const run = (name: (typeof NAMES)[number]) => {
    const kernel = NAMES.indexOf(name);
    return (chunks: number) => pool.run(binary, kernel, chunks);
  };
  const steps = new StepSplitter(pool, backend.memory, allocator, one.measure_f32);
  const kernels: Kernels = {
    ...threadedGemm(pool, one, run("gemm_f32")),
    measure_f32: one.measure_f32,
    rmsprop_f32: steps.threaded(one.rmsprop_f32, run("rmsprop_f32")),
    adam_f32: steps.threaded(one.adam_f32, run("adam_f32")),
    sgd_f32: steps.threaded(one.sgd_f32, run("sgd_f32")),
    accumulate_f32: steps.accumulation(one.accumulate_f32, run("accumulate_f32")),
  };
  return {
    kernels,
    get reason() {
      return pool.reason;
    },
    dispose: () => pool.dispose(),
  };
}
