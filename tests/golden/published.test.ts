import { describe, expect, it } from "vitest";
import { AdaGrad, Adam, type Core, type Optimizer, RMSProp, SGD } from "../../src/index.js";
import { backends, makeCore } from "../helpers/cores.js";
import { readJson } from "./vectors.js";

// Numbers that the frameworks' own tests assert, reached as nearly as they ask for. Some come from float64, after up to
// 1001 steps; their tolerances leave room for float32, so that no entry is left out.

type Values = Record<string, number[]>;

interface Expected {
  after: number;
  parameters?: Values;
  averages?: Values;
  squareAverages?: Values;
}

interface Entry {
  name: string;
  optimizer: "RMSProp" | "Adam" | "AdaGrad" | "SGD";
  dialect: string;
  options: Record<string, unknown>;
  objective: "given" | "sum of squares" | "network";
  parameters: Values;
  gradients?: Values[];
  expected: Expected[];
  tolerance: { relative: number; absolute: number };
}

const { entries } = readJson("published") as { entries: Entry[] };

/** AdaGrad, Adam and SGD are PyTorch's; the moving average of the parameters is a matter of every optimizer. */
function makeOptimizer({ optimizer, dialect, options }: Entry, core: Core, params: Record<string, Float32Array>) {
  if (optimizer === "RMSProp") return new RMSProp(core, params, { dialect: dialect as "pytorch", ...options });
  return new { AdaGrad, Adam, SGD }[optimizer](core, params, options);
}

function gradientsOf({ objective, gradients }: Entry, params: Record<string, Float32Array>, step: number): Values {
  if (objective === "given") return gradients![step]!;
  if (objective === "network") return networkGradient(params);
  return Object.fromEntries(Object.entries(params).map(([name, x]) => [name, [...x].map((value) => 2 * value)]));
}

const INPUTS = [
  [0.1, 0.2],
  [0.3, 0.4],
  [0.5, 0.6],
] as const;

/** Of Σ sigmoid(W₂·sigmoid(W₁·x + b₁) + b₂) over INPUTS, in float64. */
function networkGradient(params: Record<string, Float32Array>): Values {
  const [w1, b1, w2, b2] = ["0.weight", "0.bias", "2.weight", "2.bias"].map((name) => [...params[name]!]) as [
    number[],
    number[],
    number[],
    number[],
  ];
  const sums = [w1, b1, w2, b2].map((x) => x.map(() => 0)) as [number[], number[], number[], number[]];
  for (const [x0, x1] of INPUTS) {
    const hidden = b1.map((bias, i) => sigmoid(w1[2 * i]! * x0 + w1[2 * i + 1]! * x1 + bias));
    const output = sigmoid(hidden.reduce((sum, h, i) => sum + w2[i]! * h, b2[0]!));
    const atOutput = output * (1 - output);
    sums[3][0]! += atOutput;
    for (const [i, h] of hidden.entries()) {
      const atHidden = atOutput * w2[i]! * h * (1 - h);
      sums[0][2 * i]! += atHidden * x0;
      sums[0][2 * i + 1]! += atHidden * x1;
      sums[1][i]! += atHidden;
      sums[2][i]! += atOutput * h;
    }
  }
  return { "0.weight": sums[0], "0.bias": sums[1], "2.weight": sums[2], "2.bias": sums[3] };
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function expectNear(actual: ArrayLike<number>, expected: number[], { tolerance }: Entry, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  for (const [i, y] of expected.entries()) {
    const allowed = tolerance.absolute + tolerance.relative * Math.abs(y);
    const text = `${what}[${i}] is ${actual[i]}, expected ${y} ± ${allowed}`;
    expect(Math.abs(actual[i]! - y), text).toBeLessThanOrEqual(allowed);
  }
}

/** The array of `expected` that an optimizer has of a parameter. */
const READ: Record<string, (optimizer: Optimizer, name: string, value: Float32Array) => Float32Array | undefined> = {
  parameters: (_, __, value) => value,
  averages: (optimizer, name) => (optimizer.averaged() as Record<string, Float32Array>)[name],
  squareAverages: (optimizer, name) => optimizer.state().parameters[name]?.squareAverage,
};

/** Follows an entry to its last expected step; returns how many numbers it has compared. */
function follow(entry: Entry, core: Core): number {
  const params = Object.fromEntries(Object.entries(entry.parameters).map(([name, x]) => [name, Float32Array.from(x)]));
  const optimizer = makeOptimizer(entry, core, params);
  const expected = new Map(entry.expected.map(({ after, ...arrays }) => [after, arrays]));
  let compared = 0;
  for (let step = 1; step <= Math.max(...expected.keys()); step++) {
    const gradients = Object.entries(gradientsOf(entry, params, step - 1));
    optimizer.step(Object.fromEntries(gradients.map(([name, g]) => [name, Float32Array.from(g)])));
    for (const [kind, values] of Object.entries(expected.get(step) ?? {})) {
      for (const [name, numbers] of Object.entries(values)) {
        const actual = READ[kind]!(optimizer, name, params[name]!)!;
        expectNear(actual, numbers, entry, `${kind} of ${name} after step ${step}`);
        compared += numbers.length;
      }
    }
  }
  return compared;
}

describe.each(backends)("on %s", (backend) => {
  it("there are 18 published runs, of every optimizer and four dialects", () => {
    expect(entries.length).toBe(18);
    expect(new Set(entries.map(({ optimizer }) => optimizer))).toEqual(new Set(["RMSProp", "Adam", "AdaGrad", "SGD"]));
    const rmsprop = entries.filter(({ optimizer }) => optimizer === "RMSProp");
    expect(new Set(rmsprop.map(({ dialect }) => dialect))).toEqual(new Set(["keras3", "tf1", "tfjs", "pytorch"]));
  });

  it.each(entries.map((entry) => [entry.name, entry] as const))("%s", (_, entry) => {
    const numbers = entry.expected.flatMap(({ after, ...arrays }) => Object.values(arrays).map(Object.values)).flat(2);
    expect(follow(entry, makeCore(backend))).toBe(numbers.length);
  });
});
