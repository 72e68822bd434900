import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type DialectName,
  type OptimizerState,
  OptionError,
  type ParameterState,
  RMSProp,
  type RMSPropGroupOptions,
  type RMSPropOptions,
} from "../../../src/index.js";
import { bitsOf, expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { withoutOptions } from "../../helpers/optimizer-state.js";
import { randomValues } from "../../helpers/random.js";

// What a dialect takes for granted, takes and refuses. That its steps have the framework's bits: tests/golden.

interface Facts {
  /** What the framework takes for its options, all of those that have a value there; learningRate 1e-3 where it has none. */
  defaults: RMSPropGroupOptions;
  /** Options that it has without a value of their own. */
  others: readonly (keyof RMSPropGroupOptions)[];
  /** Start value of v, where it is no option. */
  initialScale?: number;
  /** What the momentum buffer holds after the first step from 0, by the parameter x and the learning rate. */
  buffer?: "x" | "-x" | "-x/lr";
}

const PLAIN = { learningRate: 1e-3, decay: 0.9, momentum: 0, centered: false };
const KERAS: Facts = {
  defaults: { ...PLAIN, eps: 1e-7, weightDecay: 0, decoupledWeightDecay: true },
  others: ["clipNorm", "clipValue", "globalClipNorm", "emaDecay"],
};
const MXNET: Facts = {
  defaults: { ...PLAIN, eps: 1e-8, momentum: 0.9, weightDecay: 0 },
  others: ["clipValue"],
  buffer: "x",
};

const FACTS: Record<DialectName, Facts> = {
  pytorch: {
    defaults: { ...PLAIN, learningRate: 1e-2, decay: 0.99, eps: 1e-8, weightDecay: 0, maximize: false, clipEps: 1e-6 },
    others: ["emaDecay", "clipNorm", "clipValue", "globalClipNorm"],
    buffer: "-x/lr",
  },
  keras3: KERAS,
  keras2: KERAS,
  "tf-keras-legacy": { defaults: { ...PLAIN, eps: 1e-7 }, others: ["clipNorm", "clipValue", "globalClipNorm"] },
  tf1: { defaults: { ...PLAIN, eps: 1e-10 }, others: ["emaDecay"], initialScale: 1 },
  optax: {
    defaults: {
      learningRate: 1e-3,
      decay: 0.9,
      eps: 1e-8,
      epsPlacement: "inside",
      centered: false,
      nesterov: false,
      initialScale: 0,
      biasCorrection: false,
      weightDecay: 0,
    },
    others: ["momentum", "clipValue", "globalClipNorm", "emaDecay"],
    buffer: "x",
  },
  tfjs: { defaults: { ...PLAIN, eps: 1e-7 }, others: [] },
  mxnet1: MXNET,
  mxnet2: MXNET,
  paddle: {
    defaults: { ...PLAIN, decay: 0.95, eps: 1e-6, weightDecay: 0 },
    others: ["clipNorm", "clipValue", "globalClipNorm", "emaDecay"],
  },
  timm: {
    defaults: {
      ...PLAIN,
      learningRate: 1e-2,
      eps: 1e-10,
      weightDecay: 0,
      decoupledWeightDecay: false,
      rateInMomentum: true,
      clipEps: 1e-6,
    },
    others: ["emaDecay", "clipNorm", "clipValue", "globalClipNorm"],
    initialScale: 1,
  },
};

/** Every option of a group, with a value that shows, and the options that it shows with. */
const CATALOGUE: Record<keyof RMSPropGroupOptions, [value: unknown, beside: RMSPropGroupOptions]> = {
  learningRate: [0.5, {}],
  decay: [0.5, {}],
  eps: [1e-3, {}],
  epsPlacement: ["outside", {}],
  momentum: [0.5, { centered: true }],
  nesterov: [true, { momentum: 0.9 }],
  centered: [true, {}],
  meanDecay: [0.5, { centered: true }],
  initialScale: [0.25, {}],
  biasCorrection: [true, {}],
  weightDecay: [0.1, {}],
  decoupledWeightDecay: [true, { weightDecay: 0.1 }],
  clipValue: [0.25, {}],
  clipNorm: [0.25, {}],
  globalClipNorm: [0.25, {}],
  clipEps: [0.5, { globalClipNorm: 0.25 }],
  rateInMomentum: [false, { momentum: 0.9 }],
  maximize: [true, {}],
  emaDecay: [0.75, {}],
};

/** Elements: enough for every form of a formula to show in some rounding. */
const COUNT = 64;

const names = Object.keys(FACTS) as DialectName[];
const optionNames = Object.keys(CATALOGUE) as (keyof RMSPropGroupOptions)[];

const takes = (dialect: DialectName, key: keyof RMSPropGroupOptions): boolean =>
  key in FACTS[dialect].defaults || FACTS[dialect].others.includes(key);

/** Those of these options that a dialect has. */
function had(dialect: DialectName, options: RMSPropGroupOptions): RMSPropGroupOptions {
  return Object.fromEntries(Object.entries(options).filter(([key]) => takes(dialect, key as "decay")));
}

describe.each(backends)("on %s", (backend) => {
  const core = makeCore(backend);

  const start = (): Float32Array => randomValues(COUNT, 1);
  const gradient = (step: number): Float32Array => randomValues(COUNT, 2 + step);

  /** Four steps, or as many as there are learning rates, which are set one by one; parameters, averages and state. */
  function run(options: RMSPropOptions, rates?: readonly number[]) {
    const x = start();
    using optimizer = new RMSProp(core, x, options);
    for (let step = 0; step < (rates?.length ?? 4); step++) {
      if (rates) optimizer.learningRate = rates[step]!;
      optimizer.step(gradient(step));
    }
    return { x, averaged: optimizer.averaged() as Float32Array, state: withoutOptions(optimizer) };
  }

  function expectSameRun(actual: ReturnType<typeof run>, expected: ReturnType<typeof run>): void {
    expect(expected.x.every(Number.isFinite)).toBe(true);
    expectSameBits(actual.x, expected.x, "parameters");
    expectSameBits(actual.averaged, expected.averaged, "averages");
    expect(actual.state).toEqual(expected.state);
  }

  const isSameRun = (a: ReturnType<typeof run>, b: ReturnType<typeof run>): boolean =>
    `${bitsOf(a.x)} ${bitsOf(a.averaged)}` === `${bitsOf(b.x)} ${bitsOf(b.averaged)}`;

  describe.each(names)("dialect %s", (dialect) => {
    const { defaults, initialScale = 0, buffer = "-x" } = FACTS[dialect];

    it("has its framework's defaults", () => {
      for (const beside of [{}, { centered: true }, { momentum: 0.9 }, { centered: true, momentum: 0.9 }]) {
        expectSameRun(run({ dialect, ...defaults, ...beside }), run({ dialect, ...beside }));
      }
      using optimizer = new RMSProp(core, start(), { dialect });
      expect(optimizer.learningRate).toBe(defaults.learningRate);
      expect(optimizer.state().parameters["0"]!.squareAverage).toEqual(new Float32Array(COUNT).fill(initialScale));
      expect(optimizer.description().dialect).toBe(dialect);
    });

    it.each(optionNames.filter((key) => takes(dialect, key)))("takes %s, and it matters", (key) => {
      const [value, beside] = CATALOGUE[key];
      const options = { dialect, ...had(dialect, beside) };
      // Decoupled is all that Keras's decay can be.
      const shows = defaults[key] !== value;
      expect(isSameRun(run({ ...options, [key]: value }), run(options))).toBe(!shows);
    });

    it.each(optionNames.filter((key) => !takes(dialect, key)))("refuses %s, and changes nothing", (key) => {
      const own = { [key]: CATALOGUE[key][0] };
      const message = new RegExp(`^${key} is not an option of dialect "${dialect}"; known are learningRate, decay, `);
      const tensor = core.tensor([COUNT], start());
      expectUnchanged(core, () => new RMSProp(core, tensor, { dialect, ...own }), OptionError, message);
      const groups = [{ params: [tensor] }, { params: [new Float32Array(2)], ...own }];
      const ofGroup = new RegExp(`^params\\[1\\].${key} is not an option of dialect "${dialect}"`);
      expectUnchanged(core, () => new RMSProp(core, groups, { dialect }), OptionError, ofGroup);

      using optimizer = new RMSProp(core, tensor, { dialect });
      optimizer.step(gradient(0));
      const before = [optimizer.state(), optimizer.description()];
      if (key !== "initialScale") expectUnchanged(core, () => optimizer.setOptions(own), OptionError, message);
      expectUnchanged(core, () => optimizer.add(new Float32Array(2), own), OptionError, ofGroup);
      expect([optimizer.state(), optimizer.description()]).toEqual(before);
    });

    it("is fixed, and the same for all groups", () => {
      using optimizer = new RMSProp(core, start(), { dialect });
      const options = { dialect: "lanewise" } as object;
      expectUnchanged(core, () => optimizer.setOptions(options), OptionError, /^options.dialect is not an option/);
      const groups = [{ params: start(), ...options }];
      expectUnchanged(core, () => new RMSProp(core, groups), OptionError, /^params\[0\].dialect is not an option/);
    });

    it("groups go by their own options", () => {
      const own = had(dialect, { learningRate: 0.5, decay: 0.5, eps: 1e-3, momentum: 0.25, weightDecay: 0.1 });
      const options = { dialect, centered: true, momentum: 0.75 };
      const [a, b] = [start(), start()];
      using optimizer = new RMSProp(core, [{ params: { a } }, { params: { b }, ...own }], options);
      for (let step = 0; step < 4; step++) optimizer.step([{ a: gradient(step) }, { b: gradient(step) }]);
      expectSameBits(a, run(options).x, "a");
      expectSameBits(b, run({ ...options, ...own }).x, "b");
    });

    it("schedules give the rate of each step", () => {
      const rates = [0.5, 0.125, 0, 0.25];
      for (const beside of [{}, { momentum: 0.9 }, { centered: true, momentum: 0.9 }]) {
        const options = { dialect, ...beside };
        const scheduled = run({ ...options, learningRate: (iteration) => rates[iteration]! });
        expectSameRun(scheduled, run(options, rates));
        expect(isSameRun(scheduled, run({ ...options, learningRate: 0.5 }))).toBe(false);
      }
    });

    it("keeps in its buffer what the framework does, and takes the rate where it does", () => {
      const x = new Float32Array(COUNT);
      const options = { dialect, centered: true, momentum: 0.5, learningRate: 0.25 };
      using optimizer = new RMSProp(core, x, options);
      optimizer.step(gradient(0));
      const first = x.slice();
      const buffers = { x: first, "-x": first.map((each) => -each), "-x/lr": first.map((each) => -4 * each) };
      expectSameBits(optimizer.state().parameters["0"]!.momentumBuffer!, buffers[buffer], "buffer");
      // Halves and quarters are exact: with the rate in the buffer the parameter goes on by half the step, else it stays.
      optimizer.learningRate = 0;
      optimizer.step(new Float32Array(COUNT));
      const factor = buffer === "-x/lr" ? 1 : 1.5;
      expectSameBits(
        x,
        first.map((each) => factor * each),
        "after a step with learning rate 0",
      );
    });

    it("goes on from its state with the same bits", () => {
      const options: RMSPropOptions = { dialect, ...had(dialect, { centered: true, momentum: 0.9, emaDecay: 0.75 }) };
      const whole = run(options, new Array(6).fill(0.01));
      const x = start();
      const first = new RMSProp(core, x, { ...options, learningRate: 0.01 });
      for (let step = 0; step < 3; step++) first.step(gradient(step));
      const saved: OptimizerState = structuredClone(first.state());
      first.dispose();
      using second = new RMSProp(core, x, { ...options, learningRate: 0.01 });
      second.load(saved);
      for (let step = 3; step < 6; step++) second.step(gradient(step));
      expectSameRun({ x, averaged: second.averaged() as Float32Array, state: withoutOptions(second) }, whole);
    });

    it("setOptions turns momentum and the mean on and off as if each part were an optimizer of its own", () => {
      const parts: RMSPropGroupOptions[] = [
        { momentum: 0, centered: false },
        { momentum: 0.9, centered: false },
        { momentum: 0.9, centered: true },
        { momentum: 0, centered: true },
        { momentum: 0, centered: false },
        { momentum: 0.9, centered: true }, // with the arrays that were kept
      ];
      const [x, y] = [start(), start()];
      using changed = new RMSProp(core, x, { dialect, ...parts[0] });
      let saved: OptimizerState | undefined;
      for (const [i, part] of parts.entries()) {
        changed.setOptions(part);
        using fresh = new RMSProp(core, y, { dialect, ...part });
        if (saved) fresh.load(continued(fresh.state(), saved));
        for (const step of [2 * i, 2 * i + 1]) {
          changed.step(gradient(step));
          fresh.step(gradient(step));
        }
        saved = withoutOptions(changed);
        expect(y.every(Number.isFinite)).toBe(true);
        expectSameBits(x, y, `after part ${i}`);
        expect(saved).toMatchObject(fresh.state());
      }
    });

    it("takes an infinite bound for none", () => {
      for (const key of ["clipValue", "clipNorm", "globalClipNorm"] as const) {
        if (!takes(dialect, key)) continue;
        for (const bound of [Number.POSITIVE_INFINITY, 1e39])
          expectSameRun(run({ dialect, [key]: bound }), run({ dialect }));
      }
    });

    if (takes(dialect, "emaDecay")) {
      it("averages the parameters as the framework does", () => {
        const f = Math.fround;
        const x = start();
        using optimizer = new RMSProp(core, x, { dialect, emaDecay: 0.95, learningRate: 0.5 });
        const complement = ["keras3", "tf1"].includes(dialect) ? f(1 - f(0.95)) : f(1 - 0.95);
        const isLerp = ["pytorch", "timm", "tf1"].includes(dialect);
        let expected: Float32Array | undefined = ["keras2", "timm", "tf1"].includes(dialect) ? x.slice() : undefined;
        for (let step = 0; step < 4; step++) {
          optimizer.step(gradient(step));
          const before = expected;
          expected = x.map((each, i) => {
            if (before === undefined) return each;
            if (isLerp) return f(before[i]! + f(complement * f(each - before[i]!)));
            return f(f(f(0.95) * before[i]!) + f(complement * each));
          });
          expectSameBits(optimizer.averaged() as Float32Array, expected, `average after step ${step}`);
        }
      });
    }
  });

  it("rateInMomentum is for timm alone", () => {
    const make = (): RMSProp => new RMSProp(core, start(), { momentum: 0.9, rateInMomentum: false });
    expectUnchanged(core, make, OptionError, /^rateInMomentum is an option of dialect "timm" alone/);
  });

  it.each(["keras3", "keras2"] as const)("%s refuses a decay that is not decoupled", (dialect) => {
    const make = (): RMSProp => new RMSProp(core, start(), { dialect, decoupledWeightDecay: false });
    const message = `decoupledWeightDecay is false, but weight decay of dialect "${dialect}" is decoupled`;
    expectUnchanged(core, make, OptionError, new RegExp(`^${message}`));
    const groups = [{ params: start(), decoupledWeightDecay: false }];
    expectUnchanged(
      core,
      () => new RMSProp(core, groups, { dialect }),
      OptionError,
      /^params\[0\].decoupledWeightDecay/,
    );
  });

  it("tf-keras-legacy takes 1e-7 for eps 0", () => {
    const dialect = "tf-keras-legacy";
    for (const momentum of [0, 0.9]) {
      expectSameRun(run({ dialect, momentum, eps: 0 }), run({ dialect, momentum, eps: 1e-7 }));
    }
  });

  it("optax has a buffer even with momentum 0, and no ratio", () => {
    const buffer = (options: RMSPropOptions) =>
      run({ dialect: "optax", ...options }).state.parameters["0"]!.momentumBuffer;
    expect(buffer({ momentum: 0 })).toBeDefined();
    expect(buffer({})).toBeUndefined();
    const make = () => new RMSProp(core, start(), { dialect: "optax", epsPlacement: "ratio" });
    expectUnchanged(core, make, OptionError, /^epsPlacement is "ratio", expected one of "inside", "outside"/);
  });

  it("pytorch maximizes along the negative gradient", () => {
    const [x, y] = [start(), start()];
    const options = { dialect: "pytorch", momentum: 0.9, centered: true } as const;
    using up = new RMSProp(core, x, { ...options, maximize: true });
    using down = new RMSProp(core, y, options);
    for (let step = 0; step < 4; step++) {
      up.step(gradient(step));
      down.step(gradient(step).map((g) => -g));
    }
    expectSameBits(x, y, "parameters");
  });

  it("no two dialects agree on all of momentum, mean and none of them", () => {
    const same = { ...PLAIN, learningRate: 0.1, eps: 1e-6 };
    const runs = names.map((dialect) =>
      [{}, { momentum: 0.9, centered: true }].map((beside) => run({ dialect, ...same, ...beside })),
    );
    for (const [i, a] of runs.entries()) {
      for (const [k, b] of runs.slice(0, i).entries()) {
        const agrees = a.every((each, part) => isSameRun(each, b[part]!));
        expect(agrees, `${names[i]}, ${names[k]}`).toBe(false);
      }
    }
  });
});

/** The state to load that has the arrays of `shape`, with the values of `saved` where that has them. */
function continued(shape: OptimizerState, saved: OptimizerState): OptimizerState {
  const parameters = Object.entries(shape.parameters).map(([name, own]) => {
    const old: ParameterState = saved.parameters[name]!;
    return [
      name,
      Object.fromEntries(Object.entries(own).map(([key, value]) => [key, old[key as "iterations"] ?? value])),
    ];
  });
  return { iterations: saved.iterations, parameters: Object.fromEntries(parameters) };
}

describe("docs/guide/which-rmsprop.md", () => {
  const page = readFileSync(new URL("../../../docs/guide/which-rmsprop.md", import.meta.url), "utf8");

  it.each(names)("names every option of dialect %s, and no other", (dialect) => {
    const [, listed] = page.match(new RegExp(`\`\\{ dialect: "${dialect}", ([\\w, ]+) \\}\``))!;
    expect(listed!.split(", ").sort()).toEqual(optionNames.filter((key) => takes(dialect, key)).sort());
  });
});
