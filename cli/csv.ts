import { readFileSync } from "node:fs";
import { type CsvError, type Info, parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import { OptionError } from "lanewise";

/** A row of a CSV file. */
export interface Row {
  /** The line of the file on which the row ends, from 1. */
  readonly line: number;
  /** One for each column. */
  readonly cells: readonly string[];
}

/** A CSV file: its first row names the columns. */
export interface Table {
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** Reads a file from the disk. Throws OptionError if that fails. */
export function readInput(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new OptionError(`cannot read ${file}: ${code === "ENOENT" ? "no such file" : message}`);
  }
}

/**
 * Reads a CSV file with a header. Space around cells is removed, empty lines are skipped.
 *
 * @throws OptionError that names the line, or the column
 */
export function readTable(file: string, delimiter: string): Table {
  const [header, ...rows] = parseRows(file, delimiter);
  if (header === undefined) throw new OptionError(`${file} is empty; expected a header with the names of the columns`);
  const columns = header.cells;
  for (const [i, name] of columns.entries()) {
    if (name === "") throw new OptionError(`${file}, line ${header.line}: column ${i + 1} has no name`);
    if (columns.indexOf(name) < i)
      throw new OptionError(`${file}, line ${header.line}: two columns are named "${name}"`);
  }
  const other = columns.length === 1 && [";", "\t", ",", "|"].find((candidate) => columns[0]!.includes(candidate));
  if (other) {
    const shown = other === "\t" ? "$'\\t'" : `"${other}"`;
    throw new OptionError(
      `${file} has one column, "${columns[0]}"; if its columns are separated by ${shown}, pass --delimiter ${shown}`,
    );
  }
  for (const { line, cells } of rows) {
    if (cells.length !== columns.length) {
      throw new OptionError(
        `${file}, line ${line}: ${cells.length} cells; expected ${columns.length}, as in the header`,
      );
    }
  }
  if (rows.length === 0) throw new OptionError(`${file} has no rows after the header; expected at least one`);
  return { file, columns, rows };
}

function parseRows(file: string, delimiter: string): Row[] {
  const options = { bom: true, delimiter, info: true, relax_column_count: true, skip_empty_lines: true, trim: true };
  try {
    const records = parse(readInput(file), options) as unknown as { record: string[]; info: Info }[];
    return records.map(({ record, info }) => ({ line: info.lines, cells: record }));
  } catch (error) {
    if (error instanceof OptionError) throw error;
    throw new OptionError(`${file} is not valid CSV: ${(error as CsvError).message}`);
  }
}

/** The index of a column. Throws OptionError if the table has none of this name. */
export function columnOf({ file, columns }: Table, name: string): number {
  const index = columns.indexOf(name);
  if (index !== -1) return index;
  throw new OptionError(`${file} has no column "${name}"; its columns are ${columns.join(", ")}`);
}

/** A table as CSV. */
export function formatTable(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  delimiter: string,
): string {
  return stringify([[...columns], ...rows.map((row) => [...row])], { delimiter });
}
