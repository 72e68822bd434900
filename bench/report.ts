import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import Table from "cli-table3";
import type { Core } from "lanewise";
import type { Timing } from "./measure.js";

/** A comparison of several sides at the same work. */
export interface Case {
  readonly name: string;
  /** What `work` per nanosecond is called. */
  readonly unit: string;
  readonly work: number;
  readonly sides: readonly ({ readonly name: string } & Timing)[];
  /** The machine's limit in the same unit. */
  readonly native: number | undefined;
}

/** Where the figures come from. */
export interface Environment {
  readonly cpu: string;
  readonly runtime: string;
  readonly variants: readonly string[];
  readonly date: string;
  readonly commit: string;
}

export function describeEnvironment(cores: readonly Core[]): Environment {
  let commit = "unknown";
  try {
    commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    // Not a checkout, or no git: the report says so.
  }
  const cpu = cpus();
  return {
    cpu: `${cpu.length} × ${cpu[0]?.model ?? "unknown"}`,
    runtime: `Node ${process.versions.node} (V8 ${process.versions.v8})`,
    variants: cores.map(({ variant }) => variant),
    date: new Date().toISOString().slice(0, 10),
    commit,
  };
}

export function formatEnvironment({ cpu, runtime, variants, date, commit }: Environment): string {
  return `${cpu} | ${runtime} | ${variants.join(", ")} | ${date} | ${commit}`;
}

/** Median and spread of each side, its rate, and its ratios to the last side and to the native limit. */
export function formatCase({ name, unit, work, sides, native }: Case): string {
  const baseline = sides.at(-1)!;
  const head = [name, "median", "spread", unit, `× ${baseline.name}`];
  if (native !== undefined) head.push(`of native ${native.toFixed(2)}`);
  const table = new Table({
    head,
    style: { head: [], border: [], compact: true },
    colAligns: ["left", "right", "right", "right", "right", "right"],
  });
  for (const side of sides) {
    const rate = work / side.median / 1e6;
    const row = [
      side.name,
      formatTime(side.median),
      `± ${(side.spread * 100).toFixed(1)} %`,
      rate.toPrecision(3),
      (baseline.median / side.median).toFixed(2),
    ];
    if (native !== undefined) row.push(`${((rate / native) * 100).toFixed(0)} %`);
    table.push(row);
  }
  return `${table}`;
}

function formatTime(milliseconds: number): string {
  if (milliseconds >= 1) return `${milliseconds.toFixed(2)} ms`;
  if (milliseconds >= 1e-3) return `${(milliseconds * 1e3).toFixed(2)} µs`;
  return `${(milliseconds * 1e6).toFixed(0)} ns`;
}
