// The figures of two builds, and what they mean.
import Table from "cli-table3";
import { median } from "simple-statistics";
import { formatTime } from "../../measure/format.js";
import { type Estimate, estimate, type Pair } from "./statistics.js";

/** One piece of work, measured. */
export interface Result extends Estimate {
  readonly name: string;
  /** Least milliseconds of a run. */
  readonly old: number;
  readonly new: number;
  /** Whether both builds computed the same bits. */
  readonly same: boolean;
}

export function resultOf(name: string, rounds: readonly (readonly Pair[])[], same: boolean): Result {
  const all = rounds.flat();
  const least = (side: "old" | "new") => Math.min(...all.map((pair) => pair[side]));
  return { name, old: least("old"), new: least("new"), same, ...estimate(rounds) };
}

/** Whether the whole interval is below `least`: one that reaches it says nothing but that more rounds are needed. */
export function isSlower({ upper }: Estimate, least: number): boolean {
  return upper < least;
}

export function formatResults(results: readonly Result[], least: number): string {
  const table = new Table({
    head: ["", "old, least", "new, least", "speed, new / old", "95 %", ""],
    style: { head: [], border: [], compact: true },
    colAligns: ["left", "right", "right", "right", "right", "left"],
  });
  for (const result of results) {
    const { name, ratio, lower, upper, same } = result;
    const verdict = [
      ...(isSlower(result, least) ? ["slower"] : lower > 1 / least ? ["faster"] : []),
      ...(same ? [] : ["other bits"]),
    ];
    const interval = `${lower.toFixed(3)}–${upper.toFixed(3)}`;
    table.push([name, formatTime(result.old), formatTime(result.new), ratio.toFixed(3), interval, verdict.join(", ")]);
  }
  return `${table}\nmedian of all ratios: ${median(results.map(({ ratio }) => ratio)).toFixed(3)}`;
}
