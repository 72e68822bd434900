import type { Allocator } from "../arena.js";
import type { Backend } from "../backend.js";
import type { CoreKernels } from "../families/core.js";
import { ADAM_STEPS, CORE_STEPS, SGD_STEPS } from "../families/core-steps.js";
import type { KernelFamily, StepKernel } from "../family.js";
import { binary as copies } from "../wasm/binaries/copies.js";
import { binary as pieces } from "../wasm/binaries/pieces.js";
import { compileBinary, isShared } from "../wasm/instantiate.js";
import { threadedGemm } from "./gemm.js";
import type { Kernel } from "./job-queue.js";
import { type Describe, Pool, type PoolOptions, type TakeOver } from "./pool.js";
import { sharedCall } from "./shared-call.js";
import { type ScratchBytes, StepSplitter } from "./step.js";

const STEP_NAMES = Object.keys(CORE_STEPS) as (keyof typeof CORE_STEPS)[];
const NAMES: readonly (keyof CoreKernels)[] = ["gemm_f32", "accumulate_f32", ...STEP_NAMES];

const STEPS_IN_PIECES = { ...CORE_STEPS, ...ADAM_STEPS, ...SGD_STEPS };

/** The step kernels as workers have them (assembly/threads/pieces.ts), which JavaScript has not. */
const PIECES = { name: "pieces", binary: pieces, steps: STEPS_IN_PIECES } as unknown as KernelFamily<object>;

/** The kernels of a backend on several threads. */
export interface Threads {
  readonly kernels: CoreKernels;
  /** The kernels of another family; the calls that may be cut run on all threads. */
  share<K>(family: KernelFamily<K>, one: K, module: WebAssembly.Module): K;
  /** How many threads compute, and why not more; it may change when a worker ends. */
  readonly reason: string;
  /** What was lost when a worker ended in the middle of a job: nothing is computed from then on. */
  readonly broken: string | undefined;
  dispose(): void;
}

/**
 * Starts `threads` − 1 workers over the backend's memory, and resolves when they are ready. If they are unavailable,
 * the kernels are the backend's own, and the reason says why.
 *
 * @param module the core binary that the backend was instantiated from
 */
export async function startThreads(
  threads: number,
  backend: Pick<Backend, "kernels" | "memory" | "load">,
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  allocator: Allocator,
  options?: PoolOptions,
): Promise<Threads> {
  const one = backend.kernels;
  if (!isShared(memory)) {
    return {
      kernels: one,
      share: (_, own) => own,
      reason: "one thread: the memory is not shared",
      broken: undefined,
      dispose() {},
    };
  }
  const inPieces = backend.load(PIECES).module!;
  const pool = new Pool(threads - 1, memory, allocator, compileBinary(copies, memory), options, inPieces);
  const binary = pool.learn(module, one as unknown as WebAssembly.Exports, NAMES);
  await pool.start();
  const run = (name: keyof CoreKernels) => {
    const kernel = NAMES.indexOf(name);
    return (chunks: number, describe: Describe, takeOver?: TakeOver) =>
      pool.run(binary, kernel, chunks, describe, takeOver);
  };
  const steps = new StepSplitter(pool, backend.memory, one.measure_f32);
  const stepKernels = Object.fromEntries(
    STEP_NAMES.map((name) => [name, steps.threaded(one[name], { ...CORE_STEPS[name], isInPieces: true }, run(name))]),
  ) as Pick<CoreKernels, keyof typeof CORE_STEPS>;
  const kernels: CoreKernels = {
    ...one,
    ...threadedGemm(pool, one, run("gemm_f32")),
    ...stepKernels,
    accumulate_f32: steps.accumulation(one.accumulate_f32, run("accumulate_f32")),
  };
  return {
    kernels,
    share: (family, own, other) => shareFamily(pool, steps, family, own, other),
    get reason() {
      return pool.reason;
    },
    get broken() {
      return pool.broken;
    },
    dispose: () => pool.dispose(),
  };
}

function shareFamily<K>(
  pool: Pool,
  splitter: StepSplitter,
  family: KernelFamily<K>,
  one: K,
  module: WebAssembly.Module,
): K {
  const { shared = {}, steps = {} } = family as unknown as KernelFamily<Record<string, Kernel>>;
  const own = one as Record<string, Kernel>;
  const names = [...Object.keys(shared), ...Object.keys(steps)];
  const kernels = { ...own };
  if (names.length > 0) {
    const binary = pool.learn(module, own as unknown as WebAssembly.Exports, names);
    for (const [index, name] of names.entries()) {
      const run = (chunks: number, describe: Describe, takeOver?: TakeOver) =>
        pool.run(binary, index, chunks, describe, takeOver);
      const cut = shared[name];
      if (cut !== undefined) kernels[name] = sharedCall(pool, name, cut, own[name]!, run);
      else {
        const { scratch, ...step } = steps[name]!;
        const bytes = scratch === undefined ? undefined : (own[scratch] as ScratchBytes);
        const isInPieces = name in STEPS_IN_PIECES;
        kernels[name] = splitter.threaded(own[name] as StepKernel, { ...step, isInPieces }, run, bytes) as Kernel;
      }
    }
  }
  return kernels as K;
}
