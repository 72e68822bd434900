// Miles per gallon of real cars by linear regression in mini-batches: RMSProp with decay 0, 0.9 and 1.
import { type Core, createCore, RMSProp, type RMSPropOptions } from "lanewise";
import { dense, meanSquaredError, Sequential, Trainer } from "lanewise/nn";
import { runAsMain } from "../main.js";
import { type Point, savePlot } from "../plot.js";
import { type Cars, FEATURES, loadCars } from "./cars.js";
import { leastSquares } from "./least-squares.js";

const BATCH_SIZE = 28;
const EPOCHS = 100;
const LEARNING_RATE = 0.05;
const WIDTH = FEATURES.length;

export interface Training {
  /** Loss of each batch before its step. */
  batchLosses: number[];
  /** Loss over all cars after 0, 1, … epochs. */
  losses: number[];
  /** One for each feature, and the intercept. */
  weights: number[];
}

function train(core: Core, { count, x, y }: Cars, epochs: number, options: RMSPropOptions): Training {
  using model = new Sequential(core, [dense(WIDTH, 1)]);
  using trainer = new Trainer(model, {
    loss: meanSquaredError(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate: LEARNING_RATE, ...options }),
  });
  const batchLosses: number[] = [];
  const losses = [trainer.evaluate(x, y).loss];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let first = 0; first < count; first += BATCH_SIZE) {
      const last = first + BATCH_SIZE;
      batchLosses.push(trainer.step(x.subarray(first * WIDTH, last * WIDTH), y.subarray(first, last)));
    }
    losses.push(trainer.evaluate(x, y).loss);
  }
  const weights = Object.values(model.parameters).flatMap(({ data }) => [...data]);
  return { batchLosses, losses, weights };
}

export interface Result {
  /** The closed-form solution. */
  best: { weights: number[]; loss: number };
  /** With v starting at 1, which makes decay 1 plain gradient descent. */
  runs: (Training & { decay: number })[];
  /** Decay 1 with v starting at 0, where it stays. */
  stuckAtZero: Training;
}

export async function run(): Promise<Result> {
  using core = await createCore();
  const cars = loadCars();
  return {
    best: leastSquares(cars.x, cars.y),
    runs: [0, 0.9, 1].map((decay) => ({ decay, ...train(core, cars, EPOCHS, { decay, initialScale: 1 }) })),
    stuckAtZero: train(core, cars, 1, { decay: 1, initialScale: 0 }),
  };
}

await runAsMain(import.meta.url, async () => {
  const { best, runs, stuckAtZero } = await run();
  const print = (name: string, values: number[]) =>
    console.log(name.padEnd(14), ...values.map((value) => value.toFixed(4).padStart(13)));
  console.log(" ".repeat(15), ...["least squares", ...runs.map(({ decay }) => `decay ${decay}`.padStart(13))]);
  for (const [i, name] of [...FEATURES, "intercept"].entries()) {
    print(name, [best.weights[i]!, ...runs.map(({ weights }) => weights[i]!)]);
  }
  print("loss", [best.loss, ...runs.map(({ losses }) => losses[EPOCHS]!)]);
  const explosion = stuckAtZero.batchLosses.slice(0, 6).map((loss) => loss.toExponential(1));
  console.log(`
decay 0    v = g²: a step is ${LEARNING_RATE} up or down however small the gradient, so it never settles.
decay 0.9  v = the recent mean of g²: where batches disagree, their steps are short. It comes nearest.
decay 1    v stays what it was at the start, here 1: plain gradient descent.

Had v started at 0 it would stay 0 with decay 1, and a step be ${LEARNING_RATE}·g/√eps = ${LEARNING_RATE / 1e-4}·g. The loss then:
${explosion.join(", ")}, …`);
  savePlot(
    "auto-mpg",
    "Miles per gallon of 392 cars: loss above that of least squares",
    Object.fromEntries(
      runs.map(({ decay, losses }) => [`decay ${decay}`, losses.map((loss, i): Point => [i, loss - best.loss])]),
    ),
    { x: { label: "epoch" }, y: { label: "mean squared error − least", type: "log", domain: [0.005, 1000] } },
  );
});
