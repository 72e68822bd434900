import { gamma } from "../measure/check.js";
import { Random } from "../src/random.js";
import type { Network, TrainingData } from "./contestant.js";
import type { PyTorch } from "./pytorch.js";
import type { Job } from "./run.js";

/** Steps before the losses are compared. */
const STEPS = 3;

/** The networks whose training step is measured. */
export const NETWORKS: readonly Network[] = [
  { widths: [10, 100, 1], activation: "tanh", batch: 32 },
  { widths: [10, 100, 1], activation: "tanh", batch: 1000 },
  { widths: [784, 128, 10], activation: "relu", batch: 64 },
  { widths: [784, 256, 128, 10], activation: "relu", batch: 128 },
  { widths: [10, 100, 1], activation: "tanh", batch: 32, byRow: true },
  { widths: [784, 128, 10], activation: "tanh", batch: 64, byRow: true },
];

/**
 * A step of RMSProp on the mean squared error of one batch: forward, backward, update, and the loss as a number; or such a
 * step of SGD for each row.
 */
export function networkJob(network: Network, pytorchs: readonly PyTorch[]): Job {
  const { widths, activation, batch, byRow } = network;
  const data = makeTraining(network);
  const numbers = [...data.layers.flatMap(({ weight, bias }) => [weight, bias]), data.x, data.y];
  return {
    name: `${widths.join("-")} ${activation}, ${byRow ? `${batch} rows, a step each` : `batch ${batch}`}`,
    unit: "time",
    amount: 1,
    start: (contestant) => contestant.network?.(network, data),
    runsBeforeCheck: STEPS,
    // The roundings of the longest path from an input to the loss, forward, backward and forward again.
    bound: (_, loss) => loss.map((value) => 4 * STEPS * gamma(widths.reduce((a, b) => a + b, batch)) * (value + 1)),
    gauges: (byRow ? [] : pytorchs).map((pytorch) => ({
      name: pytorch.name,
      sample: () => pytorch.milliseconds(),
      result: (runs) => pytorch.start(network, numbers, runs),
    })),
  };
}

function makeTraining({ widths, batch }: Network): TrainingData {
  const random = new Random(1);
  const numbers = (length: number, limit: number) =>
    Float32Array.from({ length }, () => limit * (2 * random.uniform() - 1));
  const layers = widths.slice(1).map((outputs, i) => {
    const inputs = widths[i]!;
    return { weight: numbers(inputs * outputs, Math.sqrt(6 / (inputs + outputs))), bias: numbers(outputs, 0.1) };
  });
  return { layers, x: numbers(batch * widths[0]!, 1), y: numbers(batch * widths.at(-1)!, 1) };
}
