// Lanewise's backends against each other, in any runtime: the measuring of `lanewise bench` and of pages.
import type { Core, CoreOptions, matmul, RMSProp } from "lanewise";
import { checkSame } from "./check.js";
import type { Environment } from "./environment.js";
import { measureRounds, pause, quantile } from "./rounds.js";
import { STEP, type Task } from "./task.js";

/** What is measured: an RMSProp step, or the product of two square matrices. */
export type Kind = "step" | "product";
/** What computes: JavaScript, Wasm on one thread, or on several. */
export type BackendName = "js" | "wasm" | "threads";

/** One backend at one size. */
export interface Result {
  readonly kind: Kind;
  /** Parameters of a step; n of an n × n × n product. */
  readonly size: number;
  readonly backend: BackendName;
  /** `core.variant`. */
  readonly variant: string;
  /** Threads that compute, the caller's among them. */
  readonly threads: number;
  /** Milliseconds of one run: the median of the samples. */
  readonly median: number;
  /** The samples' quartiles, p25 and p75, in milliseconds. */
  readonly spread: readonly [lower: number, upper: number];
  /** Turns of 20 ms; each gives the median of its runs. */
  readonly samples: number;
  /** Work by time, at the median. */
  readonly rate: number;
  readonly unit: "G parameters/s" | "GFLOP/s";
}

/** A run of the bench as a file: `lanewise bench --json`, and what a page offers to save. */
export interface Report {
  /** Version of Lanewise. */
  readonly lanewise: string;
  readonly environment: Environment;
  /** Of the numbers in `results`. Reports of 0.1.0 lack it. */
  readonly units?: typeof UNITS;
  readonly results: readonly Result[];
}

export const UNITS = { median: "ms", spread: "ms", rate: "see unit" } as const;

/** Sizes by kind. */
export type Sizes = Readonly<Record<Kind, readonly number[]>>;

/** What `compare` takes: the names of an entry point of Lanewise, and how to go about it. */
export interface CompareOptions {
  readonly createCore: (options?: CoreOptions) => Promise<Core>;
  readonly matmul: typeof matmul;
  readonly RMSProp: typeof RMSProp;
  /** Default SIZES. */
  readonly sizes?: Partial<Sizes>;
  /** More than 1: this number of threads is measured too, if available. Default 1. */
  readonly threads?: number;
  /** Samples of each result. Default 15. */
  readonly samples?: number;
  /** Milliseconds that a sample takes at least: more than 0.2, the default, where the clock is coarse. */
  readonly sample?: number | undefined;
  /** Ends the measuring: the generator throws its reason. */
  readonly signal?: AbortSignal | undefined;
  /** A clock in milliseconds. Default performance.now. */
  readonly now?: () => number;
}

export const SIZES: Sizes = { step: [1024, 32_768, 1_048_576], product: [16, 32, 64, 128, 256] };

/** Runs of a step before the results are compared. */
const STEPS = 3;

interface Side {
  readonly backend: BackendName;
  readonly core: Core;
  readonly threads: number;
}

/**
 * Measures steps, then products, from small to large: the results of each size together, one for each backend that runs
 * here. Before anything is timed, the backends' results are compared bit for bit. Between turns of 20 ms the event loop
 * goes on, so that a page or a progress bar stays alive.
 *
 * @throws Error where two backends differ, the reason of `signal`, and what Lanewise throws
 * @example
 * for await (const { kind, size, backend, rate, unit } of compare({ createCore, matmul, RMSProp })) {
 *   console.log(kind, size, backend, rate, unit);
 * }
 */
export async function* compare(options: CompareOptions): AsyncGenerator<Result, void, undefined> {
  const { matmul, RMSProp, samples = 15, sample, signal, now } = options;
  const { step, product } = { ...SIZES, ...options.sizes };
  const jobs = [
    ...step.map((size) => ({
      kind: "step" as const,
      size,
      work: size,
      unit: "G parameters/s" as const,
      runs: STEPS,
      start: (core: Core) => startStep(core, RMSProp, size),
    })),
    ...product.map((size) => ({
      kind: "product" as const,
      size,
      work: 2 * size ** 3,
      unit: "GFLOP/s" as const,
      runs: 1,
      start: (core: Core) => startProduct(core, matmul, size),
    })),
  ];
  const sides: Side[] = [];
  try {
    await startSides(sides, options);
    for (const { kind, size, work, unit, runs, start } of jobs) {
      const tasks: Task[] = [];
      try {
        let expected: Float32Array | undefined;
        for (const { core, backend } of sides) {
          await pause();
          signal?.throwIfAborted();
          const task = start(core);
          tasks.push(task);
          for (let run = 0; run < runs; run++) await task.run();
          const actual = task.read();
          expected ??= actual;
          checkSame(`${kind} of ${size}, ${backend}`, actual, expected);
        }
        const named = sides.map(({ backend }, i) => ({ name: backend, run: () => tasks[i]!.run() }));
        const times = await measureRounds(named, [], samples, { now, sample, signal, pause });
        for (const [i, { backend, core, threads }] of sides.entries()) {
          const median = quantile(times[i]!, 0.5);
          yield {
            kind,
            size,
            backend,
            variant: core.variant,
            threads,
            median,
            spread: [quantile(times[i]!, 0.25), quantile(times[i]!, 0.75)],
            samples,
            rate: work / median / 1e6,
            unit,
          };
        }
      } finally {
        for (const task of tasks) task.dispose();
      }
    }
  } finally {
    for (const { core } of sides) core.dispose();
  }
}

/** Adds the backends that run here. One that fell back to another is left out: it would be measured under a false name. */
async function startSides(sides: Side[], { createCore, threads = 1 }: CompareOptions): Promise<void> {
  const add = async (backend: BackendName, count: number, options: CoreOptions, runs: (core: Core) => boolean) => {
    const core = await createCore(options);
    if (runs(core)) sides.push({ backend, core, threads: count });
    else core.dispose();
  };
  await add("js", 1, { backend: "js" }, () => true);
  await add("wasm", 1, {}, ({ backend }) => backend === "wasm");
  if (threads > 1) await add("threads", threads, { threads }, sharesMemory);
}

/** Whether a core's threads compute: they do so in a memory that they share. */
export function sharesMemory(core: Core): boolean {
  const tensor = core.tensor([1]);
  const shared = Object.prototype.toString.call(tensor.data.buffer) === "[object SharedArrayBuffer]";
  tensor.dispose();
  return shared;
}

function startStep(core: Core, RMSProp: CompareOptions["RMSProp"], count: number): Task {
  const parameters = core.tensor([count], (i) => i % 7);
  const gradients = core.tensor([count], (i) => (i % 13) - 6.5);
  const { learningRate, decay, eps } = STEP;
  const optimizer = new RMSProp(core, parameters, { learningRate, decay, eps });
  return {
    run: () => optimizer.step(gradients),
    read: () => parameters.data.slice(),
    dispose() {
      for (const it of [optimizer, parameters, gradients]) it.dispose();
    },
  };
}

function startProduct(core: Core, matmul: CompareOptions["matmul"], n: number): Task {
  const a = core.tensor([n, n], uneven);
  const b = core.tensor([n, n], (i) => uneven(i + 1));
  const out = core.tensor([n, n]);
  return {
    run: () => void matmul(a, b, { out }),
    read: () => out.data.slice(),
    dispose() {
      for (const tensor of [a, b, out]) tensor.dispose();
    },
  };
}

/** Numbers of both signs with all their bits in use. */
function uneven(i: number): number {
  return (((i * 7919) % 10_007) - 5003) / 5003;
}
