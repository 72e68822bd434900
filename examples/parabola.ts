// RMSProp minimizes (θ − 5)² from θ = 0: small enough to follow by hand. Once with the gradient, once by differences.
import { createCore, type MinimizeResult, minimize, RMSProp } from "lanewise";
import { runAsMain } from "./main.js";
import { savePlot } from "./plot.js";

/** The descent with the gradient 2·(θ − 5) and with central differences in its place. */
export interface Result {
  analytic: MinimizeResult;
  numeric: MinimizeResult;
  /** v after 0, 1, … steps with the gradient. */
  squareAverages: number[];
}

export async function run(): Promise<Result> {
  using core = await createCore();
  const f = ([theta]: Float64Array) => (theta! - 5) ** 2;
  const gradient = ([theta]: Float64Array) => [2 * (theta! - 5)];
  const makeOptimizer = () => new RMSProp(core, new Float32Array(1), { learningRate: 0.01, decay: 0.9 });
  const iterations = 700;

  const optimizer = makeOptimizer();
  const v = () => optimizer.state().parameters["0"]!.squareAverage![0]!;
  const squareAverages = [v()];
  const onStep = () => squareAverages.push(v());
  const analytic = minimize(f, [0], { optimizer, gradient, iterations, onStep });
  const numeric = minimize(f, [0], { optimizer: makeOptimizer(), iterations });
  return { analytic, numeric, squareAverages };
}

await runAsMain(import.meta.url, async () => {
  const { analytic, numeric, squareAverages } = await run();
  console.log("step          v           θ   θ without the gradient");
  for (const i of [0, 1, 2, 3, 10, 100, 700]) {
    const [v, theta, other] = [squareAverages[i], analytic.trace[i]!.point[0], numeric.trace[i]!.point[0]];
    console.log(
      `${i}`.padStart(4),
      v!.toFixed(6).padStart(10),
      theta!.toFixed(7).padStart(11),
      other!.toFixed(7).padStart(11),
    );
  }
  console.log("\nBy hand: g = 2·(0 − 5) = −10, v = 0.1·10² = 10, θ = 0 + 0.01·10/√10 = 0.0316228.");
  savePlot(
    "parabola",
    "(θ − 5)² from θ = 0, learning rate 0.01, decay 0.9",
    { θ: analytic.trace.map(({ iteration, point }) => [iteration, point[0]!]) },
    { x: { label: "step" }, y: { label: "θ" } },
  );
});
