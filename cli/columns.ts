// How the columns of a table become the inputs of a network.
import { OptionError } from "lanewise";
import { fitStandardizer, type StandardizerState, standardizer } from "lanewise/nn";
import { columnOf, type Row, type Table } from "./csv.js";

/** A column of numbers: standardized; an empty cell becomes the mean. */
export interface NumberColumn {
  readonly name: string;
  readonly type: "number";
  readonly scaler: StandardizerState;
}

/** A column of text: an input for each of its values, which is 1 where the cell has that value. */
export interface TextColumn {
  readonly name: string;
  readonly type: "text";
  readonly values: readonly string[];
}

export type Column = NumberColumn | TextColumn;

/** A column that is not used, and why. */
export interface IgnoredColumn {
  readonly name: string;
  readonly reason: string;
}

/** What the user says about columns. */
export interface ColumnOptions {
  /** Columns of text, though their cells are numbers. */
  readonly text: readonly string[];
  /** Columns that are not used. */
  readonly ignore: readonly string[];
}

/** A column with more different texts is rather a name than a category. */
export const MOST_VALUES = 50;

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** In a column of numbers these are empty cells. */
const MISSING = /^(|na|n\/a|nan|null|none|\?|-)$/i;
/** The largest float32. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/** Whether a cell of a column of numbers has none. */
export function isMissing(cell: string): boolean {
  return MISSING.test(cell);
}

/** Whether all cells are numbers or missing, and at least one is a number. */
export function isNumeric(cells: readonly string[]): boolean {
  return cells.every((cell) => NUMBER.test(cell) || isMissing(cell)) && !cells.every(isMissing);
}

/** The number in a cell. Throws OptionError that names line and column. */
export function numberOf(file: string, { line, cells }: Row, index: number, name: string): number {
  const cell = cells[index]!;
  const value = Number(cell);
  if (NUMBER.test(cell) && Math.abs(value) <= LARGEST) return value;
  const range = NUMBER.test(cell) ? " from −3.4e38 to 3.4e38" : "";
  throw new OptionError(
    `${file}, line ${line}: column "${name}" is ${JSON.stringify(cell)}; expected a number${range}`,
  );
}

/**
 * Finds out how to use each column, except the target. Types are those of all rows; means and values are of the training rows alone.
 *
 * @throws OptionError
 */
export function fitColumns(table: Table, training: readonly Row[], target: string, { text, ignore }: ColumnOptions) {
  for (const name of [...text, ...ignore]) columnOf(table, name);
  const columns: Column[] = [];
  const ignored: IgnoredColumn[] = [];
  for (const [index, name] of table.columns.entries()) {
    if (name === target) continue;
    if (ignore.includes(name)) {
      ignored.push({ name, reason: "as asked" });
      continue;
    }
    const isText = text.includes(name) || !isNumeric(table.rows.map(({ cells }) => cells[index]!));
    const column = isText ? fitText(name, training, index) : fitNumber(table.file, name, training, index);
    if ("reason" in column) ignored.push(column);
    else columns.push(column);
  }
  if (columns.length > 0) return { columns, ignored };
  const reasons = ignored.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  throw new OptionError(`${table.file} has no column to predict "${target}" from${reasons && ` (${reasons})`}`);
}

function fitText(name: string, rows: readonly Row[], index: number): TextColumn | IgnoredColumn {
  const values = [...new Set(rows.map(({ cells }) => cells[index]!))].filter((value) => value !== "").sort();
  if (values.length === 0) return { name, reason: "empty" };
  if (values.length > MOST_VALUES) {
    return { name, reason: `${values.length} different texts, more than ${MOST_VALUES}` };
  }
  return { name, type: "text", values };
}

function fitNumber(file: string, name: string, rows: readonly Row[], index: number): NumberColumn | IgnoredColumn {
  const present = rows.filter(({ cells }) => !isMissing(cells[index]!));
  if (present.length === 0) return { name, reason: "empty" };
  const { state } = fitStandardizer(
    present.map((row) => numberOf(file, row, index, name)),
    1,
  );
  return { name, type: "number", scaler: state };
}

/** Inputs of a network that takes these columns. */
export function widthOf(columns: readonly Column[]): number {
  return columns.reduce((sum, column) => sum + (column.type === "text" ? column.values.length : 1), 0);
}

/** Rows as inputs of the network, and the cells that had to be guessed, by column. */
export interface Encoded {
  readonly x: Float32Array;
  /** Empty cells. */
  readonly missing: ReadonlyMap<string, number>;
  /** Texts that the column did not have in training; all of its inputs are 0. */
  readonly unknown: ReadonlyMap<string, number>;
}

/** Makes the inputs of a network from rows. Throws OptionError that names what is wrong. */
export function encode(columns: readonly Column[], table: Table, rows: readonly Row[]): Encoded {
  const width = widthOf(columns);
  const x = new Float32Array(rows.length * width);
  const missing = new Map<string, number>();
  const unknown = new Map<string, number>();
  const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  let at = 0;
  for (const column of columns) {
    const { name } = column;
    const index = columnOf(table, name);
    if (column.type === "number") {
      const { apply, state } = standardizer(column.scaler);
      const values = rows.map((row) => {
        if (!isMissing(row.cells[index]!)) return numberOf(table.file, row, index, name);
        count(missing, name);
        return state.mean[0]!;
      });
      for (const [i, value] of apply(values).entries()) x[i * width + at] = value;
      at++;
    } else {
      const places = new Map(column.values.map((value, i) => [value, i]));
      for (const [i, { cells }] of rows.entries()) {
        const cell = cells[index]!;
        const place = places.get(cell);
        if (place !== undefined) x[i * width + at + place] = 1;
        else count(cell === "" ? missing : unknown, name);
      }
      at += places.size;
    }
  }
  return { x, missing, unknown };
}
