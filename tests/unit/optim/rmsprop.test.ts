import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCoreSync } from "../../../src/entry/inline.js";
import { CheckpointError } from "../../../src/errors.js";
import { complementOfPower, factorsOf, power } from "../../../src/optim/bias-correction.js";
import { RMSProp, type RMSPropOptions } from "../../../src/optim/rmsprop.js";
import type { OptimizerState } from "../../../src/optim/state.js";
import { bitsOf, expectSameBits } from "../../helpers/bits.js";
import { randomValues } from "../../helpers/random.js";

const FEATURES: RMSPropOptions[] = [
  {},
  { epsPlacement: "outside", weightDecay: 0.01 },
  { epsPlacement: "ratio", momentum: 0.9 },
  { centered: true, initialScale: 1, clipNorm: 0.5 },
  { centered: true, momentum: 0.5, nesterov: true, biasCorrection: true, meanDecay: 0.8, eps: 0.1 },
  { momentum: 0.9, weightDecay: 0.1, decoupledWeightDecay: true, globalClipNorm: 0.3, maximize: true },
];

describe.each(["js", "wasm"] as const)("RMSProp on %s", (backend) => {
  const core = createCoreSync({ backend });

  /** Steps along given gradients, or along those of a function of the parameters; returns the parameters after each. */
  function path(
    start: number[],
    options: RMSPropOptions,
    grads: number[][] | ((x: Float32Array) => number[]),
    steps?: number,
  ) {
    const x = Float32Array.from(start);
    const optimizer = new RMSProp(core, x, options);
    const points = Array.from({ length: steps ?? grads.length }, (_, i) => {
      optimizer.step(Float32Array.from(typeof grads === "function" ? grads(x) : grads[i]!));
      return [...x];
    });
    const state = optimizer.state().parameters["0"]!;
    optimizer.dispose();
    return { points, state };
  }

  function expectClose(actual: number[], expected: number[], tolerance: number): void {
    for (const [i, value] of expected.entries()) {
      expect(Math.abs(actual[i]! - value), `${actual[i]} for ${value}`).toBeLessThanOrEqual(tolerance);
    }
  }

  describe("published numbers", () => {
    it("(θ − 5)² from 0, learningRate 0.01, decay 0.9: v = 10, θ = 0.03162278", () => {
      const { points, state } = path([0], { learningRate: 0.01, decay: 0.9 }, (x) => [2 * (x[0]! - 5)], 1);
      expect(state.squareAverage![0]).toBe(10);
      expectClose(points[0]!, [0.03162278], 1e-8);
    });

    it("Keras, docstring: x²/2 from 10 with learningRate 0.1 gives 9.683772", () => {
      expectClose(path([10], { learningRate: 0.1, eps: 1e-7 }, (x) => [x[0]!], 1).points[0]!, [9.683772], 5e-7);
    });

    it("Keras, test_single_step", () => {
      const { points } = path([1, 2, 3, 4], { learningRate: 0.5, eps: 1e-7 }, [[1, 6, 7, 2]]);
      expectClose(points[0]!, [-0.5811, 0.4189, 1.4189, 2.4189], 5e-5);
    });

    it("Keras, test_weight_decay: three steps of decay alone", () => {
      const options = { learningRate: 1, weightDecay: 0.004, decoupledWeightDecay: true, eps: 1e-7 };
      expectClose(path([2], options, [[0], [0], [0]]).points[2]!, [1.9760959], 5e-7);
    });

    it("Keras, test_correctness_with_golden: centered", () => {
      const start = new Array(10).fill(1);
      const grads = [new Array(10).fill(0.01), ...new Array(4).fill(start.map((_, i) => (i + 1) / 10))];
      const { points } = path(start, { centered: true, eps: 1e-7 }, grads);
      for (const [i, golden] of [0.9967, 0.9933, 0.9908, 0.9885, 0.9864].entries()) {
        expectClose(points[i]!, new Array(10).fill(golden), 5e-4);
      }
    });

    it("TensorFlow 1, rmsprop_test: the average starts at 1", () => {
      const options = { learningRate: 2, decay: 0.9, eps: 1, initialScale: 1 };
      expectClose(
        path([1, 2], options, [
          [0.1, 0.1],
          [0.1, 0.1],
        ]).points[1]!,
        [0.7063620526, 1.7063620526],
        2e-7,
      );
      const momentum = { learningRate: 2, decay: 0.9, momentum: 0.5, eps: 1e-5, initialScale: 1 };
      expectClose(path([1], momentum, [[0.1], [0.1]]).points[1]!, [0.4619888], 5e-6);
    });

    it("TensorFlow.js, rmsprop_optimizer_test: x² with momentum", () => {
      const options = { learningRate: 0.1, decay: 0.95, momentum: 0.1, eps: 1e-7 };
      const { points } = path([1, 2], options, (x) => [...x].map((v) => 2 * v), 2);
      expectClose(points[0]!, [0.5527865, 1.5527864], 1e-6);
      expectClose(points[1]!, [0.2874418, 1.2294267], 1e-6);
    });
  });

  describe("the formula in float64", () => {
    it.each(FEATURES)("%o", (options) => {
      const n = 13;
      const steps = 40;
      const grads = Array.from({ length: steps }, (_, i) => [...randomValues(n, i + 7, 1)]);
      const start = [...randomValues(n, 3)];
      const { points } = path(start, { learningRate: 0.01, ...options }, grads);

      const { decay = 0.9, eps = 1e-8, momentum = 0, weightDecay = 0, centered, nesterov, initialScale = 0 } = options;
      const {
        meanDecay = decay,
        epsPlacement = "inside",
        clipNorm,
        globalClipNorm,
        biasCorrection: corrected,
      } = options;
      const lr = 0.01;
      const p = [...start];
      const v = p.map(() => initialScale);
      const m = p.map(() => 0);
      const b = p.map(() => 0);
      for (const [i, raw] of grads.entries()) {
        const bound = clipNorm ?? globalClipNorm ?? Number.POSITIVE_INFINITY;
        const scale = Math.min(1, bound / Math.hypot(...raw)) * (options.maximize ? -1 : 1);
        for (let k = 0; k < n; k++) {
          let g = raw[k]! * scale;
          if (!options.decoupledWeightDecay) g += weightDecay * p[k]!;
          else p[k]! *= 1 - lr * weightDecay;
          v[k] = decay * v[k]! + (1 - decay) * g * g;
          m[k] = meanDecay * m[k]! + (1 - meanDecay) * g;
          const [cv, cm] = corrected ? [1 - decay ** (i + 1), 1 - meanDecay ** (i + 1)] : [1, 1];
          const s = Math.max(v[k]! / cv - (centered ? (m[k]! / cm) ** 2 : 0), 0);
          const factor = {
            inside: 1 / Math.sqrt(s + eps),
            outside: 1 / (Math.sqrt(s) + eps),
            ratio: Math.sqrt(s) / (s + eps),
          }[epsPlacement];
          const u = lr * g * factor;
          b[k] = momentum * b[k]! + u;
          p[k]! -= momentum === 0 ? u : nesterov ? momentum * b[k]! + u : b[k]!;
        }
        // Each step adds at most a few units in the last place of numbers around 1; 2e-6 leaves room for 40 of them.
        expectClose(points[i]!, p, 2e-6);
      }
    });

    describe("a variance that rounds below 0 counts as 0", () => {
      const FORMS: RMSPropOptions[] = [
        { centered: true },
        { centered: true, biasCorrection: true },
        { centered: true, momentum: 0.9, nesterov: true, biasCorrection: true },
        { centered: true, meanDecay: 0.5, epsPlacement: "outside" },
        { centered: true, meanDecay: 0.2, epsPlacement: "ratio", biasCorrection: true },
      ];
      const hardlyVarying = (n: number, t: number): Float32Array =>
        Float32Array.from({ length: n }, (_, k) => (k + 1) * (1 + 1e-4 * Math.sin(t + k)));

      it.each(FORMS)("%o", (options) => {
        const n = 21;
        const results = (["js", "wasm"] as const).map((name) => {
          const core = createCoreSync({ backend: name });
          const w = core.tensor([n]);
          const optimizer = new RMSProp(core, { w }, options);
          for (let t = 0; t < 1000; t++) optimizer.step({ w: hardlyVarying(n, t) });
          return w.toArray() as number[];
        });
        expect(results[0]!.every(Number.isFinite)).toBe(true);
        expect(results[1]).toEqual(results[0]);
      });

      it.each(FORMS)("random gradients: %o", (options) => {
        const { points } = path([...randomValues(301, 1)], options, [[...randomValues(301, 2, 1)]]);
        expect(points[0]!.every(Number.isFinite)).toBe(true);
      });

      it("but NaN and ∞ of a gradient stay seen", () => {
        const { points } = path(new Array(19).fill(1), { centered: true }, [
          Array.from({ length: 19 }, (_, k) => [Number.NaN, Number.POSITIVE_INFINITY, 1][k % 3]!),
        ]);
        expect(points[0]!.map(Number.isFinite)).toEqual(Array.from({ length: 19 }, (_, k) => k % 3 === 2));
      });

      it("dialects keep what their frameworks do", () => {
        const { points } = path([1], { dialect: "tfjs", centered: true }, [[1e-6]]);
        expect(points[0]![0]).toBeNaN();
      });
    });

    it("biasCorrection is exact far beyond float32, for any count of steps", () => {
      for (const decay of [0, 0.5, 0.9, 0.99, 0.999, 1 - 2 ** -20]) {
        for (const step of [1, 2, 3, 7, 10, 100, 1000, 12345, 2 ** 31, 2 ** 40 + 1]) {
          const exact = -Math.expm1(step * Math.log(decay));
          expect(Math.abs(complementOfPower(factorsOf(decay), step) / exact - 1)).toBeLessThan(1e-10);
        }
      }
    });

    it("biasCorrection has the bits of a power by squaring, also where the power vanishes beside 1", () => {
      for (const decay of [0, 2 ** -40, 0.5, 0.9, 0.99, 0.999, 0.9999, 1 - 2 ** -20, 1 - 2 ** -50, 1 - 2 ** -53]) {
        const factors = factorsOf(decay);
        const steps = Array.from({ length: 4000 }, (_, i) => (i < 3000 ? i + 1 : Math.floor(1.5 ** (i / 60)) + i));
        for (const step of [...steps, 2 ** 31 - 1, 2 ** 31, 2 ** 40 + 1]) {
          const expected = 1 - power(decay, step);
          if (complementOfPower(factors, step) !== expected) expect([decay, step]).toBe("the bits of power");
        }
      }
    });

    it("with decay 0 and a bias to correct, a step is that of plain normalization", () => {
      const { points } = path([0, 0], { decay: 0, eps: 0, biasCorrection: true, learningRate: 0.5 }, [[3, -7]]);
      expect(points[0]).toEqual([-0.5, 0.5]);
    });
  });

  describe("properties", () => {
    const floats = (length: number) =>
      fc.array(
        fc.float({ noNaN: true, min: -1000, max: 1000 }).filter((x) => Math.abs(x) > 2 ** -10),
        {
          minLength: length,
          maxLength: length,
        },
      );
    const gradients = fc.integer({ min: 1, max: 20 }).chain((n) => fc.array(floats(n), { minLength: 1, maxLength: 5 }));
    const run = (grads: number[][], options: RMSPropOptions) => {
      const { points } = path(
        grads[0]!.map((_, i) => i),
        { learningRate: 0.1, ...options },
        grads,
      );
      return points.map((point) => [...bitsOf(point)]);
    };

    it("with eps 0, gradients times a power of two take the same path, bit for bit", () => {
      fc.assert(
        fc.property(
          gradients,
          fc.integer({ min: -40, max: 40 }),
          fc.boolean(),
          fc.boolean(),
          (grads, k, momentum, corrected) => {
            const options = { eps: 0, biasCorrection: corrected, momentum: momentum ? 0.9 : 0 };
            expect(
              run(
                grads.map((g) => g.map((x) => x * 2 ** k)),
                options,
              ),
            ).toEqual(run(grads, options));
          },
        ),
        { numRuns: 60 },
      );
    });

    it("maximize is the way of the negative gradient", () => {
      fc.assert(
        fc.property(gradients, fc.constantFrom(...FEATURES), (grads, options) => {
          const flipped = grads.map((g) => g.map((x) => -x));
          expect(run(flipped, { ...options, maximize: !options.maximize })).toEqual(run(grads, options));
        }),
        { numRuns: 60 },
      );
    });

    it("elements do not see each other: a tensor in pieces takes the same path", () => {
      fc.assert(
        fc.property(
          gradients,
          fc.nat(20),
          fc.constantFrom(...FEATURES.filter((o) => !o.clipNorm)),
          (grads, cut, options) => {
            const n = grads[0]!.length;
            const k = cut % (n + 1);
            const whole = Float32Array.from({ length: n }, (_, i) => i);
            const parts = [whole.slice(0, k), whole.slice(k)];
            const a = new RMSProp(core, whole, options);
            const b = new RMSProp(core, parts, options);
            for (const g of grads) {
              a.step(Float32Array.from(g));
              b.step([Float32Array.from(g.slice(0, k)), Float32Array.from(g.slice(k))]);
            }
            // The global norm is summed in another order, which may move its last bit.
            if (options.globalClipNorm)
              expect([...parts[0]!, ...parts[1]!].map((x, i) => Math.abs(x - whole[i]!) < 1e-5)).not.toContain(false);
            else expectSameBits([...parts[0]!, ...parts[1]!], whole, "pieces");
            a.dispose();
            b.dispose();
          },
        ),
        { numRuns: 60 },
      );
    });
  });

  describe("state and load", () => {
    const shapes = { weight: 33, bias: 3, empty: 0 };
    const grads = (i: number) => ({
      weight: randomValues(33, 2 * i),
      bias: i % 3 === 1 ? null : randomValues(3, 2 * i + 1),
      empty: new Float32Array(0),
    });
    const params = () => ({ weight: randomValues(33, 100), bias: randomValues(3, 101), empty: new Float32Array(0) });

    it.each(FEATURES)("50 steps, load and 50 steps are 100 steps: %o", (options) => {
      const straight = params();
      const first = new RMSProp(core, straight, options);
      const resumed = params();
      const second = new RMSProp(core, resumed, options);
      for (let i = 0; i < 50; i++) second.step(grads(i));
      const saved = second.state();
      second.dispose();
      const third = new RMSProp(core, resumed, options);
      for (let i = 0; i < 7; i++) third.step({}); // its own past is forgotten
      third.load(saved);
      for (let i = 0; i < 100; i++) first.step(grads(i));
      for (let i = 50; i < 100; i++) third.step(grads(i));
      for (const name of Object.keys(shapes) as (keyof typeof shapes)[])
        expectSameBits(resumed[name], straight[name], name);
      expect(third.state()).toEqual(first.state());
      first.dispose();
      third.dispose();
    });

    it("state is a copy, with the arrays that the options need", () => {
      const optimizer = new RMSProp(core, params(), { centered: true, initialScale: 0.5 });
      const state = optimizer.state();
      expect(state).toEqual({
        iterations: 0,
        parameters: Object.fromEntries(
          Object.entries(shapes).map(([name, length]) => [
            name,
            {
              iterations: 0,
              squareAverage: new Float32Array(length).fill(0.5),
              gradientAverage: new Float32Array(length),
            },
          ]),
        ),
      });
      state.parameters.weight!.squareAverage![0] = 7;
      expect(optimizer.state().parameters.weight!.squareAverage![0]).toBe(0.5);
      optimizer.load(state);
      state.parameters.weight!.squareAverage![0] = 8;
      expect(optimizer.state().parameters.weight!.squareAverage![0]).toBe(7);
    });

    const valid = (): OptimizerState => {
      const optimizer = new RMSProp(core, params(), { momentum: 0.9 });
      optimizer.step(grads(0));
      return optimizer.state();
    };
    it.each<[string, (state: OptimizerState) => unknown]>([
      ["state is undefined", () => undefined],
      ["state is 5", () => 5],
      ["state.iterations is missing", ({ parameters }) => ({ parameters })],
      ["state.iterations is 1.5", (state) => ({ ...state, iterations: 1.5 })],
      ["state.iterations is -1", (state) => ({ ...state, iterations: -1 })],
      ["state.extra is unknown", (state) => ({ ...state, extra: 1 })],
      ["state.parameters is null", (state) => ({ ...state, parameters: null })],
      [
        "state.parameters.bias is missing",
        ({ parameters: { bias, ...parameters } }) => ({ iterations: 1, parameters }),
      ],
      ["state.parameters.other is unknown", (state) => ({ ...state, parameters: { ...state.parameters, other: {} } })],
      ["state.parameters.bias is 3", (state) => ({ ...state, parameters: { ...state.parameters, bias: 3 } })],
    ])("refuses: %s", (message, spoil) => {
      const optimizer = new RMSProp(core, params(), { momentum: 0.9 });
      const before = optimizer.state();
      expect(() => optimizer.load(spoil(valid()) as OptimizerState)).toThrow(CheckpointError);
      expect(() => optimizer.load(spoil(valid()) as OptimizerState)).toThrow(message);
      expect(optimizer.state()).toEqual(before);
    });

    it("uses what it has checked, whatever getters say next", () => {
      const optimizer = new RMSProp(core, params(), { momentum: 0.9 });
      const { iterations, parameters } = valid();
      const once = <T extends object>(values: T): T => {
        const read = new Set<string>();
        const get = (key: string, value: unknown) => {
          if (read.has(key)) throw new Error(`${key} is read twice`);
          read.add(key);
          return value;
        };
        const members = Object.entries(values).map(([key, value]) => [
          key,
          { get: () => get(key, value), enumerable: true },
        ]);
        return Object.defineProperties({}, Object.fromEntries(members)) as T;
      };
      const state = Object.entries(parameters).map(([name, value]) => [name, once(value)]);
      optimizer.load(once({ iterations, parameters: once(Object.fromEntries(state)) }));
      expect(optimizer.state()).toEqual(valid());
    });

    it.each<[string, object]>([
      ["squareAverage is missing", { squareAverage: undefined }],
      ["squareAverage is Float32Array(2), expected Float32Array(3)", { squareAverage: new Float32Array(2) }],
      ["squareAverage is Array(3)", { squareAverage: [1, 2, 3] }],
      ["momentumBuffer is Float64Array(3)", { momentumBuffer: new Float64Array(3) }],
      ["gradientAverage is unknown", { gradientAverage: new Float32Array(3) }],
      ["iterations is NaN", { iterations: Number.NaN }],
    ])("refuses: state.parameters.bias.%s", (message, change) => {
      const optimizer = new RMSProp(core, params(), { momentum: 0.9 });
      const before = optimizer.state();
      const state = valid();
      const bias: Record<string, unknown> = { ...state.parameters.bias, ...change };
      for (const key of Object.keys(bias)) if (bias[key] === undefined) delete bias[key];
      const spoilt = { ...state, parameters: { ...state.parameters, bias } } as unknown as OptimizerState;
      expect(() => optimizer.load(spoilt)).toThrow(CheckpointError);
      expect(() => optimizer.load(spoilt)).toThrow(`state.parameters.bias.${message}`);
      expect(optimizer.state()).toEqual(before);
    });
  });
});
