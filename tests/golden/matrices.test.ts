import { describe, expect, it } from "vitest";
import { Adafactor, type Core, Muon, type Optimizer } from "../../src/index.js";
import { backends, makeCore } from "../helpers/cores.js";
import { fromHex, readJson } from "./vectors.js";

// Adafactor against PyTorch's float32, whose sums have an order of their own; Muon against PyTorch's code in float64.

interface Case {
  options: Record<string, unknown>;
  gradients: string;
  /** By parameter and array: a string of float32 bits or a list of float64 numbers for each step. */
  arrays: Record<string, Record<string, (string | number[])[]>>;
}

const golden = readJson("matrices") as {
  shapes: Record<string, number[]>;
  parameters: Record<string, string>;
  gradients: Record<string, Record<string, string>[]>;
  adafactor: Case[];
  muon: Case[];
};

/** Makes every step of a case, and compares each array within a bound relative to the largest number in it. */
function follow(make: (core: Core, params: never, options: object) => Optimizer, c: Case, core: Core, bound: number) {
  const names = Object.keys(c.arrays);
  const tensors = Object.fromEntries(
    names.map((name) => [name, core.tensor(golden.shapes[name]!, fromHex(golden.parameters[name]!))]),
  );
  const optimizer = make(core, tensors as never, c.options);
  const steps = golden.gradients[c.gradients]!;
  for (const [step, gradients] of steps.entries()) {
    optimizer.step(Object.fromEntries(names.map((name) => [name, fromHex(gradients[name]!)])));
    const state = optimizer.state().parameters;
    for (const name of names) {
      for (const [key, trace] of Object.entries(c.arrays[name]!)) {
        const saved = trace[step]!;
        const expected = typeof saved === "string" ? fromHex(saved) : saved;
        const actual = key === "parameter" ? tensors[name]!.data : state[name]![key as "squareAverage"]!;
        expect(actual.length, `${name} ${key}`).toBe(expected.length);
        const scale = Math.max(...Array.from(expected, Math.abs));
        for (const [i, x] of Array.from(actual).entries()) {
          const what = `${name} ${key}[${i}] after step ${step + 1}`;
          expect(Math.abs(x - expected[i]!) / scale, what).toBeLessThanOrEqual(bound);
        }
      }
    }
  }
}

const U = 2 ** -24;
const named = (cases: Case[]) => cases.map((c) => [`${JSON.stringify(c.options)} ${c.gradients}`, c] as const);

describe.each(backends)("on %s", (backend) => {
  it.each(named(golden.adafactor))("Adafactor is PyTorch's within a few roundings: %s", (_, c) =>
    follow((core, params, options) => new Adafactor(core, params, options), c, makeCore(backend), 16 * U),
  );

  // The iterations stretch what is small about 3.4 times each, the roundings of earlier steps with it.
  it.each(named(golden.muon))("Muon is PyTorch's in float64 within the roundings of float32: %s", (_, c) =>
    follow((core, params, options) => new Muon(core, params, options), c, makeCore(backend), 200 * U),
  );
});
