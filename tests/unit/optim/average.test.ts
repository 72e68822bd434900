import { describe, expect, it } from "vitest";
import { sgdFamily } from "../../../src/backend/families/sgd.js";
import type { Core } from "../../../src/core.js";
import { type GroupOptions, NonFiniteError, OptionError, RMSProp, SGD } from "../../../src/index.js";
import { Optimizer } from "../../../src/optim/optimizer.js";
import type { ParameterCopy } from "../../../src/optim/parameters.js";
import type { Formula, UpdateRule } from "../../../src/optim/update-rule.js";
import { readGolden, startParameters } from "../../golden/vectors.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const F = Math.fround;
const vector = (...values: number[]) => new Float32Array(values);

/** a ← d·a + c·θ, each operation rounded once. */
function next(average: Float32Array, param: Float32Array, decay: number, complement = 1 - decay): Float32Array {
  return average.map((a, i) => F(F(F(decay) * a) + F(F(complement) * param[i]!)));
}

describe.each(backends)("emaDecay on %s", (backend) => {
  const core = makeCore(backend);

  it.each([RMSProp, SGD])(
    "%o: a copy after the first step, then a moving average, over a missing gradient",
    (Class) => {
      const [x, y] = [randomValues(19, 1), core.tensor([5], randomValues(5, 2))];
      const optimizer = new Class(core, { x, y }, { emaDecay: 0.9, momentum: 0.5, learningRate: 0.1 });
      let averages: Record<string, Float32Array> = {};
      for (let i = 0; i < 6; i++) {
        optimizer.step({ x: randomValues(19, 10 + i), y: i % 3 === 1 ? null : randomValues(5, 20 + i) });
        if (i === 0) averages = { x: x.slice(), y: y.data.slice() };
        else {
          averages.x = next(averages.x!, x, 0.9);
          if (i % 3 !== 1) averages.y = next(averages.y!, y.data, 0.9);
        }
        const { x: ax, y: ay } = optimizer.averaged() as Record<string, Float32Array>;
        expectSameBits(ax!, averages.x!, `x after step ${i}`);
        expectSameBits(ay!, averages.y!, `y after step ${i}`);
        expect(optimizer.state().parameters.x!.parameterAverage).toEqual(ax);
      }
    },
  );

  it.each([0, 1])("a decay of %i keeps the last or the first parameter", (emaDecay) => {
    const x = vector(1, 2);
    const optimizer = new SGD(core, x, { emaDecay, learningRate: 1 });
    optimizer.step(vector(1, 1));
    const first = x.slice();
    optimizer.step(vector(1, 1));
    expect(optimizer.averaged()).toEqual(emaDecay === 1 ? first : x);
  });

  it("averaged() has the structure of the parameters, and copies what has no average", () => {
    const tensor = core.tensor([2], [3, 4]);
    const of = (params: unknown, options = {}) => new SGD(core, params as Float32Array, options).averaged();
    expect(of(tensor)).toEqual(vector(3, 4));
    expect(of([tensor, vector(1)], { emaDecay: 0.5 })).toEqual([vector(3, 4), vector(1)]);
    expect(of({ a: tensor, b: vector(1) })).toEqual({ a: vector(3, 4), b: vector(1) });
    expect(of([{ params: { a: tensor } }, { params: vector(1), emaDecay: 0.5 }])).toEqual([
      { a: vector(3, 4) },
      vector(1),
    ]);
    const copy = of(tensor) as Float32Array;
    copy[0] = 9;
    expect(tensor.data[0]).toBe(3);

    const [a, b] = [vector(0), vector(0)];
    const optimizer = new SGD(core, [{ params: a, emaDecay: 0.5 }, { params: b }], { learningRate: 1 });
    for (let i = 0; i < 2; i++) optimizer.step([vector(-1), vector(-1)]);
    expect(optimizer.averaged()).toEqual([vector(1.5), vector(2)]);
    expect(optimizer.state().parameters["1"]).toEqual({ iterations: 2 });
  });

  it("a refused step leaves it alone", () => {
    const x = core.tensor([2], [1, 2]);
    const optimizer = new SGD(core, x, { emaDecay: 0.5, onNonFinite: "throw" });
    const bad = core.tensor([2], [1, Number.NaN]);
    optimizer.step(core.tensor([2], [1, 1]));
    const before = optimizer.state();
    expect(() => optimizer.step(bad)).toThrow(NonFiniteError);
    expect(optimizer.state()).toEqual(before);
    expect(optimizer.averaged()).toEqual(before.parameters["0"]!.parameterAverage);
  });

  it("state and load: the same bits as without a pause", () => {
    const make = () => {
      const x = randomValues(9, 1);
      return { x, optimizer: new RMSProp(core, x, { emaDecay: 0.99 }) };
    };
    const [straight, first, second] = [make(), make(), make()];
    for (let i = 0; i < 4; i++) straight.optimizer.step(randomValues(9, i));
    for (let i = 0; i < 2; i++) first.optimizer.step(randomValues(9, i));
    second.x.set(first.x);
    second.optimizer.load(first.optimizer.state());
    for (let i = 2; i < 4; i++) second.optimizer.step(randomValues(9, i));
    expect(second.optimizer.state()).toEqual(straight.optimizer.state());
    expect(() => new RMSProp(core, randomValues(9, 1)).load(first.optimizer.state())).toThrow(
      "parameterAverage is unknown",
    );
  });

  it.each([-0.1, 1.1, Number.NaN, "0.9", null])("refuses %s", (emaDecay) => {
    const make = (params: unknown, options: unknown) => new SGD(core, params as Float32Array, options as object);
    expectUnchanged(core, () => make(vector(1), { emaDecay }), OptionError, /^emaDecay is .* from 0 to 1$/);
    expect(() => make([{ params: vector(1), emaDecay }], {})).toThrow("params[0].emaDecay is");
  });

  describe("a framework's own average", () => {
    /** Gradient descent at rate 0: the parameters are what the test writes. */
    class Still extends Optimizer {
      constructor(core: Core, params: Record<string, Float32Array>, average: Formula["average"], emaDecay: number) {
        const rule: UpdateRule<GroupOptions> = {
          name: "Still",
          family: sgdFamily,
          kernel: "sgd_f32",
          learningRate: 0,
          optionKeys: [],
          states: [],
          resolve: () => ({ form: 0, scalars: [], initial: [], ...(average && { average }) }),
        };
        super(core, params, { emaDecay }, rule);
      }
    }

    const cases = (["keras3", "tf-keras"] as const).flatMap((file) =>
      readGolden(file)
        .cases.filter(({ name }) => name.startsWith("emaDecay") && !/missing|overwrite_frequency=3/.test(name))
        .map((c) => [file, c.name, c] as const),
    );

    it("in cases of both Keras", () => expect(new Set(cases.map(([file]) => file)).size).toBe(2));

    it.each(cases)("%s: %s", (file, _, c) => {
      const decay = c.options.emaDecay as number;
      const isSecond = file === "tf-keras";
      const average = isSecond
        ? { complement: 1 - decay, startsAtParameter: true }
        : { complement: 1 - F(decay), startsAtParameter: false };
      const params = startParameters();
      const optimizer = new Still(core, params, average, decay);
      const zeros = { a: new Float32Array(params.a.length), b: new Float32Array(params.b.length) };
      for (let step = 0; step < c.steps; step++) {
        for (const name of ["a", "b"] as const) params[name].set(c.arrays[name].parameter![step]!);
        optimizer.step(zeros);
        const averages = optimizer.averaged() as Record<keyof typeof params, ParameterCopy>;
        for (const name of ["a", "b"] as const) {
          expectSameBits(averages[name], c.arrays[name].parameterAverage![step]!, `${name} after step ${step + 1}`);
        }
      }
    });
  });
});
