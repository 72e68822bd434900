// The loss times a constant c: the path of RMSProp stays the same, that of SGD changes.
import { createCore, minimize, RMSProp, SGD } from "lanewise";
import { runAsMain } from "./main.js";
import { contours, type Point, savePlot } from "./plot.js";

const f = (x1: number, x2: number) => 0.1 * x1 ** 2 + 2 * x2 ** 2;

/** Paths down c·(0.1·x₁² + 2·x₂²) from (−5, −2): 41 points each. */
export interface Paths {
  c: number;
  /** With eps 0: c cancels, and if it is a power of two it does so without any rounding. */
  rmsprop: Point[];
  /** With eps 0.01, which weighs the more the smaller the gradients are. */
  largeEps: Point[];
  sgd: Point[];
}

export async function run(): Promise<Paths[]> {
  using core = await createCore();
  return [1 / 16, 1, 3, 4].map((c) => {
    const descend = (optimizer: (point: Float32Array) => RMSProp | SGD) => {
      const gradient = ([x1, x2]: Float64Array) => [c * 0.2 * x1!, c * 4 * x2!];
      const { trace } = minimize(([x1, x2]) => c * f(x1!, x2!), [-5, -2], { optimizer, gradient, iterations: 40 });
      return trace.map(({ point: [x1, x2] }): Point => [x1!, x2!]);
    };
    const rmsprop = (eps: number) =>
      descend((point) => new RMSProp(core, point, { learningRate: 0.2, decay: 0.9, eps }));
    const sgd = descend((point) => new SGD(core, point, { learningRate: 0.1 }));
    return { c, rmsprop: rmsprop(0), largeEps: rmsprop(0.01), sgd };
  });
}

/** The largest distance in a coordinate between points of the same step. */
export function distance(path: Point[], other: Point[]): number {
  return Math.max(...path.flatMap(([x1, x2], i) => [Math.abs(x1 - other[i]![0]), Math.abs(x2 - other[i]![1])]));
}

await runAsMain(import.meta.url, async () => {
  const paths = await run();
  const reference = paths.find(({ c }) => c === 1)!;
  console.log("Largest distance from the path of c = 1:\n");
  console.log("     c   RMSProp, eps 0   RMSProp, eps 0.01        SGD");
  for (const { c, ...path } of paths) {
    const [exact, largeEps, sgd] = (["rmsprop", "largeEps", "sgd"] as const).map((key) =>
      distance(path[key], reference[key]).toPrecision(2),
    );
    console.log(`${c}`.padStart(6), exact!.padStart(16), largeEps!.padStart(19), sgd!.padStart(10));
  }
  savePlot(
    "loss-scale",
    "Paths down c·(0.1·x₁² + 2·x₂²)",
    {
      "RMSProp, each c": reference.rmsprop,
      ...Object.fromEntries(paths.filter(({ c }) => c !== 3).map(({ c, sgd }) => [`SGD, c = ${c}`, sgd])),
    },
    {
      x: { label: "x₁" },
      y: { label: "x₂" },
      grid: false,
      marks: [contours(f, [0.1, 0.5, 1, 2, 4, 6, 8, 10], { x1: -5.5, x2: 1, y1: -2.2, y2: 1.6 })],
    },
  );
});
