// A gradient that is 1 with some noise: plain RMSProp divides by its size, centered RMSProp only by its noise.
import { createCore, RMSProp } from "lanewise";
import { Random } from "lanewise/nn";
import { runAsMain } from "./main.js";
import { type Point, savePlot } from "./plot.js";
import { stepLengths } from "./step-lengths.js";

const NOISE = 0.25;
const LEARNING_RATE = 0.001;

export interface Result {
  gradients: number[];
  /** Lengths of the steps, in learning rates. */
  plain: number[];
  centered: number[];
}

export async function run(): Promise<Result> {
  using core = await createCore();
  const random = new Random(0);
  const gradients = Array.from({ length: 2000 }, () => Math.fround(1 + NOISE * random.normal()));
  const lengths = (centered: boolean) =>
    stepLengths(
      gradients,
      (theta) => new RMSProp(core, theta, { learningRate: LEARNING_RATE, decay: 0.99, centered }),
    ).map((length) => length / LEARNING_RATE);
  return { gradients, plain: lengths(false), centered: lengths(true) };
}

/** The mean once the averages have forgotten their start. */
export function settledMean(lengths: number[]): number {
  const settled = lengths.slice(500);
  return settled.reduce((sum, length) => sum + length, 0) / settled.length;
}

await runAsMain(import.meta.url, async () => {
  const { gradients, plain, centered } = await run();
  console.log(`Gradient: mean 1, standard deviation ${NOISE}. Mean step after the first 500, in learning rates:\n`);
  console.log(
    `plain     ${settledMean(plain).toFixed(3)}   about 1/√(1² + ${NOISE}²) = ${(1 / Math.hypot(1, NOISE)).toFixed(3)}`,
  );
  console.log(`centered  ${settledMean(centered).toFixed(3)}   about 1/${NOISE} = ${(1 / NOISE).toFixed(3)}`);

  const line = (lengths: number[]): Point[] => lengths.map((length, i) => [i + 1, length / gradients[i]!]);
  savePlot(
    "centered",
    "What RMSProp makes of a gradient of 1 ± 0.25",
    { "centered, 1/√(v − m²)": line(centered), "plain, 1/√v": line(plain) },
    { x: { label: "step" }, y: { label: "factor of the gradient", domain: [0, 8] } },
  );
});
