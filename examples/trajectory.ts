// Twenty steps of RMSProp down a long valley: 0.1·x₁² + 2·x₂² from (−5, −2).
import * as Plot from "@observablehq/plot";
import { createCore, type MinimizeStep, minimize, RMSProp } from "lanewise";
import { runAsMain } from "./main.js";
import { contours, type Point, savePlot } from "./plot.js";

const f = (x1: number, x2: number) => 0.1 * x1 ** 2 + 2 * x2 ** 2;

/** The start and the points after each of 20 steps. */
export async function run(): Promise<MinimizeStep[]> {
  using core = await createCore();
  const { trace } = minimize(([x1, x2]) => f(x1!, x2!), [-5, -2], {
    optimizer: (point) => new RMSProp(core, point, { learningRate: 0.4, decay: 0.9, eps: 1e-6 }),
    gradient: ([x1, x2]) => [0.2 * x1!, 4 * x2!],
    iterations: 20,
  });
  return trace;
}

await runAsMain(import.meta.url, async () => {
  const trace = await run();
  console.log("step        x₁         x₂          f");
  for (const { iteration, point, value } of trace) {
    console.log(`${iteration}`.padStart(4), ...[...point, value].map((number) => number.toFixed(6).padStart(10)));
  }
  const path = trace.map(({ point: [x1, x2] }): Point => [x1!, x2!]);
  savePlot(
    "trajectory",
    "0.1·x₁² + 2·x₂² from (−5, −2), learning rate 0.4, decay 0.9",
    { "20 steps of RMSProp": path },
    {
      x: { label: "x₁" },
      y: { label: "x₂" },
      grid: false,
      marks: [
        contours(f, [0.02, 0.1, 0.5, 1, 2, 4, 6, 8, 10, 12], { x1: -5.5, x2: 2, y1: -2.5, y2: 2 }),
        Plot.dot(path, { r: 3, fill: "black" }),
      ],
    },
  );
});
