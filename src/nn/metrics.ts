import { unexpected } from "../checks.js";
import { OptionError } from "../errors.js";

/** What a metric is computed from: the outputs of a model for a data set, and their targets. */
export interface MetricInput {
  /**
   * Outputs [rows, columns], as the loss reads them: logits for `softmaxCrossEntropy`, and for `binaryCrossEntropy` what
   * enters the sigmoid.
   */
  readonly outputs: Float32Array;
  /** One value for each output, or with `areIndices` one class index for each row. */
  readonly targets: Float32Array;
  readonly areIndices: boolean;
  readonly rows: number;
  readonly columns: number;
  /** Outputs above it count as a yes: 0 for logits, else ½. */
  readonly threshold: number;
}

/** A number, or rows of numbers, that says how good predictions are. */
export interface Metric<Result = number> {
  /** Its name in the history. */
  readonly name: string;
  compute(input: MetricInput): Result;
}

/** Metrics that go by name. */
export type MetricName =
  | "accuracy"
  | "precision"
  | "recall"
  | "f1"
  | "auc"
  | "meanAbsoluteError"
  | "meanSquaredError"
  | "r2"
  | "confusionMatrix";

/** Your own metric: a function of the outputs and targets. Its name in the history is the function's. */
export type MetricFunction = (input: MetricInput) => number;

/** Share of right answers: rows whose largest output is the target's, or outputs on the target's side of the threshold. */
export const accuracy: Metric = {
  name: "accuracy",
  compute(input) {
    const { columns, rows } = input;
    let right = 0;
    if (columns > 1) {
      for (let row = 0; row < rows; row++) if (predictedClass(input, row) === targetClass(input, row)) right++;
      return right / rows;
    }
    const { outputs, targets, threshold } = input;
    for (let i = 0; i < rows; i++) if (outputs[i]! > threshold === targets[i]! > 0.5) right++;
    return right / rows;
  },
};

/** Of what was predicted to be in a class, the share that is; the mean over classes. For one output: of the yes. */
export const precision: Metric = { name: "precision", compute: (input) => meanOver(input, precisionOf) };

/** Of what is in a class, the share that was predicted; the mean over classes. For one output: of the yes. */
export const recall: Metric = { name: "recall", compute: (input) => meanOver(input, recallOf) };

/** Harmonic mean of precision and recall of a class; the mean over classes. */
export const f1: Metric = {
  name: "f1",
  compute: (input) =>
    meanOver(input, (hits, predicted, actual) => (predicted + actual === 0 ? 0 : (2 * hits) / (predicted + actual))),
};

/** How often classes were predicted: element [i][j] is the number of rows of class i that were predicted as class j. */
export const confusionMatrix: Metric<number[][]> = {
  name: "confusionMatrix",
  compute(input) {
    const classes = Math.max(input.columns, 2);
    const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
    for (let row = 0; row < input.rows; row++) {
      const counts = matrix[targetClass(input, row)];
      const predicted = predictedClass(input, row);
      if (counts !== undefined && predicted >= 0) counts[predicted]!++;
    }
    return matrix;
  },
};

/**
 * Area under the ROC curve of one output, or of the second of two minus the first: the probability that a yes has a larger
 * one than a no, ties counting half. NaN if all targets are the same, and for more outputs.
 */
export const auc: Metric = {
  name: "auc",
  compute(input) {
    const { outputs, targets, rows, columns } = input;
    if (columns > 2) return Number.NaN;
    const scores = Float64Array.from({ length: rows }, (_, row) =>
      columns === 1 ? outputs[row]! : outputs[2 * row + 1]! - outputs[2 * row]!,
    );
    const isYes = (row: number) => (columns === 1 ? targets[row]! > 0.5 : targetClass(input, row) === 1);
    const order = Array.from({ length: rows }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
    let positives = 0;
    let rankSum = 0;
    for (let start = 0; start < rows; ) {
      let end = start;
      while (end < rows && scores[order[end]!] === scores[order[start]!]) end++;
      const rank = (start + 1 + end) / 2; // the mean rank of equal outputs, from 1
      for (let i = start; i < Math.max(end, start + 1); i++) {
        if (isYes(order[i]!)) {
          positives++;
          rankSum += rank;
        }
      }
      start = Math.max(end, start + 1);
    }
    return (rankSum - (positives * (positives + 1)) / 2) / (positives * (rows - positives));
  },
};

/** Mean over all elements of |y − t|. */
export const meanAbsoluteErrorMetric: Metric = {
  name: "meanAbsoluteError",
  compute: (input) => meanOfElements(input, (y, t) => Math.abs(y - t)),
};

/** Mean over all elements of (y − t)². */
export const meanSquaredErrorMetric: Metric = {
  name: "meanSquaredError",
  compute: (input) => meanOfElements(input, (y, t) => (y - t) ** 2),
};

/** Coefficient of determination: 1 − Σ(y − t)² / Σ(t − mean of t)², over all elements. */
export const r2: Metric = {
  name: "r2",
  compute({ outputs, targets }) {
    const mean = targets.reduce((sum, t) => sum + t, 0) / targets.length;
    let residual = 0;
    let total = 0;
    for (let i = 0; i < targets.length; i++) {
      residual += (outputs[i]! - targets[i]!) ** 2;
      total += (targets[i]! - mean) ** 2;
    }
    return 1 - residual / total;
  },
};

const BY_NAME: Readonly<Record<MetricName, Metric<number | number[][]>>> = {
  accuracy,
  precision,
  recall,
  f1,
  auc,
  meanAbsoluteError: meanAbsoluteErrorMetric,
  meanSquaredError: meanSquaredErrorMetric,
  r2,
  confusionMatrix,
};

/** The metric that an element of `metrics` names. Throws OptionError if it names none. */
export function metricOf(name: string, given: unknown): Metric<number | number[][]> {
  if (typeof given === "function") {
    return { name: given.name || "metric", compute: given as MetricFunction };
  }
  if (typeof given === "string" && Object.hasOwn(BY_NAME, given)) return BY_NAME[given as MetricName];
  if (typeof (given as Metric | undefined)?.compute === "function") return given as Metric;
  const names = Object.keys(BY_NAME).map((known) => `"${known}"`);
  throw unexpected(name, given, `a function, a metric, or one of ${names.join(", ")}`);
}

/** The metrics that the option `metrics` names. Throws OptionError. */
export function metricsOf(given: unknown): Metric<number | number[][]>[] {
  if (!Array.isArray(given)) throw unexpected("metrics", given, "an array");
  const metrics = Array.from(given, (metric, i) => metricOf(`metrics[${i}]`, metric));
  for (const [i, { name }] of metrics.entries()) {
    const first = metrics.findIndex((other) => other.name === name);
    if (first < i) throw new OptionError(`metrics[${i}] has the name "${name}" of metrics[${first}], expected another`);
  }
  return metrics;
}

/** Index of the largest output of a row; −1 if one is NaN. For one output 1 or 0. */
function predictedClass({ outputs, columns, threshold }: MetricInput, row: number): number {
  if (columns === 1) return Number.isNaN(outputs[row]) ? -1 : +(outputs[row]! > threshold);
  return largest(outputs, row * columns, columns);
}

function targetClass({ targets, areIndices, columns }: MetricInput, row: number): number {
  if (areIndices) return targets[row]!;
  return columns === 1 ? +(targets[row]! > 0.5) : largest(targets, row * columns, columns);
}

function largest(values: Float32Array, at: number, columns: number): number {
  let best = 0;
  for (let j = 0; j < columns; j++) {
    if (Number.isNaN(values[at + j])) return -1;
    if (values[at + j]! > values[at + best]!) best = j;
  }
  return best;
}

type OfClass = (hits: number, predicted: number, actual: number) => number;

const precisionOf: OfClass = (hits, predicted) => (predicted === 0 ? 0 : hits / predicted);
const recallOf: OfClass = (hits, _, actual) => (actual === 0 ? 0 : hits / actual);

/** The mean over classes; for one output that of class 1. */
function meanOver(input: MetricInput, of: OfClass): number {
  const matrix = confusionMatrix.compute(input);
  const scores = matrix.map((counts, i) => {
    const predicted = matrix.reduce((sum, row) => sum + row[i]!, 0);
    return of(
      counts[i]!,
      predicted,
      counts.reduce((sum, count) => sum + count, 0),
    );
  });
  return input.columns === 1 ? scores[1]! : scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

function meanOfElements({ outputs, targets }: MetricInput, of: (y: number, t: number) => number): number {
  let sum = 0;
  for (let i = 0; i < targets.length; i++) sum += of(outputs[i]!, targets[i]!);
  return sum / targets.length;
}
