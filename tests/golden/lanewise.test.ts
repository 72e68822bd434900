import { afterAll, describe, expect, it } from "vitest";
import {
  AdaGrad,
  Adam,
  AdamW,
  type Core,
  Lion,
  NAdam,
  type Optimizer,
  RMSProp,
  type RMSPropOptions,
  SGD,
} from "../../src/index.js";
import { expectSameBits } from "../helpers/bits.js";
import { backends, makeCore } from "../helpers/cores.js";
import { type GoldenCase, type GoldenFile, type ParameterName, readGolden, startParameters } from "./vectors.js";

// Every dialect of RMSProp, and its neighbours, have the bits of the framework: parameters and state, step by step.

const names = ["a", "b"] as const;

type Make = (core: Core, params: unknown, options: Record<string, unknown>) => Optimizer;

// biome-ignore lint/suspicious/noExplicitAny: the options stand in a file
const makers: Record<string, any> = {
  "torch.optim.Adam": Adam,
  "torch.optim.AdamW": AdamW,
  "torch.optim.Adagrad": AdaGrad,
  "torch.optim.NAdam": NAdam,
  "torch.optim.SGD": SGD,
  "lion_pytorch.Lion": Lion,
};

function makeOptimizer(c: GoldenCase, ...[core, params, options]: Parameters<Make>): Optimizer {
  const Neighbour = makers[c.optimizer];
  if (Neighbour) return new Neighbour(core, params, options);
  return new RMSProp(core, params as never, { dialect: c.dialect, ...options } as RMSPropOptions);
}

/** Why a case is not compared; undefined if it is. */
function whyLeftOut(c: GoldenCase, { flushesSubnormals }: GoldenFile): string | undefined {
  if (c.frameworkOnly.length > 0) return `Lanewise has no ${c.frameworkOnly}`;
  if (flushesSubnormals && c.name.includes("(tiny)")) return "the framework took subnormal numbers for zero";
  if (c.options.emaDecay !== undefined && c.name.endsWith("missing")) return "Keras averages without a gradient";
  return undefined;
}

function follow(c: GoldenCase, core: Core): void {
  const parameters = startParameters();
  const rates = c.learningRates;
  const options = { ...c.options, ...(rates && { learningRate: (iteration: number) => rates[iteration]! }) };
  const grouped = Object.keys(c.parameterOptions).length > 0;
  const params = grouped
    ? names.map((name) => ({ params: { [name]: parameters[name] }, ...c.parameterOptions[name] }))
    : parameters;
  const optimizer = makeOptimizer(c, core, params, options);
  for (let step = 0; step < c.steps; step++) {
    const gradients = names.map((name) => ({ [name]: c.gradient(name, step) }));
    optimizer.step(grouped ? gradients : (Object.assign({}, ...gradients) as Record<ParameterName, Float32Array>));
    const state = optimizer.state().parameters;
    for (const name of names) {
      const { parameter, ...states } = c.arrays[name];
      expectSameBits(parameters[name], parameter![step]!, `${name} after step ${step + 1}`);
      for (const [key, trace] of Object.entries(states)) {
        const expected = trace[step];
        const actual = state[name]![key as "squareAverage"];
        const what = `${key} of ${name} after step ${step + 1}`;
        if (expected && actual) expectSameBits(actual, expected, what);
        // What the framework has not made yet is as it starts; what it has made and does not use, Lanewise does not have.
        else if (expected)
          expect(
            expected.every((x) => x === 0),
            what,
          ).toBe(true);
      }
    }
  }
}

/** The files, and how many of their cases are compared: fewer would mean that some have been lost. */
const files: [string, number][] = [
  ["pytorch", 33],
  ["pytorch-neighbours", 69],
  ["pytorch-nadam", 14],
  ["lion-pytorch", 12],
  ["keras3", 33],
  ["tf-keras", 36],
  ["tf1", 15],
  ["optax", 38],
  ["tfjs", 16],
  ["mxnet1", 16],
  ["mxnet2", 14],
  ["paddle", 19],
  ["timm", 18],
];

describe.each(backends)("on %s", (backend) => {
  const core = makeCore(backend);
  afterAll(() => core.dispose());

  describe.each(files)("the bits of %s", (file, count) => {
    const golden = readGolden(file);
    const cases = golden.cases.filter((c) => whyLeftOut(c, golden) === undefined);

    it(`in ${count} cases`, () => expect(cases.length).toBe(count));

    it.each(cases.map((c) => [`${c.optimizer} ${c.name}`, c] as const))("%s", (_, c) => follow(c, core));
  });
});
