import { describe, expect, it } from "vitest";
import {
  Adam,
  type Optimizer,
  OptionError,
  RMSProp,
  rows,
  SGD,
  ShapeError,
  stepCautiously,
  stepDecay,
} from "../../../src/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

// That it has timm's bits: tests/golden/lanewise.test.ts.

describe.each(backends)("stepCautiously on %s", (backend) => {
  const core = makeCore(backend);
  const vector = (...values: number[]) => new Float32Array(values);

  it("moves only elements whose direction agrees with the gradient, and these by the inverse of their share", () => {
    const w = vector(0, 0, 0, 0);
    const optimizer = new SGD(core, w, { learningRate: 1, momentum: 0.5 });
    optimizer.step(vector(-8, -8, 8, 8));
    w.fill(0);
    stepCautiously(optimizer, vector(1, 1, 1, 1)); // the buffer is -3, -3, 5, 5
    expect([...w]).toEqual([0, 0, -10, -10]);
    expect(optimizer.state().parameters["0"]!.momentumBuffer).toEqual(vector(-3, -3, 5, 5));
    expect(optimizer.iterations).toBe(2);
    w.fill(0);
    stepCautiously(optimizer, vector(-0, 0, 0, 0)); // none agrees
    expect([...w]).toEqual([0, 0, 0, 0]);
  });

  it("moves them at most 1,000 times as far", () => {
    const w = new Float32Array(4000);
    const optimizer = new SGD(core, w, { learningRate: 1, momentum: 0.5 });
    optimizer.step(new Float32Array(4000).fill(-8).fill(8, 0, 1)); // of what follows, only the first agrees
    w.fill(0);
    stepCautiously(optimizer, new Float32Array(4000).fill(1));
    expect(w[0]).toBe(Math.fround(-5 * Math.fround(1 / Math.fround(1e-3))));
    expect(w.subarray(1).every((value) => value === 0)).toBe(true);
  });

  it("is an ordinary step without momentum, for what is frozen and what has no gradient", () => {
    const params = () => ({ a: core.tensor([33], randomValues(33, 1)), b: randomValues(5, 2), c: randomValues(3, 3) });
    const [x, y] = [params(), params()];
    const cautious = new RMSProp(core, x, { learningRate: stepDecay(0.1, 1), weightDecay: 0.1 });
    const plain = new RMSProp(core, y, { learningRate: stepDecay(0.1, 1), weightDecay: 0.1 });
    cautious.freeze("b");
    plain.freeze("b");
    for (let step = 0; step < 3; step++) {
      const grads = { a: randomValues(33, 4 + step), b: randomValues(5, 5) };
      stepCautiously(cautious, grads);
      plain.step(grads);
    }
    for (const name of ["b", "c"] as const) expectSameBits(x[name], y[name], name);
    expectSameBits(x.a.data, y.a.data, "a");
    expect(cautious.state()).toEqual(plain.state());
  });

  it("has a rate for each group, and passes a step over that is skipped", () => {
    const [a, b] = [core.tensor([2]), vector(0, 0)];
    const optimizer = new Adam(core, [{ params: { a } }, { params: { b }, learningRate: 4 }], {
      learningRate: 1,
      onNonFinite: "skip",
    });
    stepCautiously(optimizer, { a: vector(Number.NaN, 1), b: vector(1, 1) });
    expect([optimizer.iterations, ...a.data, ...b]).toEqual([0, 0, 0, 0, 0]);
    stepCautiously(optimizer, { a: vector(3, 0), b: vector(2, -1) });
    const rounded = [...a.data, ...b].map((x) => x.toFixed(5));
    expect(rounded).toEqual(["-2.00000", "0.00000", "-4.00000", "4.00000"]); // one of two, and two of two
  });

  it("refuses what it is not made for, before anything has changed", () => {
    const w = vector(1, 2);
    const refused = (optimizer: Optimizer, text: RegExp, grads: Parameters<Optimizer["step"]>[0] = vector(1, 1)) => {
      const before = optimizer.state();
      expect(() => stepCautiously(optimizer, grads)).toThrow(text);
      expect(optimizer.state()).toEqual(before);
      expect([...w]).toEqual([1, 2]);
    };
    refused(new RMSProp(core, w, { dialect: "keras3" }), /RMSProp with dialect "keras3", expected SGD, Adam/);
    for (const options of [
      { momentum: 0.9, nesterov: true },
      { accumulationSteps: 2 },
      { emaDecay: 0.9 },
      { clipValue: 1 },
      { clipNorm: 1 },
      { globalClipNorm: 1 },
    ]) {
      refused(new RMSProp(core, w, options), /^optimizer has \w+, expected none for stepCautiously/);
    }
    expect(() => stepCautiously({} as Optimizer, w)).toThrow(OptionError);
    const momentum = new SGD(core, w, { momentum: 0.9 });
    expect(() => stepCautiously(momentum, vector(1))).toThrow(ShapeError);
    const table = core.tensor([2, 1], [1, 2]);
    const sparse = new SGD(core, { table }, { momentum: 0.9 });
    expect(() => stepCautiously(sparse, { table: rows([1], vector(1)) })).toThrow(OptionError);
    expect([...table.data]).toEqual([1, 2]);
  });
});
