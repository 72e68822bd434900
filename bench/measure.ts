import { Bench } from "tinybench";

/** One side of a comparison. */
export interface Side {
  readonly name: string;
  /** Does the work once. */
  readonly run: () => void;
}

/** Milliseconds for one run of a side. */
export interface Timing {
  readonly median: number;
  /** Median absolute deviation, as a share of the median. */
  readonly spread: number;
}

const ROUNDS = 5;
const SAMPLE_MILLISECONDS = 0.2;
const ROUND_MILLISECONDS = 80;

/**
 * Times the sides in turns, some rounds of each, so that what disturbs the machine disturbs all of them. `native` is
 * run once a round, between them.
 */
export async function measure(
  sides: readonly Side[],
  native?: () => number,
): Promise<{ timings: Timing[]; native: number[] }> {
  const repeats = sides.map(repeatsOf);
  const samples = sides.map((): { median: number; spread: number }[] => []);
  const natives: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    if (native) natives.push(native());
    const bench = new Bench({
      time: ROUND_MILLISECONDS,
      iterations: 3,
      warmup: round === 0,
      warmupTime: 100,
      warmupIterations: 2,
    });
    sides.forEach(({ name, run }, i) => {
      const repeat = repeats[i]!;
      bench.add(name, () => {
        for (let r = 0; r < repeat; r++) run();
      });
    });
    await bench.run();
    bench.tasks.forEach((task, i) => {
      if (!("latency" in task.result)) throw new Error(`${task.name}: ${JSON.stringify(task.result)}`);
      const { p50, mad } = task.result.latency;
      samples[i]!.push({ median: p50! / repeats[i]!, spread: mad! / p50! });
    });
  }
  const timings = samples.map((all) => ({
    median: middle(all.map((s) => s.median)),
    spread: middle(all.map((s) => s.spread)),
  }));
  return { timings, native: natives };
}

/** The median of some values; NaN of none. */
export function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Runs that make a sample long against the clock's resolution. */
function repeatsOf({ run }: Side): number {
  run();
  for (let repeat = 1; ; repeat *= 2) {
    const start = performance.now();
    for (let r = 0; r < repeat; r++) run();
    if (performance.now() - start >= SAMPLE_MILLISECONDS) return repeat;
  }
}
