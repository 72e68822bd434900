// How long v, the average of squared gradients, remembers one gradient: about 1/(1 − decay) steps.
import * as Plot from "@observablehq/plot";
import { createCore, RMSProp } from "lanewise";
import { runAsMain } from "./main.js";
import { type Point, savePlot } from "./plot.js";

export interface Memory {
  decay: number;
  /** What is left of the square of one gradient after 0, 1, … steps with the gradient 0. */
  remembered: number[];
  /** Steps until less than 1/e of it is left. */
  length: number;
}

export async function run(): Promise<Memory[]> {
  using core = await createCore();
  return [0.5, 0.9, 0.99, 0.999].map((decay) => {
    using optimizer = new RMSProp(core, new Float32Array(1), { decay });
    const squareAverages = Array.from({ length: 3001 }, (_, i) => {
      optimizer.step(Float32Array.of(i === 0 ? 1 : 0));
      return optimizer.state().parameters["0"]!.squareAverage![0];
    });
    const remembered = squareAverages.map((v) => v! / squareAverages[0]!);
    return { decay, remembered, length: remembered.findIndex((share) => share < 1 / Math.E) };
  });
}

await runAsMain(import.meta.url, async () => {
  const memories = await run();
  console.log("decay   1/(1 − decay)   less than 1/e is left after");
  for (const { decay, length } of memories) {
    console.log(`${decay}`.padEnd(5), (1 / (1 - decay)).toFixed(0).padStart(15), `${length} steps`.padStart(29));
  }
  savePlot(
    "memory-length",
    "What is left in v of the square of an old gradient",
    Object.fromEntries(
      memories.map(({ decay, remembered }) => [
        `decay ${decay}`,
        remembered.slice(1).map((share, i): Point => [i + 1, share]),
      ]),
    ),
    {
      x: { label: "steps since the gradient", type: "log" },
      y: { label: "share left", domain: [0, 1] },
      marks: [
        Plot.ruleY([1 / Math.E], { strokeDasharray: "4" }),
        Plot.text(["1/e"], { frameAnchor: "right", y: 1 / Math.E, dy: -10, dx: -4 }),
      ],
    },
  );
});
