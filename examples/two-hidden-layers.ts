// A network with hidden layers of 10 and 5 units learns a sine by the rule θ ← θ − η·√v/(v + ε)·g.
import { createCore, RMSProp } from "lanewise";
import { dense, heNormal, meanSquaredError, relu, Sequential, Trainer } from "lanewise/nn";
import { runAsMain } from "./main.js";
import { type Point, savePlot } from "./plot.js";

const ITERATIONS = 1000;

/** 1 → 10 → 5 → 1. */
export const layers = [
  dense(1, 10, { initializer: heNormal() }),
  relu(),
  dense(10, 5, { initializer: heNormal() }),
  relu(),
  dense(5, 1, { initializer: heNormal() }),
];

/** sin x at 201 points from −π to π. */
export const x = Float32Array.from({ length: 201 }, (_, i) => ((i - 100) / 100) * Math.PI);
export const y = x.map(Math.sin);

/** The loss after 0, 1, … iterations, and the network's curve after some of them. */
export async function run(): Promise<{ losses: number[]; curves: { iteration: number; values: Float32Array }[] }> {
  using core = await createCore();
  const model = new Sequential(core, layers);
  const trainer = new Trainer(model, {
    loss: meanSquaredError(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: 2e-3, decay: 0.9, epsPlacement: "ratio" }),
  });
  const losses: number[] = [];
  const curves = [];
  for (let iteration = 0; iteration <= ITERATIONS; iteration++) {
    if ([100, 300, 1000].includes(iteration)) curves.push({ iteration, values: model.predict(x).data.slice() });
    losses.push(trainer.step(x, y));
  }
  return { losses, curves };
}

await runAsMain(import.meta.url, async () => {
  const { losses, curves } = await run();
  for (let i = 0; i <= ITERATIONS; i += 100) {
    console.log(`iteration ${`${i}`.padStart(4)}  loss ${losses[i]!.toFixed(6)}`);
  }
  const curve = (values: Float32Array): Point[] => Array.from(values, (value, i) => [x[i]!, value]);
  savePlot(
    "two-hidden-layers",
    "A 1-10-5-1 network with ReLU learns a sine",
    {
      "sin x": curve(y),
      ...Object.fromEntries(curves.map(({ iteration, values }) => [`after ${iteration} iterations`, curve(values)])),
    },
    { x: { label: "x" }, y: { label: "y", domain: [-1.5, 1.5] } },
  );
});
