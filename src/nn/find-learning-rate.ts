import { checkFunction, checkInteger, checkKeys, checkNumber, unexpected } from "../checks.js";
import { OptionError } from "../errors.js";
import type { Schedule } from "../optim/options.js";
import type { Tensor } from "../tensor.js";
import type { FitOptions } from "./fit-options.js";
import { Model } from "./model.js";
import { type Dataset, type ModelOptimizer, Trainer, type TrainerOptions } from "./trainer.js";

/** Options of `findLearningRate`. */
export interface FindLearningRateOptions
  extends Pick<TrainerOptions, "loss" | "seed">,
    Pick<FitOptions, "batchSize" | "shuffle" | "sampleWeights" | "signal"> {
  /** Makes the optimizer, with this learning rate. */
  optimizer: (parameters: Readonly<Record<string, Tensor>>, learningRate: Schedule) => ModelOptimizer;
  /** The first learning rate, > 0. Default 1e-6. */
  from?: number;
  /** The last one, > from. Default 1. */
  to?: number;
  /** Batches, one for each learning rate, >= 2. Default 100. */
  steps?: number;
}

/** What `findLearningRate` found. */
export interface LearningRates {
  /** Each learning rate that was tried, with the mean loss of the batches so far, the latest weighing most. */
  readonly trials: readonly { readonly learningRate: number; readonly loss: number }[];
  /** A tenth of the learning rate whose loss was least. */
  readonly suggested: number;
}

const KEYS = ["loss", "optimizer", "seed", "from", "to", "steps", "batchSize", "shuffle", "sampleWeights", "signal"];
/** Of the losses before, what one more leaves. */
const SMOOTHING = 0.9;
/** Above this multiple of the least loss, training counts as diverged. */
const DIVERGED = 4;

/**
 * The learning-rate range test: trains a batch at each of some learning rates, rising by the same factor, until the loss
 * is four times the least one or is not a number. The model's parameters and buffers are then what they were before.
 *
 * The losses are smoothed, lossₜ = (Σ 0.9^(t−i)·lᵢ) / (Σ 0.9^(t−i)) over i ≤ t, in float64.
 *
 * @throws what `new Trainer` and `fit` throw; OptionError if the first loss is not a number
 * @example
 * const { trials, suggested } = await findLearningRate(model, { x, y }, {
 *   loss: softmaxCrossEntropy(),
 *   optimizer: (parameters, learningRate) => new RMSProp(core, parameters, { learningRate }),
 * });
 * @see Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017
 */
export async function findLearningRate(
  model: Model,
  data: Dataset,
  options: FindLearningRateOptions,
): Promise<LearningRates> {
  if (!(model instanceof Model)) throw unexpected("model", model, "a Sequential or a Model");
  checkKeys("options", options, KEYS);
  const { from = 1e-6, to = 1, steps = 100, loss, optimizer, seed = 0, ...fitOptions } = options;
  checkNumber("from", from, Number.MIN_VALUE, Number.MAX_VALUE);
  checkNumber("to", to, from, Number.MAX_VALUE);
  if (to === from) throw new OptionError(`to is ${to}, expected more than from`);
  checkInteger("steps", steps, 2);
  checkFunction("optimizer", optimizer);
  const rate = (trial: number) => from * (to / from) ** (trial / (steps - 1));
  const tensors = [...Object.values(model.parameters), ...Object.values(model.buffers)];
  const kept = tensors.map((tensor) => tensor.data.slice());
  const trainer = new Trainer(model, { loss, seed, optimizer: (parameters) => optimizer(parameters, rate) });
  const trials: { learningRate: number; loss: number }[] = [];
  let [sum, weight, least] = [0, 0, Number.POSITIVE_INFINITY];
  const onBatch = (batch: { loss: number }): boolean => {
    [sum, weight] = [SMOOTHING * sum + batch.loss, SMOOTHING * weight + 1];
    const loss = sum / weight;
    if (!Number.isFinite(loss)) return false;
    trials.push({ learningRate: rate(trials.length), loss });
    least = Math.min(least, loss);
    return trials.length < steps && loss <= DIVERGED * least;
  };
  try {
    await trainer.fit(data, { ...fitOptions, epochs: steps, callbacks: [{ onBatch }] });
  } finally {
    for (const [i, tensor] of tensors.entries()) tensor.data.set(kept[i]!);
    model.resetStates();
    trainer.dispose();
  }
  const best = trials.find((trial) => trial.loss === least);
  if (best === undefined) throw new OptionError(`from is ${from}, at which the loss is not a finite number`);
  return { trials, suggested: best.learningRate / 10 };
}
