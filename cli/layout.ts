// How text is arranged to fit the terminal.
import process from "node:process";
import type { Environment } from "../measure/environment.js";
import { formatEnvironment } from "../measure/markdown.js";
import { bold } from "./terminal.js";

/** Columns of the terminal; 80 where there is none. */
export function terminalWidth(): number {
  return process.stdout.columns || Number(process.env["COLUMNS"]) || 80;
}

/** Breaks text between words, into lines of at most `width` characters; a longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Text that is broken to fit the terminal. */
export function paragraph(text: string, color = (line: string) => line): string {
  return wrap(text, terminalWidth()).map(color).join("\n");
}

/** The first lines of what a command prints: the version, and where it runs. */
export function heading(where: Environment): string {
  const name = `Lanewise ${VERSION}`;
  return paragraph(`${name} | ${formatEnvironment(where)}`).replace(name, bold(name));
}

/** A long value is beside its label only if its lines have at least this many characters. */
const SHORTEST = 24;

/** A value after its label, wrapped: beside the label, or in a narrow terminal below. */
export function labelled(label: string, text: string, labelWidth: number, color = (line: string) => line): string {
  const rest = terminalWidth() - labelWidth;
  const isBeside = rest >= Math.min(SHORTEST, text.length) && label.length < labelWidth;
  const indent = " ".repeat(isBeside ? labelWidth : 4);
  const lines = wrap(text, isBeside ? rest : terminalWidth() - 4).map(color);
  return `${isBeside ? label.padEnd(labelWidth) : `${label}\n${indent}`}${lines.join(`\n${indent}`)}`;
}

/** A table as it is shown. */
export interface TableOptions {
  /** Columns whose text is at the left; numbers are at the right. Default: the first. */
  readonly left?: readonly number[];
  readonly color?: (line: string) => string;
}

/** A table; in a terminal that is too narrow for it each row is a list of its cells. */
export function formatColumns(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { left = [0], color = (line) => line }: TableOptions = {},
): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const total = widths.reduce((sum, width) => sum + width, 2 * (head.length - 1));
  if (total <= terminalWidth()) {
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, i) => (left.includes(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join("  ")
        .trimEnd();
    return [bold(line(head)), ...rows.map((row) => color(line(row)))].join("\n");
  }
  const labelWidth = Math.max(...head.map((title) => title.length)) + 4;
  const block = ([name, ...cells]: readonly string[]) => {
    const lines = cells.map((cell, i) => cell && labelled(`  ${head[i + 1]}`, cell, labelWidth));
    return [color(name!), ...lines.filter(Boolean)].join("\n");
  };
  return rows.map(block).join("\n");
}
