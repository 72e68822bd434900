// A two-layer network with tanh, trained by RMSProp on random samples: a class with fit and predict.
import { type Core, createCore, RMSProp, type RMSPropOptions, type Tensor } from "lanewise";
import { type Batch, dense, meanSquaredError, Random, Sequential, Trainer, tanh } from "lanewise/nn";
import { runAsMain } from "./main.js";
import { savePlot } from "./plot.js";

const SAMPLES = 1000;
const INPUTS = 10;
const HIDDEN = 100;
const ITERATIONS = 1000;
const SEED = 0;

/** inputs → hidden (tanh) → outputs. */
export class TwoLayerNetwork {
  readonly model: Sequential;
  readonly #trainer: Trainer;

  constructor(core: Core, inputs: number, hidden: number, outputs: number, options: RMSPropOptions = {}) {
    this.model = new Sequential(core, [dense(inputs, hidden), tanh(), dense(hidden, outputs)], { seed: SEED });
    this.#trainer = new Trainer(this.model, {
      loss: meanSquaredError(),
      optimizer: (parameters) => new RMSProp(core, parameters, options),
    });
  }

  /** Every iteration is a step on all samples. Returns the loss after 0, 1, …, `iterations` of them. */
  fit(x: Batch, y: Batch, iterations: number): number[] {
    const losses = Array.from({ length: iterations }, () => this.#trainer.step(x, y));
    return [...losses, this.#trainer.evaluate(x, y).loss];
  }

  predict(x: Batch): Tensor {
    return this.model.predict(x);
  }
}

/** Random inputs and, unrelated to them, random targets: all there is to do is to learn them by heart. */
export function makeSamples(): { x: Float32Array; y: Float32Array } {
  const random = new Random(SEED);
  const normals = (length: number) => Float32Array.from({ length }, () => random.normal());
  return { x: normals(SAMPLES * INPUTS), y: normals(SAMPLES) };
}

/** Losses after 0, 1, … iterations, and what the trained network says of each sample. */
export async function run(): Promise<{ losses: number[]; predictions: Float32Array }> {
  using core = await createCore();
  const { x, y } = makeSamples();
  const network = new TwoLayerNetwork(core, INPUTS, HIDDEN, 1, { learningRate: 1e-3, decay: 0.9, eps: 1e-8 });
  const losses = network.fit(x, y, ITERATIONS);
  return { losses, predictions: network.predict(x).data.slice() };
}

await runAsMain(import.meta.url, async () => {
  const { losses, predictions } = await run();
  for (let i = 0; i <= ITERATIONS; i += 100) {
    console.log(`iteration ${`${i}`.padStart(4)}  loss ${losses[i]!.toFixed(6)}`);
  }
  const { y } = makeSamples();
  for (let i = 0; i < 3; i++) {
    console.log(`sample ${i}: target ${y[i]!.toFixed(3)}, predicted ${predictions[i]!.toFixed(3)}`);
  }
  savePlot(
    "two-layer-network",
    "A 10-100-1 network learns 1,000 random samples",
    { "RMSProp, learning rate 0.001, decay 0.9": losses.map((loss, i) => [i, loss]) },
    { x: { label: "iteration" }, y: { label: "mean squared error", zero: true } },
  );
});
