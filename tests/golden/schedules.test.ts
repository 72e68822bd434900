import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type PlateauOptions, reduceOnPlateau } from "../../src/optim/schedules/plateau.js";

interface Case {
  name: string;
  kind: string;
  rate: number;
  options: Record<string, number | string>;
  losses: number[];
  rates: number[];
}

const url = new URL("vectors/schedules.json", import.meta.url);
const { framework, version, cases } = JSON.parse(readFileSync(url, "utf8")) as {
  framework: string;
  version: string;
  cases: Case[];
};
const of = (kind: string): Case[] => cases.filter((each) => each.kind === kind);

/** PyTorch's words for the options, and ours. */
const PLATEAU: Record<string, string> = { min_lr: "minimum", threshold_mode: "thresholdMode" };
const VALUES: Record<string, string> = { abs: "absolute", rel: "relative" };

describe(`schedules of ${framework} ${version}`, () => {
  it.each(of("plateau"))("ReduceLROnPlateau: $name", ({ rate, options, losses, rates }) => {
    const own = Object.entries(options).map(([key, value]) => [PLATEAU[key] ?? key, VALUES[value] ?? value]);
    const schedule = reduceOnPlateau(rate, Object.fromEntries(own) as PlateauOptions);
    const actual = losses.map((loss) => {
      schedule.report(loss);
      return schedule(0);
    });
    expect(actual).toEqual(rates);
    expect(new Set(rates).size).toBeGreaterThan(1);
  });
});
