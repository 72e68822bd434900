import { afterAll, describe, expect, it } from "vitest";
import {
  AdaGrad,
  Adam,
  AdamW,
  type Core,
  clampParameters,
  clipGradientBlocks,
  clipGradientNorm,
  clipGradientsAdaptively,
  clipGradientValues,
  Lion,
  NAdam,
  type Optimizer,
  overwriteWithAverages,
  RMSProp,
  type RMSPropOptions,
  SGD,
  scaleGradients,
  stepCautiously,
  unscaleGradients,
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
  "timm.optim.AdamWLegacy": AdamW,
  "timm.optim.SGDW": SGD,
  "lion_pytorch.Lion": Lion,
};

function makeOptimizer(c: GoldenCase, ...[core, params, options]: Parameters<Make>): Optimizer {
  const Neighbour = makers[c.optimizer];
  if (Neighbour) return new Neighbour(core, params, options);
  return new RMSProp(core, params as never, { dialect: c.dialect, ...options } as RMSPropOptions);
}

interface Moment {
  gradients: Record<ParameterName, Float32Array | null>;
  parameters: Record<ParameterName, Float32Array>;
  optimizer: Optimizer;
}

/** Links of an Optax chain, and the functions that do the same before a step. */
const chain: Record<string, (moment: Moment, bound: number) => void> = {
  clip: ({ gradients }, bound) => clipGradientValues(gradients, bound),
  clip_by_global_norm: ({ gradients }, bound) => clipGradientNorm(gradients, bound, { dialect: "optax" }),
  clip_by_block_rms: ({ gradients }, bound) => clipGradientBlocks(gradients, bound),
};

/** What Lanewise does in functions around the step, by the framework's option. */
const around: Record<string, { before?(m: Moment, value: never): void; after?(m: Moment, value: never): void }> = {
  rescale_grad: { before: ({ gradients }, factor: number) => scaleGradients(gradients, factor) },
  loss_scale_factor: { before: ({ gradients }, scale: number) => unscaleGradients(gradients, scale) },
  clip_weights: { after: ({ parameters }, bound: number) => clampParameters(parameters, bound) },
  before: {
    before: (moment, links: [string, number][]) => {
      for (const [name, bound] of links) chain[name]!(moment, bound);
    },
  },
  ema_overwrite_frequency: {
    after: ({ optimizer }, frequency: number | null) => {
      if (frequency !== null && optimizer.iterations % frequency === 0) overwriteWithAverages(optimizer);
    },
  },
  // lr²/max_lr·wd is the rate times a decay that is set before the step.
  corrected_weight_decay: {
    before: ({ optimizer }) => optimizer.setOptions({ weightDecay: (0.01 * optimizer.learningRate) / 0.01 }),
  },
};

/** How the framework's option makes the step itself. */
const steps: Record<string, typeof stepCautiously> = { caution: stepCautiously };

/** Why a case is not compared; undefined if it is. */
function whyLeftOut(c: GoldenCase, { flushesSubnormals }: GoldenFile): string | undefined {
  const lacking = c.frameworkOnly.filter((key) => !(key in around || key in steps));
  if (lacking.length > 0) return `Lanewise has no ${lacking}`;
  if (flushesSubnormals && c.name.includes("(tiny)")) return "the framework took subnormal numbers for zero";
  if (c.options.emaDecay !== undefined && c.name.endsWith("missing")) return "Keras averages without a gradient";
  return undefined;
}

/** `resumes`: each step is made by a new optimizer, from the state of the one before. */
function follow(c: GoldenCase, core: Core, resumes = false): void {
  const parameters = startParameters();
  const rates = c.learningRates;
  // Keras asks a schedule for the number of the call, of which there are several for an update.
  const calls = (c.options.accumulationSteps as number) ?? 1;
  const rate = (iteration: number) => rates![calls * iteration + calls - 1]!;
  const options = { ...c.options, ...(rates && { learningRate: rate }) };
  const grouped = Object.keys(c.parameterOptions).length > 0;
  const params = grouped
    ? names.map((name) => ({ params: { [name]: parameters[name] }, ...c.parameterOptions[name] }))
    : parameters;
  let optimizer = makeOptimizer(c, core, params, options);
  for (let step = 0; step < c.steps; step++) {
    const gradients = { a: c.gradient("a", step), b: c.gradient("b", step) };
    if (resumes) {
      const before = structuredClone(optimizer.state());
      optimizer.dispose();
      optimizer = makeOptimizer(c, core, params, options);
      optimizer.load(before);
    }
    const moment = { gradients, parameters, optimizer };
    const changes = c.changes[step + 1];
    if (changes !== undefined) optimizer.setOptions(changes);
    for (const key of c.frameworkOnly) around[key]?.before?.(moment, c.frameworkOptions[key] as never);
    const make = c.frameworkOnly.map((key) => steps[key]).find(Boolean) ?? ((own, grads) => own.step(grads));
    make(optimizer, grouped ? names.map((name) => ({ [name]: gradients[name] })) : gradients);
    for (const key of c.frameworkOnly) around[key]?.after?.(moment, c.frameworkOptions[key] as never);
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
  ["pytorch", 42],
  ["pytorch-neighbours", 82],
  ["pytorch-nadam", 14],
  ["lion-pytorch", 12],
  ["keras3", 41],
  ["tf-keras", 38],
  ["tf1", 17],
  ["optax", 43],
  ["tfjs", 16],
  ["mxnet1", 19],
  ["mxnet2", 17],
  ["paddle", 19],
  ["timm", 31],
  ["timm-cautious", 12],
];

describe.each(backends)("on %s", (backend) => {
  const core = makeCore(backend);
  afterAll(() => core.dispose());

  describe.each(files)("the bits of %s", (file, count) => {
    const golden = readGolden(file);
    const cases = golden.cases.filter((c) => whyLeftOut(c, golden) === undefined);

    it(`in ${count} cases`, () => expect(cases.length).toBe(count));

    it.each(cases.map((c) => [`${c.optimizer} ${c.name}`, c] as const))("%s", (_, c) => follow(c, core));

    const changing = cases.filter(({ changes }) => Object.keys(changes).length > 0);
    it.each(changing.map((c) => [`${c.optimizer} ${c.name}`, c] as const))(
      "%s, saved and loaded before each step",
      (_, c) => {
        follow(c, core, true);
      },
    );
  });
});

it("adaptive clipping is Optax's, to a rounding of its norms and its own roots", () => {
  const golden = readGolden("optax-native").cases.find(({ name }) => name.startsWith("adaptive_grad_clip"))!;
  const parameters = startParameters();
  const optimizer = new RMSProp(makeCore("js"), parameters, { dialect: "optax", learningRate: 0.01 });
  const plain = startParameters();
  const without = new RMSProp(makeCore("js"), plain, { dialect: "optax", learningRate: 0.01 });
  for (let step = 0; step < golden.steps; step++) {
    const gradients = { a: golden.gradient("a", step), b: golden.gradient("b", step) };
    without.step(gradients);
    clipGradientsAdaptively(gradients, parameters, 0.25);
    optimizer.step(gradients);
    for (const name of names) {
      const expected = golden.arrays[name].parameter![step]!;
      for (const [i, x] of expected.entries())
        expect(Math.abs(parameters[name][i]! - x)).toBeLessThanOrEqual(2 ** -21 * Math.max(1, Math.abs(x)));
    }
  }
  expect(plain.b).not.toEqual(parameters.b);
});
