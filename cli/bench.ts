import { createCore, matmul, RMSProp } from "lanewise";
import { compare, type Kind, type Report, type Result } from "../measure/compare.js";
import { environment } from "../measure/environment.js";
import { formatNumber, formatTime } from "../measure/format.js";
import { columnsOf, deviationOf, formatEnvironment, formatMarkdown, formatSize, TITLES } from "../measure/markdown.js";
import { bold, cyan, drawBar, faint, print, printJson, startProgress, stopProgress } from "./terminal.js";

/** Options of `lanewise bench`. */
export interface BenchOptions {
  steps: number[];
  products: number[];
  samples: number;
  threads: number;
  json?: boolean;
  markdown?: boolean;
}

const BAR_WIDTH = 27;

/** Measures and prints: bars as each kind of work is done, or everything at the end for programs and for pasting. */
export async function bench(options: BenchOptions): Promise<number> {
  const { threads, json, markdown } = options;
  const where = environment();
  const onScreen = !json && !markdown;
  if (onScreen) print(`${bold(`Lanewise ${VERSION}`)} | ${formatEnvironment(where)}`);
  const results: Result[] = [];
  for (const kind of ["step", "product"] as const) {
    const measured = await measureKind(kind, options);
    results.push(...measured);
    if (onScreen && measured.length > 0) print(`\n${formatBars(measured)}`);
  }
  const report: Report = { lanewise: VERSION, environment: where, results };
  if (json) printJson(report);
  else if (markdown) print(formatPaste(report));
  else print(faint("\nmedian rate and time; ± half the interquartile range"));
  const missing = threads > 1 && results.every(({ backend }) => backend !== "threads");
  if (missing && !json) print(faint("threads are unavailable here: lanewise doctor says why"));
  return 0;
}

async function measureKind(kind: Kind, { steps, products, samples, threads }: BenchOptions): Promise<Result[]> {
  const list = kind === "step" ? steps : products;
  if (list.length === 0) return [];
  const results: Result[] = [];
  const progress = startProgress(`{bar} {value}/{total} ${TITLES[kind]}`, list.length, {});
  const sizes = { step: [], product: [], [kind]: list };
  for await (const result of compare({ createCore, matmul, RMSProp, sizes, samples, threads })) {
    results.push(result);
    progress.update(list.indexOf(result.size) + 1);
  }
  stopProgress();
  return results;
}

/** A block of bars: the longest is the fastest of its kind. */
function formatBars(results: readonly Result[]): string {
  const top = Math.max(...results.map(({ rate }) => rate));
  const { kind, unit } = results[0]!;
  const lines = [bold(`${TITLES[kind]}, ${unit}`)];
  let first = results[0]!;
  for (const result of results) {
    if (result.size !== first.size) first = result;
    const isFirst = result === first;
    const cells = [
      (isFirst ? formatSize(result.size) : "").padEnd(11),
      result.backend.padEnd(8),
      (isFirst ? faint : cyan)(drawBar(result.rate / top, BAR_WIDTH)),
      formatNumber(result.rate).padStart(7),
      (isFirst ? "" : `${formatNumber(result.rate / first.rate)} ×`).padStart(8),
      faint(`${formatTime(result.median).padStart(9)} ${deviationOf(result)}`),
    ];
    lines.push(cells.join(""));
  }
  return lines.join("\n");
}

/** The tables for a readme or an issue. */
function formatPaste({ environment, results }: Report): string {
  return `Lanewise ${VERSION} | ${formatEnvironment(environment)}\n\n${formatMarkdown(columnsOf(results))}`;
}
