import { createCore, matmul, RMSProp } from "lanewise";
import { compare, type Kind, type Report, type Result, SIZES } from "../bench/compare.js";
import { environment } from "../bench/environment.js";
import { formatNumber, formatTime } from "../bench/format.js";
import { deviationOf, formatEnvironment, formatMarkdown, formatSize, TITLES } from "../bench/markdown.js";
import { bold, cyan, drawBar, faint, print, printJson, startProgress, stopProgress } from "./terminal.js";

/** Options of `lanewise bench`. */
export interface BenchOptions {
  steps?: number[];
  products?: number[];
  samples: number;
  threads: number;
  json?: boolean;
  markdown?: boolean;
}

const BAR_WIDTH = 27;

/** Measures and prints: bars as each kind of work is done, or everything at the end for programs and for pasting. */
export async function bench(options: BenchOptions): Promise<number> {
  const { samples, threads, json, markdown } = options;
  const sizes = { step: options.steps ?? SIZES.step, product: options.products ?? SIZES.product };
  const where = environment();
  const onScreen = !json && !markdown;
  if (onScreen) print(`${bold(`Lanewise ${VERSION}`)} | ${formatEnvironment(where)}`);
  const results: Result[] = [];
  const total = sizes.step.length + sizes.product.length;
  const start = (kind: Kind, done: number) => {
    const bar = startProgress("{bar} {value}/{total} {title}", total, { title: TITLES[kind] });
    bar.update(done);
    return bar;
  };
  let progress = start(sizes.step.length > 0 ? "step" : "product", 0);
  const seen = new Set<string>();
  const show = (kind: Kind) => {
    if (!onScreen) return;
    stopProgress();
    print(`\n${formatBars(results.filter((result) => result.kind === kind))}`);
  };
  for await (const result of compare({ createCore, matmul, RMSProp, sizes, samples, threads })) {
    const last = results.at(-1);
    if (last && last.kind !== result.kind) {
      show(last.kind);
      progress = start(result.kind, seen.size);
    }
    results.push(result);
    seen.add(`${result.kind} ${result.size}`);
    progress.update(seen.size, { title: `${TITLES[result.kind]}, n = ${formatSize(result.size)}` });
  }
  stopProgress();
  const report: Report = { lanewise: VERSION, environment: where, results };
  if (json) printJson(report);
  else if (markdown) print(formatPaste(report));
  else {
    if (results.length > 0) show(results.at(-1)!.kind);
    print(faint("\nmedian rate and time; ± half the distance of the quartiles"));
  }
  const missing = threads > 1 && results.every(({ backend }) => backend !== "threads");
  if (missing && !json) print(faint("threads are not to be had here: lanewise doctor says why"));
  return 0;
}

/** A block of bars: the longest is the fastest of its kind. */
function formatBars(results: readonly Result[]): string {
  const top = Math.max(...results.map(({ rate }) => rate));
  const { kind, unit } = results[0]!;
  const lines = [bold(`${TITLES[kind]}, ${unit}`)];
  let size: number | undefined;
  let base = 1;
  for (const result of results) {
    const first = result.size !== size;
    if (first) {
      size = result.size;
      base = result.rate;
    }
    const label = first ? formatSize(result.size) : "";
    const bar = drawBar(result.rate / top, BAR_WIDTH);
    const factor = first ? "" : `${formatNumber(result.rate / base)} ×`;
    lines.push(
      `${label.padEnd(11)}${result.backend.padEnd(8)}${first ? faint(bar) : cyan(bar)}${formatNumber(result.rate).padStart(7)}` +
        `${factor.padStart(8)}${faint(`${formatTime(result.median).padStart(9)} ${deviationOf(result)}`)}`,
    );
  }
  return lines.join("\n");
}

/** The tables for a readme or an issue. */
function formatPaste({ environment, results }: Report): string {
  const backends = [...new Set(results.map(({ backend }) => backend))];
  const columns = backends.map((backend) => {
    const own = results.filter((result) => result.backend === backend);
    return { name: backend === "threads" ? `${own[0]!.threads} threads` : backend, results: own };
  });
  return `Lanewise ${VERSION} | ${formatEnvironment(environment)}\n\n${formatMarkdown(columns)}`;
}
