import { describe, expect, it } from "vitest";
import {
  AdaGrad,
  type AdaGradOptions,
  Adam,
  type AdamOptions,
  AdamW,
  CheckpointError,
  type Core,
  OptionError,
  type ParameterSet,
} from "../../../src/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

// Options, groups and state of Adam, AdamW and AdaGrad. That their steps have PyTorch's bits: tests/golden.

type Options = AdamOptions & AdaGradOptions;

interface Kind {
  make(core: Core, params: ParameterSet | object[], options?: Options): Adam | AdamW | AdaGrad;
  defaults: Options;
  states: string[];
  /** Options with values that show. */
  changes: Options[];
  /** Messages, and the options that they refuse. */
  refused: [RegExp, unknown][];
}

const COMMON: Options = { weightDecay: 0, decoupledWeightDecay: false, maximize: false };
const ADAM: Omit<Kind, "make"> = {
  defaults: { ...COMMON, learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false },
  states: ["gradientAverage", "squareAverage"],
  changes: [{ beta1: 0.5 }, { beta1: 0.25 }, { beta2: 0.5 }, { eps: 0.1 }, { amsgrad: true, beta2: 0.5 }],
  refused: [
    [/^options.decay is not an option/, { decay: 0.9 }],
    [/^options.dialect is not an option/, { dialect: "pytorch" }],
    [/^options.momentum is not an option/, { momentum: 0.9 }],
    [/^beta1 is 1, expected less$/, { beta1: 1 }],
    [/^beta1 is -0.1, expected a number from 0 to 1$/, { beta1: -0.1 }],
    [/^beta2 is 1, expected less$/, { beta2: 1 }],
    [/^beta2 is NaN/, { beta2: Number.NaN }],
    [/^eps is -1, expected a finite number >= 0$/, { eps: -1 }],
    [/^amsgrad is 1, expected true or false$/, { amsgrad: 1 }],
  ],
};

const KINDS: Record<string, Kind> = {
  Adam: { ...ADAM, make: (core, params, options) => new Adam(core, params as ParameterSet, options) },
  AdamW: {
    ...ADAM,
    make: (core, params, options) => new AdamW(core, params as ParameterSet, options),
    defaults: { ...ADAM.defaults, weightDecay: 0.01, decoupledWeightDecay: true },
  },
  AdaGrad: {
    make: (core, params, options) => new AdaGrad(core, params as ParameterSet, options),
    defaults: { ...COMMON, learningRate: 1e-2, eps: 1e-10, learningRateDecay: 0, initialScale: 0 },
    states: ["squareSum"],
    changes: [{ eps: 0.1 }, { learningRateDecay: 0.5 }, { initialScale: 0.5 }],
    refused: [
      [/^options.beta1 is not an option/, { beta1: 0.9 }],
      [/^options.decay is not an option/, { decay: 0.9 }],
      [/^eps is NaN/, { eps: Number.NaN }],
      [/^learningRateDecay is -1, expected a finite number >= 0$/, { learningRateDecay: -1 }],
      [/^initialScale is -1/, { initialScale: -1 }],
    ],
  },
};

/** What every optimizer takes, with values that show. */
const COMMON_CHANGES: Options[] = [
  { learningRate: 0.5 },
  { learningRate: (iteration) => 0.5 ** iteration },
  { weightDecay: 0.5 },
  { weightDecay: 0.5, decoupledWeightDecay: true },
  { maximize: true },
  { clipValue: 0.25, eps: 0.1 },
  { clipNorm: 0.25, eps: 0.1 },
  { globalClipNorm: 0.25, eps: 0.1 },
];

describe.each(backends)("on %s", (backend) => {
  const core = makeCore(backend);

  describe.each(Object.entries(KINDS))("%s", (_, { make, defaults, states, changes, refused }) => {
    const start = (): Float32Array => randomValues(13, 1);
    const gradient = (step: number): Float32Array => randomValues(13, 2 + step);

    function run(options?: Options): Float32Array {
      const x = start();
      using optimizer = make(core, x, options);
      for (let step = 0; step < 5; step++) optimizer.step(gradient(step));
      return x;
    }

    it("has PyTorch's defaults", () => {
      expectSameBits(run(defaults), run(), "parameters");
      using optimizer = make(core, start());
      expect(optimizer.learningRate).toBe(defaults.learningRate);
      expect(Object.keys(optimizer.state().parameters["0"]!).sort()).toEqual(["iterations", ...states].sort());
    });

    it.each([...changes, ...COMMON_CHANGES])("takes %o, and it matters", (options) => {
      expect(run(options)).not.toEqual(run());
      expect(run(options).every(Number.isFinite)).toBe(true);
    });

    it.each(refused)("refuses with %s, and changes nothing", (message, options) => {
      expectUnchanged(core, () => make(core, start(), options as Options), OptionError, message);
      using optimizer = make(core, start());
      optimizer.step(gradient(0));
      const before = [optimizer.state(), optimizer.description()];
      const later = message.source.startsWith("^initialScale") ? /^options.initialScale is fixed/ : message;
      expectUnchanged(core, () => optimizer.setOptions(options as object), OptionError, later);
      const inGroup = new RegExp(message.source.replace(/^\^(options.)?/, "^params\\[1\\]."));
      const groups = [{ params: start() }, { params: start(), ...(options as object) }];
      expectUnchanged(core, () => make(core, groups), OptionError, inGroup);
      expect([optimizer.state(), optimizer.description()]).toEqual(before);
    });

    it("groups go by their own options, and steps by their own counts", () => {
      for (const own of changes) {
        const [a, b] = [start(), start()];
        using optimizer = make(core, [{ params: { a } }, { params: { b }, ...own }], { learningRate: 0.25 });
        for (let step = 0; step < 5; step++) {
          optimizer.step([{ a: gradient(step) }, { b: null }]);
        }
        for (let step = 0; step < 5; step++) optimizer.step([{}, { b: gradient(step) }]);
        expectSameBits(a, run({ learningRate: 0.25 }), "a");
        expectSameBits(b, run({ learningRate: 0.25, ...own }), "b");
      }
    });

    it.each([{}, ...changes])("with %o goes on from its state with the same bits", (options) => {
      const x = start();
      const first = make(core, x, options);
      for (let step = 0; step < 2; step++) first.step(gradient(step));
      const saved = structuredClone(first.state());
      first.dispose();
      using second = make(core, x, options);
      second.load(saved);
      for (let step = 2; step < 5; step++) second.step(gradient(step));
      expectSameBits(x, run(options), "parameters");
      expect(second.iterations).toBe(5);
    });

    it("refuses the state of another optimizer", () => {
      using optimizer = make(core, start());
      const before = optimizer.state();
      const other = { iterations: 1, parameters: { 0: { iterations: 1, momentumBuffer: new Float32Array(13) } } };
      expectUnchanged(core, () => optimizer.load(other), CheckpointError, /^state.parameters.0.\w+ is missing/);
      expect(optimizer.state()).toEqual(before);
    });
  });

  it("AMSGrad can begin late, end and begin again, with its maximum from the step where it first began", () => {
    const x = new Float32Array([0]);
    using optimizer = new Adam(core, x, { beta2: 0.5 });
    optimizer.step(new Float32Array([4]));
    optimizer.setOptions({ amsgrad: true });
    optimizer.step(new Float32Array([2]));
    const { squareAverage, maxSquareAverage } = optimizer.state().parameters["0"]!;
    expect([...squareAverage!, ...maxSquareAverage!]).toEqual([6, 6]); // 0.5·(0.5·16) + 0.5·4
    optimizer.step(new Float32Array([0]));
    const { squareAverage: fallen, maxSquareAverage: kept } = optimizer.state().parameters["0"]!;
    expect([...fallen!, ...kept!]).toEqual([3, 6]);
    optimizer.setOptions({ amsgrad: false });
    const [before] = x;
    optimizer.step(new Float32Array([2]));
    expect(optimizer.state().parameters["0"]).toMatchObject({ maxSquareAverage: Float32Array.of(6) });
    using plain = new Adam(core, new Float32Array([before!]), { beta2: 0.5 });
    const { options: _, ...state } = optimizer.state();
    expect(() => plain.load(state)).toThrow(/maxSquareAverage is unknown to this optimizer/);
    plain.load(optimizer.state());
    for (const each of [optimizer, plain]) each.setOptions({ amsgrad: true });
    optimizer.step(new Float32Array([0]));
    plain.step(new Float32Array([0]));
    expect(optimizer.state().parameters["0"]!.maxSquareAverage).toEqual(Float32Array.of(6));
    expect(plain.state()).toEqual(optimizer.state());
  });

  it("AdamW is Adam with decoupled decay", () => {
    const [x, y] = [randomValues(13, 1), randomValues(13, 1)];
    using adam = new Adam(core, x, { weightDecay: 0.25, decoupledWeightDecay: true, learningRate: 0.5 });
    using adamW = new AdamW(core, y, { weightDecay: 0.25, learningRate: 0.5 });
    for (let step = 0; step < 3; step++) for (const each of [adam, adamW]) each.step(randomValues(13, 2 + step));
    expectSameBits(x, y, "parameters");
    expect([adam.description().optimizer, adamW.description().optimizer]).toEqual(["Adam", "AdamW"]);
  });

  it("learningRateDecay divides the rate by 1 + (t − 1)·η", () => {
    const x = new Float32Array([0]);
    using optimizer = new AdaGrad(core, x, { learningRate: 1, learningRateDecay: 1, eps: 0 });
    const position = [3, 4, 0].map((g) => {
      optimizer.step(new Float32Array([g]));
      return x[0]!;
    });
    // s is 9, then 25: −1·3/3, then −(1/2)·4/5, then nothing.
    expect(position).toEqual([-1, Math.fround(-1.4), Math.fround(-1.4)]);
  });
});
