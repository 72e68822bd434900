import { checkSame, checkWithin } from "../measure/check.js";
import { type Gauge, measure, type Timing } from "../measure/rounds.js";
import type { Task } from "../measure/task.js";
import type { Contestant } from "./contestant.js";

/** What a row counts: rates, or for `"time"` milliseconds themselves. */
export type Unit = "GFLOP/s" | "GB/s" | "G parameters/s" | "time";

/** Some work for everybody. */
export interface Job {
  readonly name: string;
  readonly origin?: string | undefined;
  readonly unit: Unit;
  /** Flops, bytes or parameters of one run. */
  readonly amount: number;
  /** Too much for the slow. */
  readonly heavy?: boolean;
  start(contestant: Contestant): Task | undefined | Promise<Task | undefined>;
  /** How far two right results may be apart, element by element, after `runsBeforeCheck` runs. */
  bound(baseline: Contestant, result: Float32Array): Float32Array | Promise<Float32Array>;
  readonly runsBeforeCheck: number;
  /** Who times the same work in another process. */
  readonly gauges: readonly JobGauge[];
}

/** A gauge, with its result if it has one. */
export interface JobGauge extends Gauge {
  /** The result has the bits of the first contestant's. Default: it is within the bound. */
  readonly exact?: boolean;
  /** The result after this number of runs, if it can be had; makes the work anew. */
  readonly result?: (runs: number) => Float32Array | Promise<Float32Array | undefined>;
}

/** A job, measured. */
export interface Row {
  readonly name: string;
  readonly origin?: string | undefined;
  readonly unit: Unit;
  readonly amount: number;
  readonly timings: readonly Timing[];
  /** What went wrong with whom. */
  readonly notes: readonly string[];
}

/** Starts the job with everybody who can, compares the results with the first one's, then times them in turns. */
export async function run(job: Job, contestants: readonly Contestant[], rounds: number): Promise<Row> {
  const notes: string[] = [];
  const started: { contestant: Contestant; task: Task }[] = [];
  let expected: Float32Array | undefined;
  let bound: Float32Array | undefined;
  try {
    for (const contestant of contestants) {
      const { name, exact, slow, prepare } = contestant;
      if (slow && job.heavy) continue;
      await prepare?.();
      let actual: Float32Array;
      try {
        const task = await job.start(contestant);
        if (task === undefined) continue;
        started.push({ contestant, task });
        for (let r = 0; r < job.runsBeforeCheck; r++) await task.run();
        actual = task.read();
      } catch (error) {
        // What the others are held against has to work.
        if (expected === undefined) throw error;
        if (started.at(-1)?.contestant === contestant) started.pop();
        notes.push(`${name}: ${error instanceof Error ? error.message : error}`);
        continue;
      }
      if (expected === undefined || bound === undefined) {
        expected = actual.slice();
        bound = await job.bound(contestant, expected);
      } else if (exact) checkSame(`${job.name}, ${name}`, actual, expected);
      else checkWithin(`${job.name}, ${name}`, actual, expected, bound);
    }
    for (const { name, exact, result } of job.gauges) {
      if (!result || !expected || !bound) continue;
      const actual = await result(job.runsBeforeCheck);
      if (actual === undefined) continue;
      if (exact) checkSame(`${job.name}, ${name}`, actual, expected);
      else checkWithin(`${job.name}, ${name}`, actual, expected, bound);
    }
    const sides = started.map(({ contestant: { name, prepare }, task }) => ({ name, prepare, run: () => task.run() }));
    const timings = await measure(sides, job.gauges, rounds);
    const { name, origin, unit, amount } = job;
    return { name, origin, unit, amount, timings, notes };
  } finally {
    for (const { task } of started) task.dispose();
  }
}
