import { execFileSync } from "node:child_process";
import { cpus, loadavg } from "node:os";
import Table from "cli-table3";
import { formatNumber, formatTime } from "../measure/format.js";
import type { Timing } from "../measure/rounds.js";
import type { Row } from "./run.js";

/** Rows that belong together. */
export interface Family {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** Where the figures come from. */
export interface Environment {
  readonly cpu: string;
  /** Processes that wanted a processor in the minute before. */
  readonly load: number;
  readonly runtime: string;
  readonly date: string;
  readonly commit: string;
}

export function describeEnvironment(): Environment {
  let commit = "unknown";
  try {
    commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    // Not a checkout, or no git: the report says so.
  }
  const cpu = cpus();
  return {
    cpu: `${cpu.length} × ${cpu[0]?.model ?? "unknown"}`,
    load: Number(loadavg()[0]!.toFixed(1)),
    runtime: `Node ${process.versions.node} (V8 ${process.versions.v8})`,
    date: new Date().toISOString().slice(0, 10),
    commit,
  };
}

/** A column that holds one side's speed against the best of some others. */
export interface Ratio {
  readonly head: string;
  readonly side: string;
  readonly against: readonly string[];
  /** In percent; else as a factor, with the other's name where there are several. */
  readonly percent?: boolean;
}

/** A row for each piece of work, a column for each of `sides` that took part, and the ratios that have both sides. */
export function formatFamily({ title, rows }: Family, sides: readonly string[], ratios: readonly Ratio[]): string {
  const names = sides.filter((side) => rows.some(({ timings }) => timings.some(({ name }) => name === side)));
  const columns = ratios.filter(({ side, against }) => names.includes(side) && against.some((n) => names.includes(n)));
  const { unit } = rows[0]!;
  const head = [unit === "time" ? title : `${title}, ${unit}`, ...names, "spread", ...columns.map((c) => c.head)];
  const table = new Table({
    head: head.map((name, i) => (i === 0 ? name : name.replace(/ (?=\S*$|\/)/, "\n"))),
    style: { head: [], border: [], compact: true },
    colAligns: ["left", ...head.slice(1).map(() => "right" as const)],
  });
  for (const row of rows) {
    const find = (name: string) => row.timings.find((timing) => timing.name === name);
    const rates = names.map(find).map((timing) => (timing ? formatRate(row, timing) : "–"));
    const spread = Math.max(...row.timings.map(({ best, median }) => median / best - 1));
    table.push([row.name, ...rates, `+ ${(spread * 100).toFixed(0)} %`, ...columns.map((c) => formatRatio(c, find))]);
  }
  const origins = rows.flatMap(({ name, origin }) => (origin === undefined ? [] : [`${name}: ${origin}`]));
  const notes = new Set(rows.flatMap((row) => row.notes.map((note) => `! ${note}`)));
  return [`${table}`, ...origins, ...notes].join("\n");
}

/** Work per nanosecond, or time, in three digits. */
function formatRate({ unit, amount }: Row, { median }: Timing): string {
  return unit === "time" ? formatTime(median) : formatNumber(amount / median / 1e6);
}

function formatRatio({ side, against, percent }: Ratio, find: (name: string) => Timing | undefined): string {
  const own = find(side);
  const others = against.flatMap((name) => find(name) ?? []);
  if (own === undefined || others.length === 0) return "–";
  const fastest = others.reduce((a, b) => (a.median <= b.median ? a : b));
  const ratio = fastest.median / own.median;
  if (percent) return `${(100 * ratio).toFixed(0)} %`;
  return against.length > 1 ? `${ratio.toPrecision(3)} ${fastest.name.split(" ")[0]}` : ratio.toPrecision(3);
}
