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

const SAMPLE_MILLISECONDS = 0.2;
/** How long everybody is timed in a round. */
export const ROUND_MILLISECONDS = 20;

/** Times the sides in turns, some rounds of each, so that what disturbs the machine disturbs all of them. */
export async function measure(sides: readonly Side[], gauges: readonly Gauge[], rounds: number): Promise<Timing[]> {
  const plans: Plan[] = [];
  for (const side of sides) plans.push(await planOf(side));
  const samples: number[][] = [...sides, ...gauges].map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, gauge] of gauges.entries()) samples[sides.length + i]!.push(await gauge.sample());
    const bench = new Bench({
      time: ROUND_MILLISECONDS,
      iterations: 1,
      warmup: round === 0,
      warmupTime: ROUND_MILLISECONDS,
      warmupIterations: 1,
    });
    for (const [i, { name, run, prepare }] of sides.entries()) {
      const { repeat, async } = plans[i]!;
      bench.add(name, repeated(run, repeat), { async, ...(prepare && { beforeAll: async () => prepare() }) });
    }
    await bench.run();
    bench.tasks.forEach((task, i) => {
      if (!("latency" in task.result)) throw new Error(`${task.name}: ${JSON.stringify(task.result)}`);
      samples[i]!.push(task.result.latency.p50! / plans[i]!.repeat);
    });
  }
  return [...sides, ...gauges].map(({ name }, i) => ({
    name,
    best: Math.min(...samples[i]!),
    median: middle(samples[i]!),
  }));
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
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

async function planOf({ run, prepare }: Side): Promise<Plan> {
  await prepare?.();
  const first = run();
  await first;
  for (let repeat = 1; ; repeat *= 2) {
    const start = performance.now();
    await repeated(run, repeat)();
    if (performance.now() - start >= SAMPLE_MILLISECONDS) return { repeat, async: first !== undefined };
  }
}
