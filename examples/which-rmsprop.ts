// One slope, θ⁴/4, whose gradient vanishes, and the RMSProp of every framework with that framework's own defaults.
import { createCore, type DialectName, RMSProp } from "lanewise";
import { runAsMain } from "./main.js";
import { type Point, savePlot } from "./plot.js";

const LEARNING_RATE = 0.01;
const STEPS = 1000;

const DIALECTS: DialectName[] = [
  "pytorch",
  "mxnet2",
  "tf-keras-legacy",
  "keras3",
  "keras2",
  "tfjs",
  "optax",
  "mxnet1",
  "paddle",
  "tf1",
  "timm",
];

/** θ after 0, 1, … steps, by dialect. */
export type Result = Record<DialectName, number[]>;

export async function run(): Promise<Result> {
  using core = await createCore();
  return Object.fromEntries(
    DIALECTS.map((dialect) => {
      const theta = new Float32Array([1]);
      using optimizer = new RMSProp(core, theta, { dialect, learningRate: LEARNING_RATE });
      const path = [theta[0]];
      for (let i = 0; i < STEPS; i++) {
        optimizer.step(theta.map((x) => x * x * x));
        path.push(theta[0]);
      }
      return [dialect, path];
    }),
  ) as Result;
}

await runAsMain(import.meta.url, async () => {
  const paths = await run();
  const shown = [1, 10, 100, 300, STEPS];
  console.log(`θ⁴/4 from θ = 1, learning rate ${LEARNING_RATE}, everything else as the framework has it. θ after\n`);
  console.log("steps".padEnd(16), ...shown.map((step) => `${step}`.padStart(11)));
  for (const [dialect, path] of Object.entries(paths)) {
    console.log(dialect.padEnd(16), ...shown.map((step) => path[step]!.toFixed(7).padStart(11)));
  }
  const line = (dialect: DialectName): Point[] => paths[dialect].map((theta, step) => [step, theta]);
  savePlot(
    "which-rmsprop",
    "θ⁴/4 from θ = 1: one name, one learning rate",
    {
      pytorch: line("pytorch"),
      "mxnet2, ε outside": line("mxnet2"),
      "optax, inside": line("optax"),
      "paddle, 1e-6 inside": line("paddle"),
      "tf1, v from 1": line("tf1"),
    },
    { x: { label: "step" }, y: { label: "θ", type: "log" } },
  );
});
