import type { BackendName, Kind, Result } from "./compare.js";
import type { Environment } from "./environment.js";
import { formatNumber } from "./format.js";

/** What is measured, in the words of tables and charts; n is the size. */
export const TITLES: Readonly<Record<Kind, string>> = {
  step: "RMSProp step of n parameters",
  product: "n × n × n matrix product",
};

export function formatSize(size: number): string {
  return size.toLocaleString("en");
}

/** Somebody's results: a backend, or a backend in some runtime. */
export interface Column {
  readonly name: string;
  readonly results: readonly Result[];
}

/** A column for each backend. */
export function columnsOf(results: readonly Result[]): (Column & { readonly backend: BackendName })[] {
  return [...new Set(results.map(({ backend }) => backend))].map((backend) => {
    const own = results.filter((result) => result.backend === backend);
    return { backend, name: backend === "threads" ? `${own[0]!.threads} threads` : backend, results: own };
  });
}

/** Half the interquartile range, relative to the median. */
export function deviationOf({ median, spread: [lower, upper] }: Result): string {
  return `± ${((50 * (upper - lower)) / median).toFixed(1)} %`;
}

/** The environment in a line. */
export function formatEnvironment({ runtime, engine, cpu, platform, date }: Environment): string {
  return [engine === undefined ? runtime : `${runtime} (${engine})`, cpu, platform, date].filter(Boolean).join(" | ");
}

/** A table in Markdown for each kind of work: a row for each size, rates with their deviation. */
export function formatMarkdown(columns: readonly Column[]): string {
  const all = columns.flatMap(({ results }) => results);
  return [...new Set(all.map(({ kind }) => kind))].map((kind) => formatKind(kind, columns)).join("\n\n");
}

function formatKind(kind: Kind, columns: readonly Column[]): string {
  const sides = columns
    .map(({ name, results }) => ({ name, results: results.filter((result) => result.kind === kind) }))
    .filter(({ results }) => results.length > 0);
  const sizes = new Set(sides.flatMap(({ results }) => results.map(({ size }) => size)));
  const rows = [...sizes]
    .sort((a, b) => a - b)
    .map((size) => [
      formatSize(size),
      ...sides.map(({ results }) => {
        const result = results.find((candidate) => candidate.size === size);
        return result ? `${formatNumber(result.rate)} ${deviationOf(result)}` : "–";
      }),
    ]);
  const head = [`${TITLES[kind]}, ${sides[0]!.results[0]!.unit}`, ...sides.map(({ name }) => name)];
  return [head, ["---", ...sides.map(() => "---:")], ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
