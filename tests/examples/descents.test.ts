import { describe, expect, it } from "vitest";
import * as lossScale from "../../examples/loss-scale.js";
import * as parabola from "../../examples/parabola.js";
import * as rosenbrock from "../../examples/rosenbrock.js";
import * as trajectory from "../../examples/trajectory.js";
import { descend64, largestError } from "./float64.js";

describe("example parabola", () => {
  it("makes the first step that one finds by hand", async () => {
    const { analytic, numeric, squareAverages } = await parabola.run();
    expect(squareAverages.slice(0, 2)).toEqual([0, 10]);
    // 0.1/√10, to 3 units in the last place: v + eps, its root, lr·g and the quotient round once each.
    for (const { trace } of [analytic, numeric])
      expect(Math.abs(trace[1]!.point[0]! - 0.1 / Math.sqrt(10))).toBeLessThan(6e-9);
  });

  it("goes the way of float64, with its gradient and without, and ends at 5", async () => {
    const { analytic, numeric, squareAverages } = await parabola.run();
    const optimizer = { learningRate: 0.01, decay: 0.9 };
    const { points } = descend64(([theta]) => [2 * (theta! - 5)], [0], 700, optimizer);
    const expected = points.map(([theta]) => theta!);
    // θ rounds once a step, by 2⁻²² or less near 5; the descent is stable, so that the errors hardly add up.
    for (const { trace } of [analytic, numeric]) {
      expect(
        largestError(
          trace.map(({ point }) => point[0]!),
          expected,
          1,
        ),
      ).toBeLessThan(1e-6);
    }
    expect(analytic.point[0]).toBe(5);
    const { optimizer: early } = descend64(([theta]) => [2 * (theta! - 5)], [0], 100, optimizer);
    expect(largestError([squareAverages[100]!], early.v, 1)).toBeLessThan(1e-6);
  });
});

describe("example trajectory", () => {
  it("goes the way of float64", async () => {
    const trace = await trajectory.run();
    const { points } = descend64(([x1, x2]) => [0.2 * x1!, 4 * x2!], [-5, -2], 20, {
      learningRate: 0.4,
      decay: 0.9,
      eps: 1e-6,
    });
    // Twenty roundings of a coordinate of at most 5, each at most 2⁻²²; observed are 8e-8.
    expect(
      largestError(
        trace.flatMap(({ point }) => [...point]),
        points.flat(),
        1,
      ),
    ).toBeLessThan(1e-6);
    expect(
      largestError(
        trace.map(({ value }) => value),
        points.map(([x1, x2]) => 0.1 * x1! ** 2 + 2 * x2! ** 2),
        1,
      ),
    ).toBeLessThan(1e-6);
    expect(trace[20]!.value).toBeLessThan(2e-5);
  });
});

describe("example rosenbrock", () => {
  const gradient = ([x, y]: number[]) => [-2 * (1 - x!) - 400 * x! * (y! - x! * x!), 200 * (y! - x! * x!)];
  const f = ([x, y]: ArrayLike<number> & Iterable<number>) => (1 - x!) ** 2 + 100 * (y! - x! * x!) ** 2;
  const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Math.max(Math.abs(a[0]! - b[0]!), Math.abs(a[1]! - b[1]!));

  it("goes the way of float64 into the valley", async () => {
    const { constant, falling } = await rosenbrock.run();
    for (const [trace, learningRate] of [
      [constant, 0.01],
      [falling, (t: number) => 0.01 * 0.999 ** t],
    ] as const) {
      const { points } = descend64(gradient, [-1.2, 1], 50, { learningRate, decay: 0.9 });
      // In the valley the gradient changes its sign with every jump across, and a rounding decides between two sides:
      // from step 60 or so on the paths differ by a jump, in float64 too if its start is moved by one rounding.
      points.forEach((point, i) => {
        expect(distance(trace[i]!.point, point)).toBeLessThan(5e-6);
      });
    }
  });

  it("stays within some jumps of float64 from there on, and its value settles where float64 does", async () => {
    const { constant, falling } = await rosenbrock.run();
    const rate = (t: number) => 0.01 * 0.999 ** t;
    const falling64 = descend64(gradient, [-1.2, 1], 10_000, { learningRate: rate, decay: 0.9 }).points;
    for (let t = 1000; t <= 10_000; t++)
      expect(distance(falling[t]!.point, falling64[t]!)).toBeLessThan(5 * rate(t) + 1e-6);
    expect(f(falling[10_000]!.point)).toBeLessThan(1e-9);
    expect(distance(falling[10_000]!.point, [1, 1])).toBeLessThan(5e-5);

    const constant64 = descend64(gradient, [-1.2, 1], 10_000, { learningRate: 0.01, decay: 0.9 }).points;
    const settled = constant.slice(5000).map(({ value }) => value);
    // Each jump covers one learning rate: all values are alike, and the same whichever side a path is on.
    expect(largestError(settled, constant64.slice(5000).map(f), 0)).toBeLessThan(0.03);
    expect(Math.min(...settled)).toBeGreaterThan(0.02);
  });
});

describe("example loss-scale", () => {
  it("has each path of float64", async () => {
    for (const { c, rmsprop, largeEps, sgd } of await lossScale.run()) {
      for (const [path, eps] of [
        [rmsprop, 0],
        [largeEps, 0.01],
      ] as const) {
        const optimizer = { learningRate: 0.2, decay: 0.9, eps };
        const { points } = descend64(([x1, x2]) => [c * 0.2 * x1!, c * 4 * x2!], [-5, -2], 40, optimizer);
        expect(largestError(path.flat(), points.flat(), 1)).toBeLessThan(1e-6);
      }
      const closedForm = sgd.map((_, t) => [-5 * (1 - 0.1 * c * 0.2) ** t, -2 * (1 - 0.1 * c * 4) ** t]);
      expect(largestError(sgd.flat(), closedForm.flat(), 1)).toBeLessThan(2e-6);
    }
  });

  it("has the same bits for every power of two without eps, and no others", async () => {
    const paths = await lossScale.run();
    const reference = paths.find(({ c }) => c === 1)!;
    expect(paths.map(({ c }) => c)).toEqual([1 / 16, 1, 3, 4]);
    for (const { c, rmsprop, largeEps, sgd } of paths) {
      const same = Number.isInteger(Math.log2(c));
      if (same) expect(rmsprop).toEqual(reference.rmsprop);
      else expect(rmsprop).not.toEqual(reference.rmsprop);
      expect(lossScale.distance(rmsprop, reference.rmsprop)).toBeLessThan(1e-6);
      if (c === 1) continue;
      expect(lossScale.distance(largeEps, reference.largeEps)).toBeGreaterThan(0.01);
      expect(lossScale.distance(sgd, reference.sgd)).toBeGreaterThan(1);
    }
  });
});
