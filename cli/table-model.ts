// A network for a table, as one file: the network, and how rows become its inputs and its outputs predictions.
import { type Core, OptionError } from "lanewise";
import * as nn from "lanewise/nn";
import { type Column, widthOf } from "./columns.js";

export type Task = "regression" | "classification";

/** What a model's file says about the table that it was trained on. */
export interface TableInfo {
  readonly format: 1;
  readonly target: string;
  readonly task: Task;
  readonly columns: readonly Column[];
  /** Of classification: the label of each class. */
  readonly labels?: readonly string[];
  /** Of regression: what the target was standardized by. */
  readonly scaler?: nn.StandardizerState;
}

/** The key in the model's metadata. */
const KEY = "table";

/** Writes a model with what `predict` needs to know. */
export function saveTableModel(model: nn.Model, info: TableInfo): Uint8Array {
  return nn.saveModel(model, { metadata: { lanewise: VERSION, [KEY]: info as unknown as nn.Json } });
}

/** Reads a model that `lanewise train --save` has written. Throws CheckpointError or OptionError that names the file. */
export function loadTableModel(core: Core, file: string, bytes: Uint8Array): { model: nn.Model; info: TableInfo } {
  const { model, metadata } = nn.loadModel(core, bytes, { layers: nn });
  const info = readInfo(file, metadata);
  const inputs = widthOf(info.columns);
  const outputs = info.labels?.length ?? 1;
  if (model.inputShape.length !== 1 || model.inputs !== inputs) {
    throw new OptionError(`${file}: the network has ${model.inputs} inputs; expected ${inputs}, as its columns have`);
  }
  if (model.outputs !== outputs) {
    throw new OptionError(`${file}: the network has ${model.outputs} outputs; expected ${outputs}`);
  }
  return { model, info };
}

/** What a file says about its table. Everything is checked, as the file may be anybody's. */
export function readInfo(file: string, metadata: nn.Json | undefined): TableInfo {
  const info = (metadata as { [KEY]?: unknown } | undefined)?.[KEY] as Partial<TableInfo> | undefined;
  if (info === undefined || info === null) {
    throw new OptionError(`${file} has no table of columns; expected a file that lanewise train --save has written`);
  }
  const { format, target, task, columns, labels, scaler } = info;
  check(file, "format", format, format === 1, "1");
  check(file, "target", target, typeof target === "string", "a string");
  check(file, "task", task, task === "regression" || task === "classification", '"regression" or "classification"');
  check(file, "columns", columns, Array.isArray(columns) && columns.length > 0, "a list of columns");
  for (const [i, column] of columns!.entries()) {
    const isObject = typeof column === "object" && column !== null;
    check(file, `columns[${i}]`, column, isObject && typeof column.name === "string", "a column with a name");
    if (column.type === "text") check(file, `columns[${i}].values`, column.values, isTexts(column.values), "strings");
    else {
      check(file, `columns[${i}].type`, column.type, column.type === "number", '"number" or "text"');
      checkScaler(file, `columns[${i}].scaler`, column.scaler);
    }
  }
  if (task === "classification")
    check(file, "labels", labels, isTexts(labels) && labels!.length > 1, "two strings or more");
  else {
    check(file, "labels", labels, labels === undefined, "none in a regression");
    checkScaler(file, "scaler", scaler);
  }
  return info as TableInfo;
}

function check(file: string, name: string, value: unknown, isRight: boolean, expected: string): void {
  if (isRight) return;
  const shown = JSON.stringify(value) ?? "missing";
  throw new OptionError(
    `${file}: ${KEY}.${name} is ${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown}; expected ${expected}`,
  );
}

function isTexts(list: unknown): boolean {
  return Array.isArray(list) && list.every((text) => typeof text === "string") && new Set(list).size === list.length;
}

/** Of one column of numbers. */
function checkScaler(file: string, name: string, state: nn.StandardizerState | undefined): void {
  check(
    file,
    name,
    state,
    Array.isArray(state?.mean) && state.mean.length === 1,
    "the mean and deviation of one column",
  );
  nn.standardizer(state!);
}
