// Rosenbrock's function: RMSProp reaches the valley soon, and its end if the learning rate falls.
import { createCore, type MinimizeStep, minimize, RMSProp, type Schedule } from "lanewise";
import { runAsMain } from "./main.js";
import { contours, type Point, savePlot } from "./plot.js";

const f = (x: number, y: number) => (1 - x) ** 2 + 100 * (y - x * x) ** 2;
const df = (x: number, y: number) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)];

/** The descent from (−1.2, 1) with each learning rate. */
export async function run(): Promise<{ constant: MinimizeStep[]; falling: MinimizeStep[] }> {
  using core = await createCore();
  const descend = (learningRate: number | Schedule) =>
    minimize(([x, y]) => f(x!, y!), [-1.2, 1], {
      optimizer: (point) => new RMSProp(core, point, { learningRate, decay: 0.9 }),
      gradient: ([x, y]) => df(x!, y!),
      iterations: 10_000,
    }).trace;
  return { constant: descend(0.01), falling: descend((iteration) => 0.01 * 0.999 ** iteration) };
}

await runAsMain(import.meta.url, async () => {
  const { constant, falling } = await run();
  console.log("  step   f at the rate 0.01   f at 0.01·0.999ᵗ");
  for (const i of [0, 100, 300, 1000, 3000, 10_000]) {
    const values = [constant, falling].map((trace) => trace[i]!.value.toExponential(2).padStart(18));
    console.log(`${i}`.padStart(6), ...values);
  }
  const [x, y] = falling.at(-1)!.point;
  console.log(`\nAt the falling rate it ends at (${x}, ${y}); the minimum is (1, 1).`);

  const values = (trace: MinimizeStep[]): Point[] =>
    trace.filter((_, i) => i % 20 === 0).map(({ iteration, value }) => [iteration, value]);
  savePlot(
    "rosenbrock",
    "Rosenbrock's function: a constant rate keeps jumping across the valley",
    { "learning rate 0.01": values(constant), "learning rate 0.01·0.999ᵗ": values(falling) },
    { x: { label: "step" }, y: { label: "f", type: "log", tickFormat: ".0e" } },
  );
  savePlot(
    "rosenbrock-path",
    "Rosenbrock's function from (−1.2, 1) to (1, 1)",
    { "learning rate 0.01·0.999ᵗ": falling.map(({ point: [x, y] }) => [x!, y!]) },
    {
      x: { label: "x" },
      y: { label: "y" },
      grid: false,
      marks: [contours(f, [0.1, 0.4, 1.6, 6.4, 25.6, 102.4, 409.6], { x1: -1.6, x2: 1.6, y1: -0.6, y2: 2 })],
    },
  );
});
