// `lanewise predict`: the predictions of a saved model for each row of a CSV file.
import process from "node:process";
import { createCore } from "lanewise";
import type { Model } from "lanewise/nn";
import { standardizer } from "lanewise/nn";
import { type Encoded, encode, isMissing, numberOf } from "./columns.js";
import { formatTable, readInput, readTable, type Table } from "./csv.js";
import { paragraph } from "./layout.js";
import { loadTableModel, type TableInfo } from "./table-model.js";
import { writeOutput } from "./train-table.js";
import { percent, plural, rounded } from "./words.js";

/** Options of `lanewise predict`. */
export interface PredictOptions {
  model: string;
  data: string;
  delimiter: string;
  output?: string;
  json?: boolean;
}

/** A prediction for a row. */
interface Prediction {
  /** A number, or the label of a class. */
  readonly value: number | string;
  /** Of each class. */
  readonly probabilities?: readonly number[];
}

/**
 * Predicts, and writes the table with the predictions, or JSON. What is said about it goes to standard error, so that
 * standard output is the file. Resolves to the exit code 0.
 */
export async function predict({ model: file, data, delimiter, output, json }: PredictOptions): Promise<number> {
  const bytes = readInput(file);
  using core = await createCore();
  const { model, info } = loadTableModel(core, file, bytes);
  const table = readTable(data, delimiter);
  const inputs = encode(info.columns, table, table.rows);
  const predictions = predictionsOf(model, info, inputs.x);
  const quality = qualityOf(table, info, predictions);
  const text = json
    ? formatJson(file, table, info, predictions, inputs, quality)
    : formatCsv(table, info, predictions, delimiter);
  if (output === undefined) process.stdout.write(text);
  else writeOutput(output, text);

  const say = (sentence: string) => process.stderr.write(`${paragraph(sentence)}\n`);
  for (const [name, cells] of inputs.missing) {
    const column = info.columns.find((candidate) => candidate.name === name)!;
    const guess = column.type === "number" ? "the mean of the training rows is used" : "none of its texts is assumed";
    say(`Column ${name} has ${plural(cells, "empty cell")}: ${guess}.`);
  }
  for (const [name, cells] of inputs.unknown)
    say(`Column ${name} has ${plural(cells, "cell")} with a text that the model does not know.`);
  const where = output === undefined ? "" : ` and wrote ${output}`;
  say(
    `Predicted ${info.target} for ${plural(table.rows.length, "row")} of ${data}${where}.${sentenceOf(info, quality)}`,
  );
  return 0;
}

function predictionsOf(model: Model, info: TableInfo, x: Float32Array): Prediction[] {
  const { labels } = info;
  if (labels === undefined) {
    using y = model.predict(x);
    return Array.from(standardizer(info.scaler!).invert(y.data), (value) => ({ value }));
  }
  const all = model.predictProbabilities(x);
  return Array.from({ length: all.length / labels.length }, (_, row) => {
    const probabilities = [...all.subarray(row * labels.length, (row + 1) * labels.length)];
    return { value: labels[probabilities.indexOf(Math.max(...probabilities))]!, probabilities };
  });
}

/** How good the predictions are, where the table has the target. */
interface Quality {
  readonly rows: number;
  readonly accuracy?: number;
  readonly meanAbsoluteError?: number;
}

function qualityOf(
  table: Table,
  { target, labels }: TableInfo,
  predictions: readonly Prediction[],
): Quality | undefined {
  const index = table.columns.indexOf(target);
  if (index === -1) return undefined;
  const known = table.rows
    .map((row, i) => ({ row, predicted: predictions[i]!.value }))
    .filter(({ row }) => !(labels ? row.cells[index] === "" : isMissing(row.cells[index]!)));
  if (known.length === 0) return undefined;
  const mean = (value: (pair: (typeof known)[0]) => number) =>
    known.reduce((sum, pair) => sum + value(pair), 0) / known.length;
  if (labels) return { rows: known.length, accuracy: mean(({ row, predicted }) => +(row.cells[index] === predicted)) };
  const error = mean(({ row, predicted }) =>
    Math.abs(numberOf(table.file, row, index, target) - (predicted as number)),
  );
  return { rows: known.length, meanAbsoluteError: error };
}

function sentenceOf({ target }: TableInfo, quality: Quality | undefined): string {
  if (quality === undefined) return "";
  const { rows, accuracy, meanAbsoluteError } = quality;
  const result =
    accuracy === undefined
      ? `the mean absolute error is ${rounded(meanAbsoluteError!)}`
      : `${percent(accuracy)} of the predictions are right`;
  return ` In ${plural(rows, "row")} with a known ${target}, ${result}.`;
}

/** The table with the predictions behind its columns. */
function formatCsv(
  table: Table,
  { target, labels }: TableInfo,
  predictions: readonly Prediction[],
  delimiter: string,
): string {
  const columns = [...table.columns, `predicted ${target}`, ...(labels ? ["probability"] : [])];
  const rows = table.rows.map(({ cells }, i) => {
    const { value, probabilities } = predictions[i]!;
    return [...cells, value, ...(probabilities ? [Math.max(...probabilities)] : [])];
  });
  return formatTable(columns, rows, delimiter);
}

function formatJson(
  model: string,
  table: Table,
  { target, task, labels }: TableInfo,
  predictions: readonly Prediction[],
  { missing, unknown }: Encoded,
  quality: Quality | undefined,
): string {
  const report = {
    lanewise: VERSION,
    model,
    data: {
      file: table.file,
      rows: table.rows.length,
      missing: Object.fromEntries(missing),
      unknown: Object.fromEntries(unknown),
    },
    target: { name: target, task, ...(labels && { labels }) },
    predictions: table.rows.map(({ line }, i) => ({ line, ...predictions[i] })),
    quality: quality ?? null,
    units: labels
      ? { probabilities: "share from 0 to 1, in the order of target.labels", accuracy: "share from 0 to 1" }
      : { value: `unit of ${target}`, meanAbsoluteError: `unit of ${target}` },
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}
