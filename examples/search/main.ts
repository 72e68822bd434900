// Hyperparameters for a network on 2,000 handwritten digits: first a learning-rate range test, then a random search over
// worker threads that gives up on what is behind.
import { availableParallelism } from "node:os";
import { createCore, RMSProp } from "lanewise";
import { dense, findLearningRate, type LearningRates, Sequential, softmaxCrossEntropy } from "lanewise/nn";
import { runAsMain } from "../main.js";
import { type Point, savePlot } from "../plot.js";
import { conclude, quick } from "../training.js";
import { search, type Trial } from "./search.js";
import { loadSearchDigits } from "./trial.js";

/** The range test of a network of one hidden layer. */
export async function testRange(): Promise<LearningRates> {
  using core = await createCore();
  const { train } = loadSearchDigits();
  const layers = [dense(64, { activation: "relu" }), dense(10)];
  using model = new Sequential(core, layers, { inputShape: [784] });
  return await findLearningRate(
    model,
    { x: train.images, y: train.labels },
    {
      loss: softmaxCrossEntropy(),
      optimizer: (parameters, learningRate) => new RMSProp(core, parameters, { learningRate }),
    },
  );
}

await runAsMain(import.meta.url, async () => {
  const { trials: rates, suggested } = await testRange();
  console.log(`Range test: the loss is least at ${(10 * suggested).toExponential(1)}; a tenth of it is a good start.`);
  savePlot(
    "learning-rates",
    "Learning-rate range test",
    { "smoothed loss": rates.map(({ learningRate, loss }): Point => [learningRate, loss]) },
    { x: { label: "learning rate", type: "log" }, y: { label: "cross-entropy" } },
  );

  const threads = Math.min(8, availableParallelism());
  const [count, epochs] = quick ? [8, 3] : [40, 12];
  console.log(`\nRandom search: ${count} trials of ${epochs} epochs at most on ${threads} threads\n`);
  const start = performance.now();
  const onTrial = ({ choice, accuracies, stopped }: Trial) => {
    const { learningRate, decay, hidden, dropout, batchSize } = choice;
    const end = stopped ? `stopped after ${accuracies.length}` : "";
    console.log(
      `learning rate ${learningRate.toExponential(1)}, decay ${decay.toFixed(3)}, hidden ${String(hidden).padStart(3)}, ` +
        `dropout ${dropout.toFixed(2)}, batch ${String(batchSize).padStart(3)}: ${accuracies.at(-1)!.toFixed(4)} ${end}`,
    );
  };
  const trials = await search({ trials: count, epochs, threads, onTrial });
  const best = trials.reduce((a, b) => (b.accuracies.at(-1)! > a.accuracies.at(-1)! ? b : a));
  const done = trials.reduce((sum, { accuracies }) => sum + accuracies.length, 0);
  const seconds = (performance.now() - start) / 1000;
  console.log(`\n${done} epochs of ${count * epochs} in ${seconds.toFixed(1)} s. The best:`);
  onTrial(best);
  const highest: Point[] = [];
  for (const [i, { accuracies }] of trials.entries()) {
    highest.push([i + 1, Math.max(highest.at(-1)?.[1] ?? 0, accuracies.at(-1)!)]);
  }
  savePlot(
    "search",
    "Random search: the best accuracy so far",
    { accuracy: highest },
    {
      x: { label: "trials" },
      y: { label: "accuracy on 2,000 other digits" },
    },
  );
  conclude("best validation accuracy", best.accuracies.at(-1)!, { atLeast: quick ? 0.8 : 0.935 });
});
