import { describe, expect, it } from "vitest";
import { createCoreSync } from "../../src/entry/inline.js";
import { OptionError, ShapeError } from "../../src/errors.js";
import { type MinimizeOptions, minimize } from "../../src/optim/minimize.js";
import { RMSProp } from "../../src/optim/rmsprop.js";
import { SGD } from "../../src/optim/sgd.js";
import { makeCore } from "../helpers/cores.js";

const core = createCoreSync();
const rmsprop = (point: Float32Array) => new RMSProp(core, point, { learningRate: 0.05 });
const parabola = (x: Float64Array) => (x[0]! - 5) ** 2 + 2 * (x[1]! + 1) ** 2;
const slope = (x: Float64Array) => [2 * (x[0]! - 5), 4 * (x[1]! + 1)];

describe("minimize", () => {
  it("walks downhill and returns point, value and trace", () => {
    const seen: number[] = [];
    const { point, value, trace } = minimize(parabola, [0, 0], {
      optimizer: rmsprop,
      gradient: slope,
      iterations: 300,
      onStep: (step) => seen.push(step.iteration),
    });
    expect(point[0]).toBeCloseTo(5, 1);
    expect(point[1]).toBeCloseTo(-1, 1);
    expect(value).toBe(parabola(Float64Array.from(point)));
    expect(trace.length).toBe(301);
    expect(trace[0]).toEqual({ iteration: 0, point: new Float32Array(2), value: 27 });
    expect(trace.at(-1)).toEqual({ iteration: 300, point, value });
    expect(trace[1]!.value).toBeLessThan(27);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  });

  it("takes the steps that the optimizer would take by hand", () => {
    const { trace } = minimize(parabola, [0, 0], { optimizer: rmsprop, gradient: slope, iterations: 10 });
    const x = new Float32Array(2);
    const optimizer = rmsprop(x);
    for (let i = 1; i <= 10; i++) {
      optimizer.step(Float32Array.from(slope(Float64Array.from(x))));
      expect(trace[i]!.point).toEqual(x);
    }
  });

  it("differentiates numerically, to more digits than float32 has", () => {
    const f = (x: Float64Array) => Math.exp(x[0]!) * Math.sin(x[1]!) + x[2]! ** 3 / 1e9;
    const start = [0.5, 1.25, 1000];
    const exact = [Math.exp(0.5) * Math.sin(1.25), Math.exp(0.5) * Math.cos(1.25), 0.003];
    const { point } = minimize(f, start, { optimizer: (p) => new SGD(core, p, { learningRate: 1 }), iterations: 1 });
    for (const [i, derivative] of exact.entries()) {
      expect(Math.abs(start[i]! - derivative - point[i]!)).toBeLessThanOrEqual(
        Math.abs(start[i]!) * 2 ** -24 + Math.abs(derivative) * 6e-8,
      );
    }
  });

  it("minimizes Rosenbrock's valley", () => {
    const f = (x: Float64Array) => (1 - x[0]!) ** 2 + 100 * (x[1]! - x[0]! ** 2) ** 2;
    const { value } = minimize(f, [-1.2, 1], {
      optimizer: (p) => new RMSProp(core, p, { learningRate: (i) => 0.01 / (1 + i / 1000) }),
      iterations: 5000,
    });
    expect(value).toBeLessThan(1e-3);
  });

  it("stops when onStep returns false, and only then", () => {
    const run = (answer: unknown) =>
      minimize(parabola, [0, 0], {
        optimizer: rmsprop,
        iterations: 9,
        onStep: ({ iteration }) => (iteration === 4 ? answer : true),
      });
    expect(run(false).trace.length).toBe(5);
    expect(run(undefined).trace.length).toBe(10);
    expect(run(0).trace.length).toBe(10);
  });

  it("makes no step for 0 iterations, and sees any kind of numbers", () => {
    expect(minimize(parabola, new Float64Array([1, 2]), { optimizer: rmsprop, iterations: 0 })).toEqual({
      point: new Float32Array([1, 2]),
      value: 34,
      trace: [{ iteration: 0, point: new Float32Array([1, 2]), value: 34 }],
    });
    expect(minimize(() => Number.NaN, [], { optimizer: rmsprop, iterations: 2 }).value).toBeNaN();
  });

  it("disposes of the optimizer that it had made, whatever happens", () => {
    const before = core.memory.bytesInUse;
    minimize(parabola, [0, 0], { optimizer: rmsprop, iterations: 3 });
    const fail = () => {
      throw new Error("mine");
    };
    expect(() => minimize(fail, [0, 0], { optimizer: rmsprop, iterations: 3 })).toThrow("mine");
    expect(() => minimize(parabola, [0, 0], { optimizer: rmsprop, iterations: 3, onStep: fail })).toThrow("mine");
    expect(core.memory.bytesInUse).toBe(before);
  });

  it("changes nothing if f refuses x0", () => {
    const core = makeCore("js");
    const parameter = core.tensor([1], [7]);
    const f = () => {
      throw new Error("refused");
    };
    expect(() => minimize(f, [1], { optimizer: new RMSProp(core, parameter), iterations: 3 })).toThrow("refused");
    expect(parameter.toArray()).toEqual([7]);
  });

  it("moves an optimizer that exists to x0, and leaves it alive", () => {
    const wrap: ((x: Float32Array) => unknown)[] = [
      (x) => x,
      (x) => [x],
      (x) => ({ w: x }),
      (x) => [{ params: { w: x } }],
      (x) => core.tensor([2], x),
    ];
    for (const structure of wrap) {
      const x = new Float32Array([9, 9]);
      const optimizer = new RMSProp(core, structure(x) as Float32Array, { learningRate: 0.05 });
      const { point, trace } = minimize(parabola, [0, 0], { optimizer, gradient: slope, iterations: 4 });
      expect(trace[0]!.value).toBe(27);
      expect(point).toEqual(minimize(parabola, [0, 0], { optimizer: rmsprop, gradient: slope, iterations: 4 }).point);
      expect(optimizer.iterations).toBe(4);
      optimizer.dispose();
    }
  });

  it.each<[string, unknown[]]>([
    ["f is 5, expected a function", [5, [0], { optimizer: rmsprop, iterations: 1 }]],
    ["x0 is 5, expected an array", [parabola, 5, { optimizer: rmsprop, iterations: 1 }]],
    ['x0[1] is "1"', [parabola, [0, "1"], { optimizer: rmsprop, iterations: 1 }]],
    ["options is undefined", [parabola, [0, 0], undefined]],
    ["options.steps is not an option", [parabola, [0, 0], { optimizer: rmsprop, steps: 1 }]],
    ["iterations is -1", [parabola, [0, 0], { optimizer: rmsprop, iterations: -1 }]],
    ["iterations is undefined", [parabola, [0, 0], { optimizer: rmsprop }]],
    ["iterations is 1.5", [parabola, [0, 0], { optimizer: rmsprop, iterations: 1.5 }]],
    ["optimizer is undefined", [parabola, [0, 0], { iterations: 1 }]],
    ["optimizer returned 3", [parabola, [0, 0], { optimizer: () => 3, iterations: 1 }]],
    ["gradient is 1", [parabola, [0, 0], { optimizer: rmsprop, gradient: 1, iterations: 1 }]],
    ["onStep is 1", [parabola, [0, 0], { optimizer: rmsprop, onStep: 1, iterations: 1 }]],
    ["f returned undefined, expected a number", [() => undefined, [0, 0], { optimizer: rmsprop, iterations: 1 }]],
    [
      "gradient returned 1, expected an array",
      [parabola, [0, 0], { optimizer: rmsprop, gradient: () => 1, iterations: 1 }],
    ],
    [
      "optimizer has 2 parameters",
      [parabola, [0, 0], { optimizer: new SGD(core, [new Float32Array(2), new Float32Array(2)]), iterations: 1 }],
    ],
  ])("refuses: %s", (message, args) => {
    const call = () => minimize(...(args as [typeof parabola, number[], MinimizeOptions]));
    expect(call).toThrow(OptionError);
    expect(call).toThrow(message);
  });

  it("refuses lengths that differ", () => {
    const call = (gradient: () => number[]) => () =>
      minimize(parabola, [0, 0], { optimizer: rmsprop, gradient, iterations: 1 });
    expect(call(() => [1])).toThrow(ShapeError);
    expect(call(() => [1])).toThrow("gradient returned 1 numbers, expected 2");
    const optimizer = new SGD(core, new Float32Array(3));
    expect(() => minimize(parabola, [0, 0], { optimizer, iterations: 1 })).toThrow(
      "a parameter of 3 elements, expected 2",
    );
  });
});

describe("a gradient that fails", () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      "throws",
      () => {
        throw new Error("no slope here");
      },
      /no slope here/,
    ],
    ["returns strings", () => ["1"], /gradient\(x\)\[0\] is "1", expected a number/],
    ["has another length", () => [1, 2], /gradient returned 2 numbers, expected 1/],
  ])("leaves the parameter where it was when it %s", (_, gradient, message) => {
    const core = createCoreSync();
    const x = core.tensor([1], [7]);
    const optimizer = new SGD(core, x);
    const options = { optimizer, iterations: 1, gradient: gradient as () => number[] };
    expect(() => minimize(([a]) => a!, [3], options)).toThrow(message);
    expect(x.toArray()).toEqual([7]);
    core.dispose();
  });
});
