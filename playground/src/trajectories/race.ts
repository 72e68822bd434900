import {
  AdaGrad,
  Adam,
  type Core,
  constantSchedule,
  cosineDecay,
  exponentialDecay,
  type Optimizer,
  RMSProp,
  type RMSPropOptions,
  type Schedule,
  SGD,
  stepDecay,
} from "lanewise";
import type { Surface } from "./surfaces.ts";

export type Racer = "rmsprop" | "adam" | "adagrad" | "sgd";

/** An optimizer that takes part. */
export interface Entrant {
  /** Of its color, name and row. */
  readonly id: string;
  readonly racer: Racer;
  readonly learningRate: number;
  readonly options: Record<string, unknown>;
}

/** Where an optimizer went: everything has an entry for the start and one for each step. */
export interface Trace {
  readonly id: string;
  readonly points: [number, number][];
  /** The parameters' moving average, with `emaDecay`. */
  readonly averages: [number, number][];
  readonly losses: number[];
  /** What multiplies the slope of each axis; null where that cannot be said. */
  readonly rates: [(number | null)[], (number | null)[]];
  /** What stopped it. */
  readonly error?: string;
}

export const SCHEDULES: Readonly<Record<string, (rate: number, steps: number) => Schedule>> = {
  constant: constantSchedule,
  cosine: cosineDecay,
  exponential: (rate, steps) => exponentialDecay(rate, 0.01 ** (1 / steps)),
  steps: (rate, steps) => stepDecay(rate, Math.ceil(steps / 3), 0.1),
};

/** Runs an optimizer from a point down a surface. */
export function race(
  core: Core,
  { f, gradient }: Surface,
  start: readonly [number, number],
  steps: number,
  schedule: string,
  { id, racer, learningRate, options }: Entrant,
): Trace {
  const trace: Trace = { id, points: [], averages: [], losses: [], rates: [[], []] };
  const point = core.tensor([2], start);
  const slope = core.tensor([2]);
  let optimizer: Optimizer | undefined;
  try {
    const rate = SCHEDULES[schedule]!(learningRate, steps);
    optimizer = create(core, racer, point, { learningRate: rate, ...options });
    for (let step = 0; ; step++) {
      const [x, y] = point.data as unknown as [number, number];
      trace.points.push([x, y]);
      trace.losses.push(f(x, y));
      if (options.emaDecay !== undefined)
        trace.averages.push([...(optimizer.averaged() as Float32Array)] as [number, number]);
      const [along1, along2] = effectiveRates(optimizer, step, options);
      trace.rates[0].push(along1);
      trace.rates[1].push(along2);
      if (step === steps) return trace;
      slope.set(gradient(x, y));
      optimizer.step(slope);
    }
  } catch (error) {
    return { ...trace, error: (error as Error).message };
  } finally {
    optimizer?.dispose();
    slope.dispose();
    point.dispose();
  }
}

function create(core: Core, racer: Racer, point: ReturnType<Core["tensor"]>, options: object): Optimizer {
  switch (racer) {
    case "rmsprop":
      return new RMSProp(core, point, options) as Optimizer;
    case "adam":
      return new Adam(core, point, options) as Optimizer;
    case "adagrad":
      return new AdaGrad(core, point, options) as Optimizer;
    case "sgd":
      return new SGD(core, point, options) as Optimizer;
  }
}

/** The learning rate over the root of what the optimizer remembers of squared slopes, without its eps. */
function effectiveRates(
  optimizer: Optimizer,
  step: number,
  { biasCorrection, decay = 0.9 }: { biasCorrection?: boolean; decay?: number },
): [number | null, number | null] {
  const { squareAverage, gradientAverage, squareSum } = Object.values(optimizer.state().parameters)[0]!;
  const name = optimizer.description().optimizer;
  const remembered = name === "Adam" ? 0.999 : decay;
  const correction = name === "Adam" || biasCorrection ? 1 - remembered ** step : 1;
  const along = (axis: number): number | null => {
    if (name === "SGD") return optimizer.learningRate;
    const mean = name === "RMSProp" ? (gradientAverage?.[axis] ?? 0) / correction : 0;
    const square = squareSum?.[axis] ?? squareAverage![axis]! / correction - mean ** 2;
    return square > 0 ? optimizer.learningRate / Math.sqrt(square) : null;
  };
  return [along(0), along(1)];
}

const known = new Map<string, ReadonlyMap<string, string>>();

/** Every option of RMSProp that a dialect lacks, with what Lanewise says about it. */
export function lackingOptions(
  core: Core,
  dialect: string,
  samples: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, string> {
  const found = known.get(dialect);
  if (found !== undefined) return found;
  const point = core.tensor([1]);
  const lacking = new Map<string, string>();
  for (const [key, value] of Object.entries(samples)) {
    const companions = { nesterov: { momentum: 0.9 }, meanDecay: { centered: true } }[key] ?? {};
    try {
      new RMSProp(core, point, { dialect, [key]: value, ...companions } as RMSPropOptions).dispose();
    } catch (error) {
      lacking.set(key, (error as Error).message);
    }
  }
  point.dispose();
  known.set(dialect, lacking);
  return lacking;
}

/** Traces that nobody could tell apart on a map, together; in the order of their first. */
export function groupAlike(traces: readonly Trace[], { window }: Surface): Trace[][] {
  const near = (window.x[1] - window.x[0] + window.y[1] - window.y[0]) / 1000;
  const isAlike = (a: Trace, b: Trace): boolean =>
    a.points.length === b.points.length &&
    a.points.every(([x, y], i) => Math.hypot(x - b.points[i]![0], y - b.points[i]![1]) <= near);
  const groups: Trace[][] = [];
  for (const trace of traces) {
    const group = groups.find(([first]) => isAlike(first!, trace));
    if (group === undefined) groups.push([trace]);
    else group.push(trace);
  }
  return groups;
}

/** What a dialect takes for ρ, from one step: v goes from v₀ to ρ·v₀ + (1 − ρ)·2². */
export function defaultDecay(core: Core, dialect: string): number {
  const point = core.tensor([1]);
  const optimizer = new RMSProp(core, point, { dialect } as RMSPropOptions);
  const remembered = (): number => Object.values(optimizer.state().parameters)[0]!.squareAverage![0]!;
  const before = remembered();
  optimizer.step(new Float32Array([2]));
  const decay = (4 - remembered()) / (4 - before);
  optimizer.dispose();
  point.dispose();
  return Math.round(decay * 1e4) / 1e4;
}
