import { describe, expect, it } from "vitest";
import { type Optimizer, RMSProp, type RMSPropOptions, SGD } from "../../src/index.js";
import { expectSameBits } from "../helpers/bits.js";
import { backends, makeCore } from "../helpers/cores.js";
import { type GoldenCase, type GoldenFile, readGolden, startParameters } from "./vectors.js";

// Where Lanewise's own form is a framework's formula, operation by operation, it has the framework's bits: RMSProp is
// Keras 3's (TensorFlow, eager) and, uncentered, TensorFlow.js's; SGD is PyTorch's (no fused multiply-add).

/** Cases that only use these options, in a form that Lanewise shares. */
function sharedCases(
  { cases, flushesSubnormals }: GoldenFile,
  optimizer: string,
  known: readonly string[],
): GoldenCase[] {
  return cases.filter(
    (c) =>
      c.optimizer === optimizer &&
      c.frameworkOnly.length === 0 &&
      Object.keys(c.parameterOptions).length === 0 &&
      Object.keys(c.options).every((key) => known.includes(key)) &&
      !(flushesSubnormals && c.name.includes("tiny")),
  );
}

type Parameters = ReturnType<typeof startParameters>;

function follow(c: GoldenCase, parameters: Parameters, optimizer: Optimizer): void {
  for (let step = 0; step < c.steps; step++) {
    optimizer.step({ a: c.gradient("a", step), b: c.gradient("b", step) });
    const state = optimizer.state().parameters;
    for (const name of ["a", "b"] as const) {
      const { parameter, ...states } = c.arrays[name];
      expectSameBits(parameters[name], parameter![step]!, `${c.name}: ${name} after step ${step + 1}`);
      for (const [key, trace] of Object.entries(states)) {
        const expected = trace[step];
        const actual = state[name]![key as "squareAverage"];
        if (expected && actual) expectSameBits(actual, expected, `${c.name}: ${key} of ${name} after step ${step + 1}`);
      }
    }
  }
}

interface Comparison {
  framework: string;
  cases: GoldenCase[];
  make(...args: ConstructorParameters<typeof RMSProp>): Optimizer;
  defaults: RMSPropOptions;
}

const rmspropOptions = ["learningRate", "decay", "eps", "momentum", "clipValue"];
const sgdOptions = ["learningRate", "momentum", "dampening", "nesterov", "weightDecay", "maximize"];
const comparisons: Comparison[] = [
  {
    framework: "Keras 3",
    cases: sharedCases(readGolden("keras3"), "keras.optimizers.RMSprop", [...rmspropOptions, "centered"]),
    make: (...args) => new RMSProp(...args),
    defaults: { learningRate: 1e-3, decay: 0.9, eps: 1e-7 },
  },
  {
    framework: "TensorFlow.js",
    cases: sharedCases(readGolden("tfjs"), "tf.train.rmsprop", rmspropOptions),
    make: (...args) => new RMSProp(...args),
    defaults: { decay: 0.9, eps: 1e-7 },
  },
  {
    framework: "PyTorch",
    cases: sharedCases(readGolden("pytorch-neighbours"), "torch.optim.SGD", sgdOptions),
    make: (...args) => new SGD(...args),
    defaults: { learningRate: 1e-3 },
  },
];

describe.each(backends)("on %s", (backend) => {
  describe.each(comparisons)("has the bits of $framework", ({ cases, make, defaults }) => {
    it("in several cases", () => expect(cases.length).toBeGreaterThan(5));

    it.each(cases.map((c) => [c.name, c] as const))("%s", (_, c) => {
      const parameters = startParameters();
      const rates = c.learningRates;
      const schedule = rates && { learningRate: (iteration: number) => rates[iteration]! };
      follow(c, parameters, make(makeCore(backend), parameters, { ...defaults, ...c.options, ...schedule }));
    });
  });
});
