// `lanewise train --data`: a network that predicts one column of a table from the others.
import { accessSync, constants, existsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createCore, OptionError, RMSProp } from "lanewise";
import * as nn from "lanewise/nn";
import { environment } from "../measure/environment.js";
import { type Column, encode, fitColumns, isMissing, isNumeric, numberOf } from "./columns.js";
import { columnOf, type Row, readTable, type Table } from "./csv.js";
import { formatColumns, heading, labelled, paragraph } from "./layout.js";
import { saveTableModel, type TableInfo, type Task } from "./table-model.js";
import { green, print, printJson, startProgress, stopProgress } from "./terminal.js";
import { count, percent, plural, rounded } from "./words.js";

/** Options of `lanewise train` with `--data`. */
export interface TableOptions {
  data: string;
  target: string;
  task?: Task;
  delimiter: string;
  text: string[];
  ignore: string[];
  validation: number;
  patience: number;
  epochs: number;
  batchSize: number;
  hidden: number;
  learningRate: number;
  seed: number;
  save?: string;
  json?: boolean;
}

/** A target with more classes is rather a number or a name. */
const MOST_CLASSES = 1000;

/** Numbers that say how good a model is. */
interface Quality {
  readonly loss: number;
  readonly accuracy?: number;
  readonly f1?: number;
  /** In the unit of the target. */
  readonly meanAbsoluteError?: number;
  readonly r2?: number;
  /** What the same number is for the best constant prediction: accuracy, or mean absolute error. */
  readonly constant: number;
}

/** Trains, and prints how good the model is on rows that it was not trained on. Resolves to the exit code 0. */
export async function trainTable(options: TableOptions): Promise<number> {
  const { json, epochs, batchSize, hidden, learningRate, seed, validation, patience } = options;
  if (options.save !== undefined) checkWritable(options.save);
  const table = readTable(options.data, options.delimiter);
  const { rows, skipped } = rowsWithTarget(table, options.target);
  const target = targetOf(table, rows, options);
  const parts = split(rows, validation, seed);
  const { columns, ignored } = fitColumns(table, parts.train, options.target, options);
  const { info, encodeTarget } = describeTarget(options.target, target, columns, parts.train, rows);
  const inputs = encode(columns, table, parts.train);
  const heldOut = encode(columns, table, parts.validation);
  const missing = new Map([...inputs.missing].map(([name, count]) => [name, count + (heldOut.missing.get(name) ?? 0)]));
  for (const [name, count] of heldOut.missing) if (!missing.has(name)) missing.set(name, count);
  const train = { x: inputs.x, y: encodeTarget(parts.train) };
  const test = { x: heldOut.x, y: encodeTarget(parts.validation) };

  using core = await createCore();
  const outputs = info.labels?.length ?? 1;
  const width = inputs.x.length / parts.train.length;
  using model = new nn.Sequential(core, [nn.dense(width, hidden), nn.relu(), nn.dense(hidden, outputs)], { seed });
  using trainer = new nn.Trainer(model, {
    loss: info.task === "classification" ? nn.softmaxCrossEntropy() : nn.meanSquaredError(),
    optimizer: (parameters) => new RMSProp(core, parameters, { learningRate }),
    seed,
  });
  const hasValidation = parts.validation.length > 0;
  const history: { epoch: number; loss: number; validationLoss?: number }[] = [];
  const progress = startProgress("{bar} epoch {value}/{total} {loss}", epochs, { loss: "" });
  const fit = trainer.fit(train, {
    epochs,
    batchSize,
    ...(hasValidation && { validation: test, earlyStopping: { patience } }),
  });
  for await (const { epoch, loss, validation } of fit) {
    history.push({ epoch, loss, ...(validation && { validationLoss: validation.loss }) });
    progress.update(epoch, { loss: `loss ${(validation?.loss ?? loss).toFixed(4)}` });
  }
  stopProgress();
  if (!Number.isFinite(history.at(-1)!.loss)) {
    throw new OptionError(
      `the loss is ${history.at(-1)!.loss} after ${history.length} epochs; try a smaller --learning-rate`,
    );
  }
  const best = history.reduce((a, b) => ((b.validationLoss ?? b.loss) < (a.validationLoss ?? a.loss) ? b : a));
  const measured = hasValidation ? test : train;
  const quality = qualityOf(trainer, info, measured, train.y);
  if (options.save !== undefined) writeOutput(options.save, saveTableModel(model, info));

  const where = environment();
  if (json) {
    printJson({
      lanewise: VERSION,
      environment: where,
      data: {
        file: options.data,
        rows: { training: parts.train.length, validation: parts.validation.length, withoutTarget: skipped },
        columns: columns.map(({ name, type }) => ({ name, type, missing: missing.get(name) ?? 0 })),
        ignored,
      },
      target: { name: options.target, task: info.task, ...(info.labels && { labels: info.labels }) },
      network: { layers: [width, hidden, outputs], parameters: countOf(model) },
      options: { epochs, batchSize, learningRate, validation, patience, seed },
      history,
      bestEpoch: best.epoch,
      quality: { measuredOn: hasValidation ? "validation rows" : "training rows", ...quality },
      units: unitsOf(info),
      saved: options.save ?? null,
    });
    return 0;
  }
  print(`${heading(where)}\n`);
  const line = (label: string, text: string) => print(labelled(label, text, 12));
  line(
    "data",
    `${options.data}: ${plural(parts.train.length, "row")} to train on, ${count(parts.validation.length)} for validation`,
  );
  if (skipped > 0) line("", `left out: ${plural(skipped, "row")} without ${options.target}`);
  const shown = columns.map((column) =>
    column.type === "text" ? `${column.name} (${column.values.length} texts)` : column.name,
  );
  line("columns", shown.join(", "));
  for (const { name, reason } of ignored) line("", `${name} is ignored: ${reason}`);
  for (const [name, cells] of missing) line("", `${name} has ${plural(cells, "empty cell")}`);
  line("target", `${options.target}: ${info.labels ? `classification, ${info.labels.length} classes` : "regression"}`);
  line("network", `${width}-${hidden}-${outputs}, ${count(countOf(model))} parameters`);
  const ended =
    history.length < epochs ? `stopped after ${plural(patience + 1, "epoch")} without improvement` : "all epochs done";
  line("training", `${plural(history.length, "epoch")}, ${ended}; best epoch ${best.epoch}`);
  print();
  print(formatQuality(info, quality, hasValidation));
  print();
  print(paragraph(closing(info, quality, measured.y.length, hasValidation, options.save), green));
  return 0;
}

/** Rows whose target is not empty. */
function rowsWithTarget(table: Table, name: string): { rows: Row[]; skipped: number } {
  const index = columnOf(table, name);
  const all = table.rows.map(({ cells }) => cells[index]!);
  const isAbsent = isNumeric(all) ? isMissing : (cell: string) => cell === "";
  const rows = table.rows.filter(({ cells }) => !isAbsent(cells[index]!));
  return { rows, skipped: table.rows.length - rows.length };
}

/** The target's index, and whether it is a number or a class. */
function targetOf(table: Table, rows: readonly Row[], { target, task }: TableOptions) {
  const index = columnOf(table, target);
  const values = rows.map(({ cells }) => cells[index]!);
  const distinct = new Set(values);
  if (distinct.size < 2) {
    const only = distinct.size === 0 ? "is empty in all rows" : `is ${JSON.stringify(values[0])} in all rows`;
    throw new OptionError(`${table.file}: column "${target}" ${only}; expected two different values or more`);
  }
  const found: Task = isNumeric(values) && distinct.size > 2 ? "regression" : "classification";
  const chosen = task ?? found;
  if (chosen === "classification" && distinct.size > MOST_CLASSES) {
    const advice = `has ${distinct.size} different texts; expected at most ${MOST_CLASSES} classes`;
    throw new OptionError(`${table.file}: column "${target}" ${advice}`);
  }
  return { table, index, task: chosen };
}

/** Splits rows at random, the same for the same seed. */
function split(rows: readonly Row[], share: number, seed: number): { train: Row[]; validation: Row[] } {
  const order = Float64Array.from(rows, (_, i) => i);
  const count = Math.round(rows.length * share);
  if (share > 0 && (count === 0 || count === rows.length)) {
    throw new OptionError(
      `--validation ${share} of ${rows.length} rows is ${count}; expected at least 1 row on each side`,
    );
  }
  if (share === 0) return { train: [...rows], validation: [] };
  const parts = nn.splitRows({ order }, { rows: rows.length, validation: share, seed });
  const pick = (chosen: Float32Array) => Array.from(chosen, (i) => rows[i]!);
  return { train: pick(parts.train.order), validation: pick(parts.validation.order) };
}

/** What a model needs to know about its target, and the function that makes a network's targets. */
function describeTarget(
  name: string,
  { table, index, task }: ReturnType<typeof targetOf>,
  columns: readonly Column[],
  training: readonly Row[],
  all: readonly Row[],
): { info: TableInfo; encodeTarget: (rows: readonly Row[]) => Float32Array } {
  const base = { format: 1, target: name, task, columns } as const;
  if (task === "regression") {
    const values = (rows: readonly Row[]) => rows.map((row) => numberOf(table.file, row, index, name));
    values(all); // in the order of the file, so that an error names the first wrong line
    const { apply, state } = nn.fitStandardizer(values(training), 1);
    return {
      info: { ...base, scaler: state },
      encodeTarget: (rows) => (rows.length === 0 ? new Float32Array() : apply(values(rows))),
    };
  }
  const cells = all.map((row) => row.cells[index]!);
  const compare = isNumeric(cells) ? (a: string, b: string) => Number(a) - Number(b) : undefined;
  const labels = [...new Set(cells)].sort(compare);
  const places = new Map(labels.map((label, i) => [label, i]));
  return {
    info: { ...base, labels },
    encodeTarget: (rows) => Float32Array.from(rows, (row) => places.get(row.cells[index]!)!),
  };
}

/** Measures a trained model. */
function qualityOf(
  trainer: nn.Trainer,
  info: TableInfo,
  { x, y }: { x: Float32Array; y: Float32Array },
  known: Float32Array,
): Quality {
  if (info.labels) {
    const { loss, accuracy, metrics } = trainer.evaluate(x, y, { metrics: ["f1"] });
    const counts = info.labels.map((_, label) => known.filter((value) => value === label).length);
    const most = counts.indexOf(Math.max(...counts));
    return {
      loss,
      accuracy,
      f1: metrics!["f1"] as number,
      constant: y.filter((value) => value === most).length / y.length,
    };
  }
  const { loss, metrics } = trainer.evaluate(x, y, { metrics: ["meanAbsoluteError", "r2"] });
  const deviation = info.scaler!.deviation[0]!;
  const { meanAbsoluteError, r2 } = metrics as { meanAbsoluteError: number; r2: number };
  const sorted = known.toSorted();
  const median = sorted[sorted.length >> 1]!;
  const constant = (deviation * y.reduce((sum, value) => sum + Math.abs(value - median), 0)) / y.length;
  return { loss, meanAbsoluteError: meanAbsoluteError * deviation, r2, constant };
}

function formatQuality({ labels, target }: TableInfo, quality: Quality, hasValidation: boolean): string {
  const where = hasValidation ? "validation" : "training";
  const { accuracy, f1, constant, meanAbsoluteError, r2 } = quality;
  const head = [`on the ${where} rows`, "model", "one answer for all"];
  if (labels) {
    return formatColumns(head, [
      ["accuracy", percent(accuracy!), percent(constant)],
      ["F1, mean of the classes", f1!.toFixed(3), ""],
    ]);
  }
  return formatColumns(head, [
    [`mean absolute error of ${target}`, rounded(meanAbsoluteError!), rounded(constant)],
    ["R²", r2!.toFixed(3), ""],
  ]);
}

function closing(
  info: TableInfo,
  quality: Quality,
  rows: number,
  hasValidation: boolean,
  save: string | undefined,
): string {
  const where = `${plural(rows, "row")} that it was ${hasValidation ? "not " : ""}trained on`;
  const result = info.labels
    ? `The model predicts ${info.target} correctly for ${percent(quality.accuracy!)} of ${where}.`
    : `The model predicts ${info.target} of ${where} with a mean error of ${rounded(quality.meanAbsoluteError!)}.`;
  const next =
    save === undefined
      ? "Pass --save model.safetensors to keep it."
      : `It is saved in ${save}: use it with lanewise predict --model ${save}.`;
  return `${result} ${next}`;
}

function unitsOf({ task, target }: TableInfo): Record<string, string> {
  if (task === "classification") {
    return { loss: "nats", accuracy: "share from 0 to 1", f1: "from 0 to 1", constant: "share from 0 to 1" };
  }
  return {
    loss: "variances of the target",
    meanAbsoluteError: `unit of ${target}`,
    r2: "share from −∞ to 1",
    constant: `unit of ${target}`,
  };
}

/** Writes a file. Throws OptionError if that fails. */
export function writeOutput(file: string, data: string | Uint8Array): void {
  try {
    writeFileSync(file, data);
  } catch (error) {
    throw unwritable(file, error);
  }
}

/** Throws OptionError if a file cannot be written: before a long training, instead of after it. */
export function checkWritable(file: string): void {
  try {
    accessSync(existsSync(file) ? file : dirname(file), constants.W_OK);
  } catch (error) {
    throw unwritable(file, error);
  }
}

function unwritable(file: string, error: unknown): OptionError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new OptionError(`cannot write ${file}: ${code === "ENOENT" ? "no such folder" : message}`);
}

const countOf = (model: nn.Model) => Object.values(model.parameters).reduce((sum, { size }) => sum + size, 0);
