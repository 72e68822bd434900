import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cosineAnnealing, cosineRestarts } from "../../src/optim/schedules/cosine.js";
import { type CyclicOptions, cyclic } from "../../src/optim/schedules/cyclic.js";
import { oneCycle, oneCycleMomentum } from "../../src/optim/schedules/one-cycle.js";
import { type PlateauOptions, reduceOnPlateau } from "../../src/optim/schedules/plateau.js";
import { inverseTimeDecay, polynomialDecay } from "../../src/optim/schedules/polynomial.js";

interface Case {
  name: string;
  kind: string;
  rate: number;
  options: Record<string, number | string>;
  losses: number[];
  rates: number[];
  momenta: number[];
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

  /** PyTorch's own arithmetic is a recurrence in places, with an error of a few float64 roundings a step. */
  function expectRates(actual: (iteration: number) => number, rates: readonly number[]): void {
    for (const [t, rate] of rates.entries()) {
      expect(Math.abs(actual(t) - rate), `iteration ${t}: ${actual(t)} for ${rate}`).toBeLessThanOrEqual(1e-14);
    }
  }

  it.each(of("cyclic"))("CyclicLR: $options.mode", ({ options: o, rates }) => {
    const modes: Record<string, CyclicOptions["mode"]> = { triangular2: "halving", exp_range: "exponential" };
    const mode = modes[o.mode as string] ?? "triangular";
    const options = { up: o.step_size_up as number, mode, gamma: (o.gamma as number) ?? 1 };
    const down = o.step_size_down as number | undefined;
    expectRates(cyclic(o.base_lr as number, o.max_lr as number, { ...options, ...(down && { down }) }), rates);
  });

  it.each(of("polynomial"))("PolynomialLR: power $options.power", ({ rate, options: o, rates }) => {
    expectRates(polynomialDecay(rate, o.total_iters as number, o.power as number), rates);
  });

  it.each(of("one cycle"))("OneCycleLR: $options", ({ options: o, rates, momenta }) => {
    const common = {
      ...(o.three_phase !== undefined && { threePhase: Boolean(o.three_phase) }),
      ...(o.anneal_strategy !== undefined && { anneal: "linear" as const }),
      ...(o.pct_start !== undefined && { pctStart: o.pct_start as number }),
    };
    const momentum = oneCycleMomentum(o.total_steps as number, {
      ...common,
      ...(o.base_momentum !== undefined && { low: o.base_momentum as number, high: o.max_momentum as number }),
    });
    expectRates(momentum, momenta);
    const schedule = oneCycle(o.max_lr as number, o.total_steps as number, {
      ...common,
      ...(o.div_factor !== undefined && { divFactor: o.div_factor as number }),
      ...(o.final_div_factor !== undefined && { finalDivFactor: o.final_div_factor as number }),
    });
    expectRates(schedule, rates);
  });

  it.each(of("cosine"))("CosineAnnealingLR past T_max $options.T_max", ({ rate, options: o, rates }) => {
    expect(rates.length).toBeGreaterThan(4 * (o.T_max as number));
    expectRates(cosineAnnealing(rate, o.T_max as number, o.eta_min as number), rates);
  });

  it("CosineDecayRestarts, by Keras's formula: (1 − α)·m_mulᵏ·(1 + cos(π·part))/2 + α", () => {
    const schedule = cosineRestarts(0.5, 10, 2, 0.1, 0.5);
    const at = (height: number, part: number) => 0.5 * ((0.8 * height * (1 + Math.cos(Math.PI * part))) / 2 + 0.2);
    const expected = [at(1, 0), at(1, 0.5), at(0.5, 0), at(0.5, 0.5), at(0.25, 0), at(0.25, 0.25)];
    expectRates((i) => schedule([0, 5, 10, 20, 30, 40][i]!), expected);
    const even = cosineRestarts(0.5, 10, 1, 0.1, 0.5);
    expectRates((i) => even(25 + 10 * i), [at(0.25, 0.5), at(0.125, 0.5)]);
  });

  it("InverseTimeDecay, by Keras's formula and docstring: 0.1 / (1 + 0.5·t)", () => {
    const schedule = inverseTimeDecay(0.1, 1, 0.5);
    expect([0, 1, 2].map(schedule)).toEqual([0.1, 0.1 / 1.5, 0.05]);
    expect([0, 3, 4, 9].map(inverseTimeDecay(0.1, 4, 1, { staircase: true }))).toEqual([0.1, 0.1, 0.05, 0.1 / 3]);
  });
});
