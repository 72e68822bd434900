import { Bench } from "tinybench";

/** Something to time here. */
export interface Side {
  readonly name: string;
  /** Does the work once. What returns a promise is awaited inside the timed window. */
  readonly run: () => void | Promise<void>;
  /** Called before each of the side's turns, untimed. */
  readonly prepare?: (() => void | Promise<void>) | undefined;
}

/** Something that times itself, in another process. */
export interface Gauge {
  readonly name: string;
  /** Milliseconds for the work once, the median of some runs. */
  readonly sample: () => number | Promise<number>;
}

/** Milliseconds for one run; within a round always the median. */
export interface Timing {
  readonly name: string;
  /** Of the median round: what everybody is compared by. */
  readonly median: number;
  /** Of the best round: far from the median when others used the machine. */
  readonly best: number;
}

/** How long everybody is timed in a round. */
export const ROUND_MILLISECONDS = 20;

/** Times the sides in turns, as often as `rounds` says: the best round and the median one. */
export async function measure(sides: readonly Side[], gauges: readonly Gauge[], rounds: number): Promise<Timing[]> {
  const samples = await measureRounds(sides, gauges, rounds);
  return [...sides, ...gauges].map(({ name }, i) => ({
    name,
    best: samples[i]![0]!,
    median: quantile(samples[i]!, 0.5),
  }));
}

/** How to live with others while measuring. */
export interface Manners {
  /** A clock in milliseconds, in place of the runtime's. */
  readonly now?: (() => number) | undefined;
  /** Milliseconds that a sample takes at least: long against the clock's resolution. Default 0.2. */
  readonly sample?: number | undefined;
  /** Ends the measuring between two turns. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each turn, untimed. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/**
 * Times the sides in turns, so that what disturbs the machine disturbs all of them. Milliseconds for one run in each
 * round, the shortest first: a list for each side, then one for each gauge.
 */
export async function measureRounds(
  sides: readonly Side[],
  gauges: readonly Gauge[],
  rounds: number,
  { now = () => performance.now(), sample = 0.2, signal, pause }: Manners = {},
): Promise<number[][]> {
  const begin = async ({ prepare }: Side) => {
    await pause?.();
    signal?.throwIfAborted();
    await prepare?.();
  };
  const plans: Plan[] = [];
  for (const side of sides) {
    await begin(side);
    plans.push(await planOf(side, now, sample));
  }
  const samples: number[][] = [...sides, ...gauges].map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, gauge] of gauges.entries()) samples[sides.length + i]!.push(await gauge.sample());
    const bench = new Bench({
      now,
      throws: true,
      time: ROUND_MILLISECONDS,
      iterations: 1,
      warmup: round === 0,
      warmupTime: ROUND_MILLISECONDS,
      warmupIterations: 1,
    });
    for (const [i, side] of sides.entries()) {
      const { repeat, async } = plans[i]!;
      bench.add(side.name, repeated(side.run, repeat), { async, beforeAll: () => begin(side) });
    }
    await bench.run();
    bench.tasks.forEach((task, i) => {
      if (!("latency" in task.result)) throw new Error(`${task.name}: ${JSON.stringify(task.result)}`);
      samples[i]!.push(task.result.latency.p50! / plans[i]!.repeat);
    });
  }
  for (const side of samples) side.sort((a, b) => a - b);
  return samples;
}

/** Ends this turn of the event loop, so that others get theirs. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** The value below which `share` of the sorted values lie. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

/** A function that runs `repeat` times; only what is asynchronous pays for awaiting. */
function repeated(run: Side["run"], repeat: number): Side["run"] {
  return () => {
    for (let r = 0; r < repeat; r++) {
      const pending = run();
      if (pending) return rest(run, pending, repeat - r - 1);
    }
  };
}

async function rest(run: Side["run"], pending: Promise<void>, repeat: number): Promise<void> {
  await pending;
  for (let r = 0; r < repeat; r++) await run();
}

/** How a side is run. */
interface Plan {
  /** Runs that make a sample long against the clock's resolution. */
  readonly repeat: number;
  readonly async: boolean;
}

async function planOf({ run }: Side, now: () => number, sample: number): Promise<Plan> {
  const first = run();
  await first;
  for (let repeat = 1; ; repeat *= 2) {
    const runs = repeated(run, repeat);
    // Once may be long because others had the processor.
    const times: number[] = [];
    while (times.length < 2) {
      const start = now();
      await runs();
      times.push(now() - start);
    }
    if (Math.min(...times) >= sample) return { repeat, async: first !== undefined };
  }
}
