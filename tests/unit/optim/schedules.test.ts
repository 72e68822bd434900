import { describe, expect, it } from "vitest";
import {
  CheckpointError,
  constantSchedule,
  cosineDecay,
  cosineRestarts,
  exponentialDecay,
  joinSchedules,
  linearSchedule,
  OptionError,
  oneCycle,
  reduceOnPlateau,
  type Schedule,
  SGD,
  scaleSchedule,
  stepDecay,
  warmup,
} from "../../../src/index.js";
import { cosPi } from "../../../src/optim/schedules/curves.js";
import { makeCore } from "../../helpers/cores.js";

const valuesOf = (schedule: Schedule, count: number) => Array.from({ length: count }, (_, t) => schedule(t));

/** The values that PyTorch's documentation defines, computed here with the engine's own functions. */
function expectValues(schedule: Schedule, count: number, expected: (t: number) => number): void {
  for (const [t, value] of valuesOf(schedule, count).entries()) {
    const error = Math.abs(value - expected(t));
    expect(error, `iteration ${t}: ${value}`).toBeLessThanOrEqual(1e-15 + 1e-14 * Math.abs(expected(t)));
  }
}

const halfCosine = (from: number, to: number, x: number) => to + ((from - to) * (1 + Math.cos(Math.PI * x))) / 2;

describe("schedules", () => {
  it("cosPi is a cosine to 5e-16, and exact where it can be", () => {
    for (let i = 0; i <= 100_000; i++) {
      const x = i / 100_000;
      expect(Math.abs(cosPi(x) - Math.cos(Math.PI * x))).toBeLessThanOrEqual(5e-16);
    }
    expect([0, 0.5, 1].map(cosPi).map((x) => x + 0)).toEqual([1, 0, -1]);
  });

  it("constantSchedule", () => expect(valuesOf(constantSchedule(0.3), 3)).toEqual([0.3, 0.3, 0.3]));

  it("stepDecay: StepLR and MultiStepLR", () => {
    expectValues(stepDecay(0.05, 30), 200, (t) => 0.05 * 0.1 ** Math.floor(t / 30));
    expectValues(stepDecay(0.05, [30, 80], 0.5), 200, (t) => 0.05 * (t < 30 ? 1 : t < 80 ? 0.5 : 0.25));
    expect(valuesOf(stepDecay(8, 1, 0.5), 4)).toEqual([8, 4, 2, 1]);
    expect(valuesOf(stepDecay(8, [], 0.5), 2)).toEqual([8, 8]);
    expect(valuesOf(stepDecay(8, [0, 1], 0.5), 3)).toEqual([4, 2, 2]);
    const milestones = [1];
    const schedule = stepDecay(8, milestones, 0.5);
    milestones[0] = 0;
    expect(schedule(0)).toBe(8);
  });

  it("exponentialDecay: ExponentialLR", () => {
    expectValues(exponentialDecay(0.1, 0.97), 500, (t) => 0.1 * 0.97 ** t);
    expect(valuesOf(exponentialDecay(8, 0.5, 2), 5)).toEqual([8, 4, 2, 2, 2]);
    expect(valuesOf(exponentialDecay(8, 0), 3)).toEqual([8, 0, 0]);
  });

  it("linearSchedule", () => {
    expect(valuesOf(linearSchedule(1, 0, 4), 6)).toEqual([1, 0.75, 0.5, 0.25, 0, 0]);
    expect(valuesOf(linearSchedule(0.1, 0.7, 1), 2)).toEqual([0.1, 0.7]);
  });

  it("cosineDecay: CosineAnnealingLR down to the floor, and no further", () => {
    expectValues(cosineDecay(0.1, 50, 0.001), 51, (t) => halfCosine(0.1, 0.001, t / 50));
    expect([50, 51, 1000].map(cosineDecay(0.1, 50, 0.001))).toEqual([0.001, 0.001, 0.001]);
    expect(valuesOf(cosineDecay(2, 2), 3)).toEqual([2, 1, 0]);
  });

  it("cosineRestarts: CosineAnnealingWarmRestarts", () => {
    expectValues(cosineRestarts(0.1, 10, 1, 0.01), 35, (t) => halfCosine(0.1, 0.01, (t % 10) / 10));
    expectValues(cosineRestarts(0.1, 5, 2), 75, (t) => {
      // n = ⌊log2(t/T0 + 1)⌋ cycles are over
      const n = Math.floor(Math.log2(t / 5 + 1));
      return halfCosine(0.1, 0, (t - 5 * (2 ** n - 1)) / (5 * 2 ** n));
    });
  });

  it("warmup and scaleSchedule multiply", () => {
    expect(valuesOf(warmup(1, 4), 6)).toEqual([0, 0.25, 0.5, 0.75, 1, 1]);
    // LinearLR(start_factor=1/3, total_iters=5)
    expectValues(warmup(0.05, 5, 1 / 3), 9, (t) => 0.05 * (1 / 3 + ((1 - 1 / 3) * Math.min(t, 5)) / 5));
    expect(valuesOf(warmup(stepDecay(8, 2, 0.5), 2), 5)).toEqual([0, 4, 4, 4, 2]);
    expect(valuesOf(scaleSchedule(stepDecay(8, 1, 0.5), 3), 3)).toEqual([24, 12, 6]);
    expect(valuesOf(scaleSchedule(2, constantSchedule(3)), 1)).toEqual([6]);
  });

  it("joinSchedules: each counts from its own start", () => {
    const joined = joinSchedules([linearSchedule(0, 1, 2), stepDecay(8, 1, 0.5), 5], [2, 5]);
    expect(valuesOf(joined, 8)).toEqual([0, 0.5, 8, 4, 2, 5, 5, 5]);
    expect(valuesOf(joinSchedules([3], []), 2)).toEqual([3, 3]);
  });

  it.each(["cosine", "linear"] as const)("oneCycle: OneCycleLR, %s", (anneal) => {
    const along = (from: number, to: number, x: number) =>
      anneal === "cosine" ? halfCosine(from, to, x) : from + (to - from) * x;
    for (const [steps, pctStart, divFactor, finalDivFactor] of [
      [100, 0.3, 25, 1e4],
      [57, 0.45, 10, 100],
      [10, 0, 25, 1e4],
    ] as const) {
      const top = pctStart * steps - 1;
      const [low, last] = [1 / divFactor, 1 / divFactor / finalDivFactor];
      expectValues(oneCycle(1, steps, { pctStart, divFactor, finalDivFactor, anneal }), steps, (t) =>
        t <= top ? along(low, 1, t / top) : along(1, last, (t - top) / (steps - 1 - top)),
      );
    }
    expectValues(oneCycle(0.1, 100), 1, () => 0.004);
    expect(oneCycle(0.1, 100, { anneal })(29)).toBe(0.1);
    expect([99, 100, 1e6].map(oneCycle(1, 100, { anneal }))).toEqual(new Array(3).fill(1 / 25 / 1e4));
    expect(valuesOf(oneCycle(1, 5, { pctStart: 1, divFactor: 4, anneal: "linear" }), 5).at(-1)).toBe(1);
    expect(oneCycle(1, 1)(0)).toBe(1 / 25 / 1e4);
    expect(oneCycle(1, 10, { pctStart: 0.1 })(0)).toBe(1);
  });

  it("are pure: any order, any number of calls", () => {
    const all = [
      stepDecay(1, 3),
      exponentialDecay(1, 0.9),
      cosineRestarts(1, 3, 2),
      warmup(oneCycle(1, 20), 5),
      joinSchedules([1, cosineDecay(1, 9)], [4]),
    ];
    for (const schedule of all) {
      const once = valuesOf(schedule, 20);
      for (const t of [19, 3, 3, 0, 11]) expect(schedule(t)).toBe(once[t]);
      expect(valuesOf(schedule, 20)).toEqual(once);
    }
  });

  describe("reduceOnPlateau", () => {
    /** ReduceLROnPlateau of PyTorch, mode "min", as its documentation describes it. */
    function pytorch(losses: number[], o: Record<string, number>, relative: boolean): number[] {
      let [rate, best, bad, resting] = [1, Number.POSITIVE_INFINITY, 0, 0];
      return losses.map((loss) => {
        if (relative ? loss < best * (1 - o.threshold!) : loss < best - o.threshold!) [best, bad] = [loss, 0];
        else bad++;
        if (resting > 0) [resting, bad] = [resting - 1, 0];
        if (bad > o.patience!) [rate, resting, bad] = [Math.max(rate * o.factor!, o.minimum!), o.cooldown!, 0];
        return rate;
      });
    }

    const losses = Array.from({ length: 60 }, (_, i) => 2 + 3 / (i + 1) + ((i * 7) % 5) / 10);
    losses[20] = Number.NaN;
    losses[21] = Number.POSITIVE_INFINITY;

    it.each([
      [{ factor: 0.5, patience: 2, threshold: 1e-4, cooldown: 0, minimum: 0 }, "relative"],
      [{ factor: 0.5, patience: 0, threshold: 0.05, cooldown: 3, minimum: 0.01 }, "relative"],
      [{ factor: 0.1, patience: 3, threshold: 0.2, cooldown: 1, minimum: 0 }, "absolute"],
    ] as const)("%o %s", (options, thresholdMode) => {
      const schedule = reduceOnPlateau(1, { ...options, thresholdMode });
      const resumed: number[] = [];
      let other = reduceOnPlateau(1, { ...options, thresholdMode });
      const rates = losses.map((loss, i) => {
        schedule.report(loss);
        other.report(loss);
        const saved = JSON.parse(JSON.stringify(other.state()));
        other = reduceOnPlateau(7, { ...options, thresholdMode });
        other.load(saved);
        resumed.push(other(i));
        return schedule(i);
      });
      expect(rates).toEqual(pytorch(losses, options, thresholdMode === "relative"));
      expect(resumed).toEqual(rates);
      expect(new Set(rates).size).toBeGreaterThan(2);
    });

    it.each([
      ["min", -1, -0.95],
      ["max", 1, 0.95],
      ["max", -1, -1.05],
      ["min", 1, 1.05],
      ["min", 0, 0],
      ["max", 0, 0],
    ] as const)("%s of %d: what is as good or worse is no improvement, on both sides of 0", (mode, best, worse) => {
      const schedule = reduceOnPlateau(1, { mode, patience: 2, factor: 0.5 });
      for (const value of [best, best, worse, worse]) schedule.report(value);
      expect(schedule(0)).toBe(0.5);
      expect(schedule.state().best).toBe(best);
      const better = mode === "min" ? best - 0.01 : best + 0.01;
      schedule.report(better);
      expect(schedule.state()).toEqual({ value: 0.5, best: better, waited: 0, cooldown: 0 });
    });

    it("a value of -0.00005 from the best is within the relative threshold below 0 too", () => {
      const schedule = reduceOnPlateau(1, { patience: 0 });
      schedule.report(-1);
      schedule.report(-1.00005);
      expect(schedule(0)).toBe(0.1);
    });

    it("takes the first value for an improvement, whatever the threshold", () => {
      for (const mode of ["min", "max"] as const) {
        for (const threshold of [0.5, 1, 1.5]) {
          const schedule = reduceOnPlateau(1, { mode, threshold, patience: 1 });
          const rates = [1, 1, 1].map((value) => {
            schedule.report(value);
            return schedule(0);
          });
          expect(rates, `${mode} ${threshold}`).toEqual([1, 1, 0.1]);
        }
      }
    });

    it("has PyTorch's defaults, and a state that is a copy", () => {
      const schedule = reduceOnPlateau(1);
      expect(schedule.state()).toEqual({ value: 1, waited: 0, cooldown: 0 });
      for (let i = 0; i < 12; i++) {
        expect(schedule(0)).toBe(1);
        schedule.report(1);
      }
      expect(schedule(0)).toBe(0.1);
      schedule.state().value = 5;
      expect(schedule(0)).toBe(0.1);
      expect(reduceOnPlateau(0.1, { minimum: 0.5 })(0)).toBe(0.1);
    });

    it("refuses what is no loss and what is no state", () => {
      const schedule = reduceOnPlateau(1);
      schedule.report(3);
      const before = schedule.state();
      for (const bad of [null, undefined, "1", {}]) expect(() => schedule.report(bad as never)).toThrow(OptionError);
      const wrong = [{ value: "1" }, { waited: -1 }, { best: "x" }, { best: null }, { best: Number.NaN }];
      for (const bad of [null, 5, {}, ...wrong.map((change) => ({ ...before, ...change }))]) {
        expect(() => schedule.load(bad as never)).toThrow(CheckpointError);
      }
      expect(schedule.state()).toEqual(before);
    });

    it("drives an optimizer", () => {
      const w = new Float32Array([0]);
      const schedule = reduceOnPlateau(1, { patience: 0, factor: 0.5 });
      const optimizer = new SGD(makeCore("js"), w, { learningRate: schedule });
      for (let i = 0; i < 3; i++) {
        optimizer.step(new Float32Array([-1]));
        schedule.report(1);
      }
      expect(w[0]).toBe(1 + 1 + 0.5);
    });
  });

  it.each<[string, () => unknown]>([
    ["value is -1", () => constantSchedule(-1)],
    ["value is NaN", () => cosineDecay(Number.NaN, 5)],
    ["every is 0, expected an integer >= 1", () => stepDecay(1, 0)],
    ['every is "3"', () => stepDecay(1, "3" as never)],
    ["every[1] is 3, expected an integer >= 4", () => stepDecay(1, [3, 3])],
    ["every[0] is -1", () => stepDecay(1, [-1])],
    ["factor is -1", () => stepDecay(1, 2, -1)],
    ["factor is undefined", () => exponentialDecay(1, undefined as never)],
    ["floor is Infinity", () => exponentialDecay(1, 0.5, Number.POSITIVE_INFINITY)],
    ["to is null", () => linearSchedule(1, null as never, 3)],
    ["steps is 2.5", () => linearSchedule(1, 0, 2.5)],
    ["steps is 0", () => cosineDecay(1, 0)],
    ["multiplier is 0.5", () => cosineRestarts(1, 5, 0.5)],
    ["start is 2", () => warmup(1, 5, 2)],
    ["schedule is -1", () => warmup(-1, 5)],
    ["factor is null", () => scaleSchedule(1, null as never)],
    ["schedules is Array(0)", () => joinSchedules([], [])],
    ["schedules[1] is NaN", () => joinSchedules([1, Number.NaN], [3])],
    ["boundaries is 3", () => joinSchedules([1, 2], 3 as never)],
    ["boundaries[0] is 0", () => joinSchedules([1, 2], [0])],
    ["boundaries has 1 entries, expected 2", () => joinSchedules([1, 2, 3], [4])],
    ["peak is -1", () => oneCycle(-1, 5)],
    ["pctStart is 2", () => oneCycle(1, 5, { pctStart: 2 })],
    ["divFactor is 0", () => oneCycle(1, 5, { divFactor: 0 })],
    ["finalDivFactor is NaN", () => oneCycle(1, 5, { finalDivFactor: Number.NaN })],
    ['anneal is "cos"', () => oneCycle(1, 5, { anneal: "cos" as never })],
    ["options.div is not an option", () => oneCycle(1, 5, { div: 3 } as never)],
    ["patience is 1.5", () => reduceOnPlateau(1, { patience: 1.5 })],
    ['mode is "least"', () => reduceOnPlateau(1, { mode: "least" as never })],
    ["factor is 2", () => reduceOnPlateau(1, { factor: 2 })],
    ["threshold is -1", () => reduceOnPlateau(1, { threshold: -1 })],
    ['thresholdMode is "rel"', () => reduceOnPlateau(1, { thresholdMode: "rel" as never })],
    ["cooldown is -1", () => reduceOnPlateau(1, { cooldown: -1 })],
    ["minimum is NaN", () => reduceOnPlateau(1, { minimum: Number.NaN })],
  ])("refuses: %s", (message, make) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });
});

describe("schedules around one that remembers", () => {
  it("are saved and restored with it", () => {
    const core = makeCore("js");
    const make = () => {
      const plateau = reduceOnPlateau(1, { patience: 0, factor: 0.5 });
      const learningRate = warmup(joinSchedules([0.1, scaleSchedule(plateau, 2)], [2]), 4);
      const w = Float32Array.of(1);
      return { plateau, w, optimizer: new SGD(core, w, { learningRate }) };
    };
    const one = make();
    for (let i = 0; i < 6; i++) {
      one.optimizer.step(Float32Array.of(1));
      one.plateau.report(1);
    }
    const two = make();
    two.w.set(one.w);
    two.optimizer.load(one.optimizer.state());
    expect(two.optimizer.learningRate).toBe(one.optimizer.learningRate);
    expect(one.optimizer.learningRate).toBeLessThan(0.2);
    const state = one.optimizer.state();
    const broken = structuredClone(state) as { options: { learningRate: { schedule: unknown[] } } };
    broken.options.learningRate.schedule = [];
    expect(() => two.optimizer.load(broken as never)).toThrow(/expected an array of 2 states of schedules/);
    expect(two.optimizer.learningRate).toBe(one.optimizer.learningRate);
  });
});
