import { createCore, matmul, RMSProp } from "lanewise";
import { compare, type Kind, type Report, type Result, UNITS } from "../measure/compare.js";
import { environment } from "../measure/environment.js";
import { formatNumber, formatTime } from "../measure/format.js";
import { columnsOf, deviationOf, formatEnvironment, formatMarkdown, formatSize, TITLES } from "../measure/markdown.js";
import { heading, paragraph, terminalWidth } from "./layout.js";
import { bold, cyan, drawBar, faint, green, print, printJson, startProgress, stopProgress } from "./terminal.js";

/** Options of `lanewise bench`. */
export interface BenchOptions {
  steps: number[];
  products: number[];
  samples: number;
  threads: number;
  json?: boolean;
  markdown?: boolean;
}

/** The longest bar, and the narrowest terminal with times beside it. */
const LONGEST_BAR = 27;
const NARROWEST_WITH_TIMES = 60;

/** Measures and prints: bars as each kind of work is done, or everything at the end for programs and for pasting. */
export async function bench(options: BenchOptions): Promise<number> {
  const { threads, json, markdown } = options;
  const where = environment();
  const onScreen = !json && !markdown;
  if (onScreen) print(heading(where));
  const results: Result[] = [];
  for (const kind of ["step", "product"] as const) {
    const measured = await measureKind(kind, options);
    results.push(...measured);
    if (onScreen && measured.length > 0) print(`\n${formatBars(measured)}`);
  }
  const report: Report = { lanewise: VERSION, environment: where, units: UNITS, results };
  if (json) printJson(report);
  else if (markdown) print(formatPaste(report));
  else {
    print(`\n${paragraph("median rate and time; ± half the interquartile range", faint)}`);
    if (results.length > 0) print(paragraph(closing(results), green));
  }
  const missing = threads > 1 && results.every(({ backend }) => backend !== "threads");
  if (missing && !json) print(paragraph("Threads are unavailable here: lanewise doctor shows why."));
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
  const width = terminalWidth();
  const hasTimes = width >= NARROWEST_WITH_TIMES;
  const barWidth = Math.max(0, Math.min(LONGEST_BAR, width - (hasTimes ? 53 : 34)));
  const lines = [paragraph(`${TITLES[kind]}, ${unit}`, bold)];
  let first = results[0]!;
  for (const result of results) {
    if (result.size !== first.size) first = result;
    const isFirst = result === first;
    const cells = [
      (isFirst ? formatSize(result.size) : "").padEnd(11),
      result.backend.padEnd(8),
      (isFirst ? faint : cyan)(drawBar(result.rate / top, barWidth)),
      formatNumber(result.rate).padStart(7),
      (isFirst ? "" : `${formatNumber(result.rate / first.rate)} ×`).padStart(8),
      hasTimes ? faint(`${formatTime(result.median).padStart(9)} ${deviationOf(result)}`) : "",
    ];
    lines.push(cells.join("").trimEnd());
  }
  return lines.join("\n");
}

/** How much faster Wasm is, at the largest size of each kind. */
function closing(results: readonly Result[]): string {
  const ratios = (["step", "product"] as const).flatMap((kind) => {
    const own = results.filter((result) => result.kind === kind);
    const size = own.at(-1)?.size;
    const [js, wasm] = ["js", "wasm"].map((name) =>
      own.find((result) => result.size === size && result.backend === name),
    );
    if (!js || !wasm) return [];
    const what =
      kind === "step" ? `a step of ${formatSize(size!)} parameters` : `products of ${size} × ${size} matrices`;
    return [`${formatNumber(wasm.rate / js.rate)} times as fast as JavaScript in ${what}`];
  });
  if (ratios.length === 0) return "Wasm does not run here: lanewise doctor shows why.";
  return `Wasm is ${ratios.join(", and ")}.`;
}

/** The tables for a readme or an issue. */
function formatPaste({ environment, results }: Report): string {
  return `Lanewise ${VERSION} | ${formatEnvironment(environment)}\n\n${formatMarkdown(columnsOf(results))}`;
}
