// Puts reports of `lanewise bench --json`, and those that a page has saved, beside each other: a table, and a chart.
import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import type { BackendName, Kind, Report, Result } from "../measure/compare.js";
import { type Column, columnsOf, formatEnvironment, formatMarkdown, TITLES } from "../measure/markdown.js";
import { type Line, saveChart } from "./chart.js";

/** A color for each report, in a shade for each backend. */
const COLORS = ["#1f5fbf", "#2ca02c", "#d62728", "#ff7f0e", "#6f42c1", "#17a2b8", "#8c564b", "#111111"];
const SHADES: Readonly<Record<BackendName, number>> = { wasm: 1, threads: 0.7, js: 0.55 };

/** A side of a report, with its color. */
interface Side extends Column {
  readonly color: string;
}

const command = new Command("npm run bench:merge --")
  .description("Put results of `lanewise bench --json` from several runtimes or machines beside each other.")
  .argument("<reports...>", "JSON files", (file, reports: Report[] = []) => [...reports, readReport(file)])
  .option("--svg <file>", "draw them")
  .addOption(new Option("--kind <kind>", "what to draw").choices(Object.keys(TITLES)).default("product"))
  .parse();
const options = command.opts<{ svg?: string; kind: Kind }>();

const reports = command.processedArgs[0] as Report[];
const sides = reports.flatMap(sidesOf);
const environments = [...new Set(reports.map(({ environment }) => formatEnvironment(environment)))];
console.log(`${environments.join("\n")}\n\n${formatMarkdown(sides)}`);
if (options.svg !== undefined) {
  const lines = sides.flatMap(lineOf);
  if (lines.length === 0) command.error(`error: no ${options.kind} was measured in ${command.args.join(", ")}`);
  const unit = lines[0]!.unit;
  const machines = new Set(
    reports.map(({ environment: { cpu, platform, date } }) => [cpu, platform, date].filter(Boolean).join(" | ")),
  );
  saveChart(options.svg, `${TITLES[options.kind]} in several runtimes`, [...machines].join("; "), lines, {
    size: "n",
    rate: unit,
  });
}

/** A file's report; commander tells the user what is wrong with it. */
function readReport(file: string): Report {
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as Report;
    const numbers = report.results.flatMap(({ size, rate, median, spread }) => [
      size,
      rate,
      median,
      spread[0],
      spread[1],
    ]);
    const known = report.results.every(({ kind, backend }) => kind in TITLES && backend in SHADES);
    if (known && numbers.every(Number.isFinite) && typeof report.environment.runtime === "string") return report;
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw new InvalidArgumentError(error.message);
  }
  throw new InvalidArgumentError(`${file} is no report of \`lanewise bench --json\`.`);
}

function sidesOf({ environment: { runtime }, results }: Report, index: number): Side[] {
  const color = COLORS[index % COLORS.length]!;
  return columnsOf(results).map(({ backend, name, results }) => {
    return { name: `${runtime}, ${name}`, results, color: shade(color, SHADES[backend]) };
  });
}

/** A color with white in it, so that `share` of the color remains. */
function shade(color: string, share: number): string {
  return color.replaceAll(/\w\w/g, (hex) => {
    const channel = Math.round(255 - (255 - Number.parseInt(hex, 16)) * share);
    return channel.toString(16).padStart(2, "0");
  });
}

function lineOf({ name, color, results }: Side): (Line & Pick<Result, "unit">)[] {
  const chosen = results.filter(({ kind }) => kind === options.kind);
  if (chosen.length === 0) return [];
  const points = chosen.map(({ size, rate }) => [size, rate] as const);
  return [{ name, color, limit: false, points, unit: chosen[0]!.unit }];
}
