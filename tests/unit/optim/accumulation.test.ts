import { describe, expect, it } from "vitest";
import { CheckpointError, NonFiniteError, type OptimizerState, OptionError, RMSProp, SGD } from "../../../src/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

const F = Math.fround;
const vector = (...values: number[]) => new Float32Array(values);

/** (Σ g)/n in float32, in the order given. */
function mean(gradients: (Float32Array | null)[], n: number): Float32Array | null {
  const given = gradients.filter((g) => g !== null);
  return given[0]?.map((_, i) => F(given.reduce((sum, g) => F(sum + g[i]!), 0) / n)) ?? null;
}

describe.each(backends)("accumulationSteps on %s", (backend) => {
  const core = makeCore(backend);
  const make = (accumulationSteps: number, options = {}) => {
    const params = { x: core.tensor([19], randomValues(19, 1)), y: randomValues(5, 2), z: randomValues(3, 3) };
    return { params, optimizer: new RMSProp(core, params, { momentum: 0.5, accumulationSteps, ...options }) };
  };
  type Made = ReturnType<typeof make>;
  const expectSame = (a: Made, b: Made) => {
    expectSameBits(a.params.x.data, b.params.x.data, "x");
    expectSameBits(a.params.y, b.params.y, "y");
    expectSameBits(a.params.z, b.params.z, "z");
  };
  // x by a tensor, y by arrays and not in every call, z in none of the first three.
  const gradient = (i: number) => ({
    x: randomValues(19, 10 + i),
    y: i % 3 === 1 ? null : randomValues(5, 30 + i),
    z: i < 3 ? null : randomValues(3, 50 + i),
  });

  it.each([1, 2, 3, 7])("%i calls are one step by the mean, in this order of roundings", (n) => {
    const [whole, parts] = [make(1, { emaDecay: 0.9 }), make(n, { emaDecay: 0.9 })];
    for (let update = 0; update < 3; update++) {
      const gradients = Array.from({ length: n }, (_, k) => gradient(update * n + k));
      for (const [k, g] of gradients.entries()) {
        expect(parts.optimizer.iterations).toBe(update);
        expectSame(parts, whole);
        parts.optimizer.step({ ...g, x: k % 2 ? g.x : core.tensor([19], g.x) });
      }
      const of = (name: "x" | "y" | "z") =>
        mean(
          gradients.map((g) => g[name]),
          n,
        );
      whole.optimizer.step({ x: of("x"), y: of("y"), z: of("z") });
      expectSame(parts, whole);
      expect(parts.optimizer.state()).toEqual(whole.optimizer.state());
    }
  });

  it("running: the mean so far, in these roundings, where a missing gradient counts as 0; flush takes it as it is", () => {
    const steps = [vector(0.1, 3), null, vector(0.7, -1), vector(0.2, 5)];
    for (const calls of [2, 3, 4]) {
      const params = { x: vector(0, 0), y: vector(0) };
      const options = { learningRate: 1, accumulationSteps: 4, accumulation: "running" } as const;
      using optimizer = new SGD(core, params, options);
      expect(optimizer.description().accumulation).toBe("running");
      let mean = vector(0, 0);
      for (const [k, g] of steps.slice(0, calls).entries()) {
        optimizer.step({ x: g, y: vector(1) });
        mean = mean.map((m, i) => F(m + F(F((g?.[i] ?? 0) - m) * F(1 / (k + 1)))));
      }
      optimizer.flush();
      expect(optimizer.iterations).toBe(1);
      expectSameBits(
        params.x,
        mean.map((m) => -m),
        `after ${calls} calls`,
      );
      expect(params.y[0]).toBe(-1);
    }
    using optimizer = new SGD(core, vector(0), { accumulationSteps: 2 });
    optimizer.step(vector(1));
    const change = (): void => optimizer.setOptions({ accumulation: "running" });
    expectUnchanged(core, change, OptionError, /^accumulationSteps cannot change while 1 of 2/);
    const wrong = { accumulation: "mean" } as never;
    expectUnchanged(core, () => new SGD(core, vector(0), wrong), OptionError, /^accumulation is "mean"/);
  });

  it("calls a schedule once an update, by the count of updates", () => {
    const calls: number[] = [];
    const learningRate = (iteration: number) => {
      calls.push(iteration);
      return 1;
    };
    const optimizer = new SGD(core, vector(0), { accumulationSteps: 2, learningRate });
    for (let i = 0; i < 5; i++) optimizer.step(vector(1));
    expect(calls).toEqual([0, 1]);
  });

  it("state and load in the middle of a cycle: the same bits as without a pause", () => {
    for (const pause of [1, 2, 3, 4, 5]) {
      const [straight, first, second] = [make(3), make(3), make(3)];
      for (let i = 0; i < 9; i++) straight.optimizer.step(gradient(i));
      for (let i = 0; i < pause; i++) first.optimizer.step(gradient(i));
      const saved = first.optimizer.state();
      expect(saved.accumulatedSteps).toBe(pause % 3 || undefined);
      second.optimizer.step(gradient(7)); // its own past is forgotten
      second.params.x.set(first.params.x.data);
      second.params.y.set(first.params.y);
      second.params.z.set(first.params.z);
      second.optimizer.load(saved);
      expect(second.optimizer.state()).toEqual(saved);
      for (let i = pause; i < 9; i++) second.optimizer.step(gradient(i));
      expectSame(second, straight);
      expect(second.optimizer.state()).toEqual(straight.optimizer.state());
    }
  });

  it.each<[string, (state: OptimizerState) => object]>([
    ["state.accumulatedSteps is 3", (state) => ({ ...state, accumulatedSteps: 3 })],
    ["state.accumulatedSteps is -1", (state) => ({ ...state, accumulatedSteps: -1 })],
    ["gradientSum is unknown", ({ accumulatedSteps, ...state }) => state],
    [
      "state.parameters.y.gradientSum is Float32Array(2)",
      (state) => ({
        ...state,
        parameters: { ...state.parameters, y: { ...state.parameters.y, gradientSum: vector(1, 2) } },
      }),
    ],
  ])("load refuses: %s", (message, spoil) => {
    const { optimizer } = make(3);
    optimizer.step(gradient(0));
    const state = optimizer.state();
    expect(() => optimizer.load(spoil(state) as OptimizerState)).toThrow(CheckpointError);
    expect(() => optimizer.load(spoil(state) as OptimizerState)).toThrow(message);
    expect(optimizer.state()).toEqual(state);
    expect(() => make(1).optimizer.load(state)).toThrow("expected an integer >= 0 and < 1, the accumulationSteps");
  });

  it.each(["skip", "throw"] as const)(
    "%s: a mean that is not finite is dropped, and a new cycle begins",
    (onNonFinite) => {
      const [one, other] = [make(2, { onNonFinite }), make(2)];
      one.optimizer.step({ x: randomValues(19, 1).fill(Number.NaN, 7, 8) });
      const last = () => one.optimizer.step({ x: randomValues(19, 2) });
      if (onNonFinite === "throw") expect(last).toThrow(NonFiniteError);
      else last();
      expectSame(one, other);
      expect(one.optimizer.state()).toEqual(other.optimizer.state());
      for (let i = 0; i < 2; i++) {
        one.optimizer.step(gradient(i));
        other.optimizer.step(gradient(i));
      }
      expectSame(one, other);
      expect(one.optimizer.iterations).toBe(1);
    },
  );

  it("a call that is refused changes neither sums nor position", () => {
    const { optimizer } = make(2, { learningRate: (i: number) => (i === 0 ? 1 : -1) });
    optimizer.step(gradient(0));
    const state = optimizer.state();
    expectUnchanged(core, () => optimizer.step({ w: vector(1) }), OptionError, /w is not a parameter/);
    optimizer.step(gradient(1));
    optimizer.step(gradient(2));
    const middle = optimizer.state();
    expect(middle).not.toEqual(state);
    expectUnchanged(core, () => optimizer.step(gradient(3)), OptionError, /learningRate\(1\) is -1/);
    expect(optimizer.state()).toEqual(middle);
  });

  it("what is frozen in the middle of a cycle is not updated, and its sum is dropped", () => {
    const [x, y] = [vector(0), vector(0)];
    const optimizer = new SGD(core, [x, y], { accumulationSteps: 2, learningRate: 1 });
    optimizer.step([vector(-2), vector(-2)]);
    optimizer.freeze("1");
    optimizer.step([vector(-2), vector(-2)]);
    expect([x[0], y[0]]).toEqual([2, 0]);
    optimizer.unfreeze("1");
    for (let i = 0; i < 2; i++) optimizer.step([null, vector(-1)]);
    expect([x[0], y[0]]).toEqual([2, 1]);
  });

  it.each([0, 1.5, -1, "2", null])("refuses %s", (accumulationSteps) => {
    expectUnchanged(
      core,
      () => new SGD(core, vector(1), { accumulationSteps } as object),
      OptionError,
      /^accumulationSteps is .*, expected an integer >= 1/,
    );
    expect(() => new SGD(core, [{ params: vector(1), accumulationSteps }] as never)).toThrow(
      "params[0].accumulationSteps is not an option",
    );
  });
});
