import { gamma } from "../measure/check.js";
import { Random } from "../src/random.js";
import { type Contestant, type Operands, storedShapes } from "./contestant.js";
import type { Native } from "./native.js";
import type { Job, Unit } from "./run.js";
import { bytesOf, flopsOf, type Shape } from "./shapes.js";

/** Flops above which the slow are left out: at 1 GFLOP/s they take this many nanoseconds a run. */
const HEAVY_FLOPS = 1e8;

/** A product by everybody, against what arithmetic and memory allow. */
export function productJob(shape: Shape, unit: Unit, natives: readonly Native[]): Job {
  const operands = makeOperands(shape);
  const flops = flopsOf(shape);
  const bytes = bytesOf(shape);
  return {
    name: shape.name,
    origin: shape.origin,
    unit,
    amount: unit === "GB/s" ? bytes : flops,
    heavy: flops > HEAVY_FLOPS,
    start: (contestant) => contestant.product?.(shape, operands),
    runsBeforeCheck: 1,
    bound: (baseline) => boundOf(shape, operands, baseline),
    gauges: natives.map((native) => ({
      name: native.name,
      sample: () => Math.max(flops / native.multiplyAdd(), bytes / native.read(bytes)) / 1e6,
    })),
  };
}

/** Bringing the result of a product to JavaScript, once it is there. */
export function readBackJob(shape: Shape): Job {
  const job = productJob(shape, "time", []);
  return {
    ...job,
    name: `${shape.name}, its result`,
    async start(contestant) {
      const task = await job.start(contestant);
      if (task === undefined) return undefined;
      await task.run();
      return { ...task, run: () => void task.read() };
    },
  };
}

/** Numbers of both signs, in (−1, 1). */
function makeOperands(shape: Shape): Operands {
  const random = new Random(1);
  const numbers = (...dimensions: number[]) =>
    Float32Array.from({ length: dimensions.reduce((product, d) => product * d, 1) }, () => 2 * random.uniform() - 1);
  const shapes = storedShapes(shape);
  return { a: numbers(...shapes.a), b: numbers(...shapes.b), bias: numbers(shape.n) };
}

/** Two right results are each within γ·(Σ|a·b| + |bias|) of the truth; a bound on that sum is a product itself. */
async function boundOf(shape: Shape, { a, b, bias }: Operands, baseline: Contestant): Promise<Float32Array> {
  const sizes = await baseline.product!(shape, { a: a.map(Math.abs), b: b.map(Math.abs), bias: bias.map(Math.abs) });
  await sizes!.run();
  const bound = sizes!.read().map((size) => 2 * gamma(2 * shape.k + 4) * size);
  sizes!.dispose();
  return bound;
}
