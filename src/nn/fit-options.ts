import {
  checkBoolean,
  checkFinite,
  checkFunction,
  checkInteger,
  checkKeys,
  checkSignal,
  isNumericArray,
  unexpected,
} from "../checks.js";
import { OptionError, ShapeError } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Batch } from "./data.js";
import { type EarlyStopping, Stopper } from "./early-stopping.js";
import type { Epoch, Progress } from "./fit.js";
import { type Metric, type MetricFunction, type MetricName, metricsOf } from "./metrics.js";
import type { CheckedBatch, Dataset, ModelOptimizer, Trainer } from "./trainer.js";

/** Called during training; promises are awaited. Returning `false`, or a promise of it, ends it after this batch or epoch. */
export interface FitCallback {
  onBatch?(progress: Progress): unknown;
  onEpoch?(epoch: Epoch): unknown;
}

/** Options of `fit`. */
export interface FitOptions {
  /** Passes over the data; default 1. */
  epochs?: number;
  /** Rows a step; the last batch of an epoch may be smaller. Default 32. */
  batchSize?: number;
  /** A new order of the samples each epoch; default true. */
  shuffle?: boolean;
  /** A factor >= 0 for the loss of each sample. Default: all are 1. */
  sampleWeights?: Batch;
  /**
   * A factor >= 0 for the loss of the samples of each class, by its index, for models of one output with one axis; losses
   * have `classWeights` of their own for others. Default: all are 1.
   */
  classWeights?: ArrayLike<number> | Readonly<Record<number, number>>;
  /**
   * Evaluated after each epoch: a data set, or the share (above 0, below 1) of the last rows of `data`, which are then not
   * trained on.
   */
  validation?: Dataset | number;
  /** Reported for each epoch, of the training batches and of the validation data. */
  metrics?: readonly (MetricName | Metric<number | number[][]> | MetricFunction)[];
  /** Ends training when it does not improve any more. */
  earlyStopping?: EarlyStopping;
  callbacks?: readonly FitCallback[];
  /** Ends training between two batches; the promise rejects, or the iteration throws, with the signal's reason. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** Options of `fit` that were checked. */
export interface FitSettings {
  readonly epochs: number;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly data: CheckedBatch;
  readonly validation: CheckedBatch | undefined;
  readonly metrics: readonly Metric<number | number[][]>[];
  readonly stopper: Stopper | undefined;
  readonly callbacks: readonly FitCallback[];
  readonly signal: AbortSignal | undefined;
}

const KEYS: readonly (keyof FitOptions)[] = [
  "epochs",
  "batchSize",
  "shuffle",
  "sampleWeights",
  "classWeights",
  "validation",
  "metrics",
  "earlyStopping",
  "callbacks",
  "signal",
  "onProgress",
];

/** Checks the arguments of `fit`; throws OptionError or ShapeError. */
export function checkFit(trainer: Trainer<ModelOptimizer>, data: Dataset, options: FitOptions): FitSettings {
  trainer.assertLive();
  checkKeys("data", data, ["x", "y"]);
  checkKeys("options", options, KEYS);
  const { epochs = 1, batchSize = 32, shuffle = true, signal, onProgress, metrics = [], callbacks = [] } = options;
  checkInteger("epochs", epochs, 0);
  checkInteger("batchSize", batchSize, 1);
  checkBoolean("shuffle", shuffle);
  checkSignal("signal", signal);
  if (onProgress !== undefined) checkFunction("onProgress", onProgress);
  if (!Array.isArray(callbacks)) throw unexpected("callbacks", callbacks, "an array");
  for (const [i, callback] of callbacks.entries()) {
    checkKeys(`callbacks[${i}]`, callback, ["onBatch", "onEpoch"]);
    const { onBatch, onEpoch } = callback as FitCallback;
    if (onBatch !== undefined) checkFunction(`callbacks[${i}].onBatch`, onBatch);
    if (onEpoch !== undefined) checkFunction(`callbacks[${i}].onEpoch`, onEpoch);
  }
  const all = withClassWeights(trainer.checkData("data", data, options.sampleWeights), trainer, options.classWeights);
  const { training, validation } = splitValidation(trainer, all, options.validation);
  if (training.rows === 0) throw new ShapeError("data.x has no rows, expected at least one");
  const { earlyStopping } = options;
  const chosen = metricsOf(metrics);
  const names = chosen.map(({ name }) => name);
  return {
    epochs,
    batchSize,
    shuffle,
    data: training,
    validation,
    metrics: chosen,
    stopper:
      earlyStopping === undefined
        ? undefined
        : new Stopper(trainer.model, earlyStopping, names, validation !== undefined),
    callbacks:
      onProgress === undefined ? callbacks : [{ onBatch: (progress) => void onProgress(progress) }, ...callbacks],
    signal,
  };
}

/** Rows to train on and rows to validate with. */
function splitValidation(
  trainer: Trainer<ModelOptimizer>,
  all: CheckedBatch,
  validation: Dataset | number | undefined,
): { training: CheckedBatch; validation: CheckedBatch | undefined } {
  if (validation === undefined) return { training: all, validation: undefined };
  if (typeof validation !== "number") {
    const checked = trainer.checkData("validation", validation);
    if (checked.rows === 0) throw new ShapeError("validation.x has no rows, expected at least one");
    return { training: all, validation: checked };
  }
  if (!(validation > 0 && validation < 1)) throw unexpected("validation", validation, "a share above 0 and below 1");
  const rows = Math.round(all.rows * validation);
  if (rows === 0) throw new OptionError(`validation is ${validation}, which is no row of ${all.rows}`);
  const part = (first: number, count: number): CheckedBatch => ({
    ...all,
    rows: count,
    xs: all.xs.map((x) => sliceRows(x, all.rows, first, count)),
    ys: all.ys.map((y) => sliceRows(y, all.rows, first, count)),
    weights: all.weights && sliceRows(all.weights, all.rows, first, count),
  });
  return { training: part(0, all.rows - rows), validation: part(all.rows - rows, rows) };
}

/** Some rows of a batch of `rows` rows: where they are, for tensors and typed arrays. */
function sliceRows(batch: Batch, rows: number, first: number, count: number): Batch {
  const width = (batch instanceof Tensor ? batch.size : batch.length) / rows;
  const [start, end] = [first * width, (first + count) * width];
  if (batch instanceof Tensor) {
    const [, ...shape] = batch.shape;
    return Tensor.viewOf(batch.core, [count, ...shape], batch.ptr + start * 4);
  }
  if (ArrayBuffer.isView(batch)) return (batch as unknown as Float32Array).subarray(start, end);
  return Array.prototype.slice.call(batch, start, end) as number[];
}

/** The weights of samples, times those of their classes. */
function withClassWeights(
  batch: CheckedBatch,
  trainer: Trainer<ModelOptimizer>,
  classWeights: FitOptions["classWeights"],
): CheckedBatch {
  if (classWeights === undefined) return batch;
  if (typeof classWeights !== "object" || classWeights === null) {
    throw unexpected("classWeights", classWeights, "an array of numbers, or an object of them by class index");
  }
  const { outputs, outputShape, outputTensors } = trainer.model;
  if (outputTensors.length > 1 || outputShape.length > 1) {
    const found = outputTensors.length > 1 ? `${outputTensors.length} outputs` : `outputs of shape [${outputShape}]`;
    throw new OptionError(
      `classWeights is for samples of one class, but the model has ${found}; expected the loss's own classWeights`,
    );
  }
  const isArray = isNumericArray(classWeights);
  const classes = Math.max(outputs, 2);
  if (isArray && classWeights.length !== classes) {
    throw new ShapeError(`classWeights has ${classWeights.length} elements, expected ${classes}: one for each class`);
  }
  for (const [key, weight] of Object.entries(classWeights as Record<number, number>)) {
    checkInteger("index of classWeights", String(Number(key)) === key ? Number(key) : key, 0, classes - 1);
    checkFinite(`classWeights[${key}]`, weight, 0);
  }
  const y = batch.ys[0]!;
  const targets = y instanceof Tensor ? y.data : y;
  const given = batch.weights instanceof Tensor ? batch.weights.data : batch.weights;
  const areIndices = (batch.kind & 1) === 1;
  const weights = Float32Array.from({ length: batch.rows }, (_, row) => {
    const index = areIndices ? targets[row]! : classOf(targets, row, outputs);
    return ((classWeights as Record<number, number>)[index] ?? 1) * (given?.[row] ?? 1);
  });
  return trainer.weighted(batch, weights);
}

function classOf(targets: ArrayLike<number>, row: number, columns: number): number {
  if (columns === 1) return +(targets[row]! > 0.5);
  let best = 0;
  for (let j = 1; j < columns; j++) if (targets[row * columns + j]! > targets[row * columns + best]!) best = j;
  return best;
}
