import { mean, tensor, tidy } from "@tensorflow/tfjs-core";
import { exp, sigmoid } from "../../backend/js/math.js";
import type { Shape } from "../../tensor.js";
import type { ConvertedLoss } from "./losses.js";
import type { TfMetric, TfModel } from "./tfjs-model.js";

/** A batch after its forward pass. */
export interface Outcome {
  readonly rows: number;
  /** Of a row. */
  readonly shape: Shape;
  /** What enters the last function if the loss computes it: logits. */
  readonly outputs: Float32Array;
  /** The function that the loss computes. */
  readonly last: string | undefined;
  readonly targets: Float32Array;
  readonly targetShape: Shape;
}

export type MetricOf = (outcome: Outcome) => number;

/** What the model predicts. */
function predictions({ outputs, shape, last }: Outcome): Float32Array {
  if (last === "sigmoid") return outputs.map(sigmoid);
  if (last !== "softmax") return outputs;
  const columns = shape.at(-1)!;
  const y = outputs.slice();
  for (let at = 0; at < y.length; at += columns) {
    const row = y.subarray(at, at + columns);
    const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (let j = 0; j < columns; j++) {
      row[j] = exp(Math.fround(row[j]! - largest));
      sum += row[j]!;
    }
    for (let j = 0; j < columns; j++) row[j]! /= sum;
  }
  return y;
}

/** The index of the largest of `columns` elements from `at` on, the first of equal ones. */
function argMax(values: Float32Array, at: number, columns: number): number {
  let best = 0;
  for (let j = 1; j < columns; j++) if (values[at + j]! > values[at + best]!) best = j;
  return best;
}

const METRICS = {
  binaryAccuracy({ outputs, targets, last }: Outcome): number {
    const threshold = last === "sigmoid" ? 0 : 0.5;
    let right = 0;
    for (let i = 0; i < outputs.length; i++) right += +(targets[i] === +(outputs[i]! > threshold));
    return right / outputs.length;
  },
  categoricalAccuracy({ outputs, targets, shape }: Outcome): number {
    const columns = shape.at(-1)!;
    let right = 0;
    for (let at = 0; at < outputs.length; at += columns)
      right += +(argMax(outputs, at, columns) === argMax(targets, at, columns));
    return (right * columns) / outputs.length;
  },
  sparseCategoricalAccuracy({ outputs, targets, shape }: Outcome): number {
    const columns = shape.at(-1)!;
    let right = 0;
    for (let i = 0; i < targets.length; i++) right += +(argMax(outputs, i * columns, columns) === targets[i]);
    return right / targets.length;
  },
  meanSquaredError: (outcome: Outcome) => meanDistance(outcome, (d) => d * d),
  meanAbsoluteError: (outcome: Outcome) => meanDistance(outcome, Math.abs),
};

function meanDistance(outcome: Outcome, measure: (difference: number) => number): number {
  const y = predictions(outcome);
  const { targets } = outcome;
  let sum = 0;
  for (let i = 0; i < y.length; i++) sum += measure(y[i]! - targets[i]!);
  return sum / y.length;
}

/** TensorFlow.js's short names. */
const SHORT: Readonly<Record<string, keyof typeof METRICS>> = {
  mse: "meanSquaredError",
  MSE: "meanSquaredError",
  mae: "meanAbsoluteError",
  MAE: "meanAbsoluteError",
};

/** A metric of TensorFlow.js that is computed by itself, on tensors. */
function theirs(metric: TfMetric): MetricOf {
  return (outcome) => {
    const y = predictions(outcome);
    return tidy(() => {
      const truth = tensor(outcome.targets.slice(), [outcome.rows, ...outcome.targetShape]);
      const prediction = tensor(y.slice(), [outcome.rows, ...outcome.shape]);
      return mean(metric(truth, prediction)).dataSync()[0]!;
    });
  };
}

/** The metrics of a compiled model of one output, in the order of its names. */
export function convertMetrics(model: TfModel, { loss, areIndices }: ConvertedLoss): MetricOf[] {
  const names = namesOf(model);
  const isBinary = model.outputs[0]!.shape.at(-1) === 1 || loss.name === "binaryCrossEntropy";
  return model.metricsTensors.map(([metric], i) => {
    const name = names[i];
    if (name === "accuracy" || name === "acc") {
      if (isBinary) return METRICS.binaryAccuracy;
      return areIndices ? METRICS.sparseCategoricalAccuracy : METRICS.categoricalAccuracy;
    }
    const long = typeof name === "string" ? (SHORT[name] ?? name) : "";
    // Over class indices the others mean something else.
    if (areIndices !== (long === "sparseCategoricalAccuracy")) return theirs(metric);
    return Object.hasOwn(METRICS, long) ? METRICS[long as keyof typeof METRICS] : theirs(metric);
  });
}

/** The metrics as `compile` was given them. */
function namesOf({ metrics, outputNames }: TfModel): unknown[] {
  if (metrics === null || metrics === undefined) return [];
  if (typeof metrics === "object" && !Array.isArray(metrics)) {
    return [(metrics as Record<string, unknown>)[outputNames[0]!]].flat();
  }
  return [metrics].flat(2);
}
