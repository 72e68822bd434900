import { describe, expect, it } from "vitest";
import {
  clampParameters,
  clipGradientBlocks,
  clipGradientNorm,
  clipGradientsAdaptively,
  clipGradientValues,
  DisposedError,
  denseRows,
  OptionError,
  overwriteWithAverages,
  RMSProp,
  SGD,
  ShapeError,
  scaleGradients,
  unscaleGradients,
} from "../../../src/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { backends, makeCore } from "../../helpers/cores.js";
import { randomValues } from "../../helpers/random.js";

// That they do what the frameworks do: tests/golden/lanewise.test.ts.

describe.each(backends)("gradient functions on %s", (backend) => {
  const core = makeCore(backend);
  const vector = (...values: number[]) => new Float32Array(values);

  it("take every structure, and pass over what is missing", () => {
    const [a, b, c] = [core.tensor([2], [2, -4]), vector(8), vector(-2, 6)];
    scaleGradients({ a, b, none: null }, 0.5);
    scaleGradients([{ params: [c] }, { params: { a } }], 0.5);
    scaleGradients(b, -1);
    scaleGradients(null, 3);
    expect([...a.data, ...b, ...c]).toEqual([0.5, -1, -4, -1, 3]);
    clipGradientValues([a, undefined, c], 0.75);
    expect([...a.data, ...c]).toEqual([0.5, -0.75, -0.75, 0.75]);
    const nan = vector(Number.NaN, Number.NEGATIVE_INFINITY);
    clipGradientValues(nan, 1);
    expect([...nan]).toEqual([Number.NaN, -1]);
    clampParameters({ b }, 0.5);
    expect(b[0]).toBe(-0.5);
  });

  it("unscaleGradients divides, where scaleGradients multiplies by the reciprocal", () => {
    const [divided, multiplied] = [vector(9, -7, 0), vector(9, -7, 0)];
    unscaleGradients({ divided, none: null }, 10);
    scaleGradients(multiplied, 1 / 10);
    expect([...divided]).toEqual([Math.fround(0.9), Math.fround(-0.7), 0]);
    expect(divided).not.toEqual(multiplied);
    expect(() => unscaleGradients(divided, 0)).toThrow(OptionError);
  });

  it("clipGradientNorm returns the norm, and has the bits of the option globalClipNorm", () => {
    expect(clipGradientNorm({ a: vector(3), b: core.tensor([1], [4]) }, 100)).toBe(5);
    for (const dialect of ["pytorch", "optax"] as const) {
      const [x, y] = [randomValues(33, 1), randomValues(33, 1)];
      using byOption = new RMSProp(core, { x, z: randomValues(5, 2) }, { dialect, globalClipNorm: 0.5 });
      using byFunction = new RMSProp(core, { y, z: randomValues(5, 2) }, { dialect });
      for (let step = 0; step < 3; step++) {
        const [gradient, other] = [randomValues(33, 3 + step), randomValues(5, 9 + step)];
        byOption.step({ x: gradient, z: other });
        const grads = { y: gradient.slice(), z: other.slice() };
        expect(clipGradientNorm(grads, 0.5, { dialect })).toBeGreaterThan(0.5);
        byFunction.step(grads);
      }
      expectSameBits(x, y, dialect);
    }
  });

  it("clipGradientBlocks brings the root mean square down to the threshold", () => {
    const [large, small] = [vector(6, -8, 0, 0), vector(0.5, 0.5)];
    clipGradientBlocks({ large, small, empty: vector() }, 1);
    expectSameBits(
      large,
      vector(6, -8, 0, 0).map((x) => Math.fround(x * Math.fround(1 / 5))),
      "large",
    );
    expect([...small]).toEqual([0.5, 0.5]);
  });

  it("clipGradientsAdaptively goes by columns of a matrix and by whole vectors", () => {
    const weights = core.tensor([2, 2], [3, 0, 4, 0]);
    const gradient = core.tensor([2, 2], [6, 3, 8, 4]);
    const bias = vector(6, 8);
    clipGradientsAdaptively({ weights: gradient, bias }, { weights, bias: vector(0, 4) }, 0.5, 0.5);
    // Columns: ‖w‖ is 5 and 0, so at most 2.5 and 0.25; ‖g‖ is 10 and 5.
    const column = Math.fround(0.25 / 5);
    expect([...gradient.data]).toEqual([1.5, Math.fround(3 * column), 2, Math.fround(4 * column)]);
    expect([...bias]).toEqual([6, 8].map((x) => Math.fround(x * Math.fround(2 / 10))));
  });

  it("overwriteWithAverages gives parameters their averages, in every structure", () => {
    const [a, b, c] = [core.tensor([3], [1, 2, 3]), vector(4), vector(5, 6)];
    using optimizer = new SGD(core, { a, b }, { emaDecay: 0.5, learningRate: 1 });
    optimizer.add({ c });
    for (let step = 0; step < 2; step++) optimizer.step({ a: vector(1, 1, 1), b: vector(2), c: vector(4, 4) });
    overwriteWithAverages(optimizer);
    expect([...a.data, ...b, ...c]).toEqual([-0.5, 0.5, 1.5, 1, -1, 0]);
    optimizer.step({ b: vector(0) }); // takes steps again
  });

  it("denseRows is the gradient of all rows, repeated ones added, and so its step is the dense rule", () => {
    const out = core.tensor([3, 2], [9, 9, 9, 9, 9, 9]);
    expect(denseRows(out, [2, 0, 2], vector(1, 2, 3, 4, 5, 6))).toBe(out);
    expect(out.toArray()).toEqual([
      [3, 4],
      [0, 0],
      [6, 8],
    ]);
    const [dense, sparse] = [core.tensor([3, 2]), core.tensor([3, 2])];
    using byDense = new RMSProp(core, { dense }, { momentum: 0.5, learningRate: 1 });
    using bySparse = new RMSProp(core, { sparse }, { momentum: 0.5, learningRate: 1 });
    for (const row of [1, 2]) {
      byDense.step({ dense: denseRows(out, [row], vector(1, 1)) });
      bySparse.stepRows("sparse", [row], vector(1, 1));
    }
    // The momentum of row 1 goes on in the dense rule, and stops in the sparse one.
    expect(dense.data[2]).toBeLessThan(sparse.data[2]!);
    expect(byDense.state().parameters.dense!.squareAverage![2]).toBeLessThan(
      bySparse.state().parameters.sparse!.squareAverage![2]!,
    );
  });

  it("refuse what is wrong, and change nothing", () => {
    const gradient = vector(1, 2);
    const gone = core.tensor([2]);
    gone.dispose();
    const table = core.tensor([2, 2], [1, 2, 3, 4]);
    const faults: [() => void, new (message: string) => Error, string][] = [
      [() => scaleGradients(gradient, Number.NaN), OptionError, "factor is NaN"],
      [() => scaleGradients({ g: [1] } as never, 2), OptionError, "grads.g is Array(1)"],
      [() => scaleGradients({ g: gone }, 2), DisposedError, "grads.g"],
      [() => clipGradientValues(gradient, 0), OptionError, "bound is 0"],
      [() => clipGradientNorm(gradient, -1), OptionError, "bound is -1"],
      [() => clipGradientNorm(gradient, 1, { dialect: "keras3" } as never), OptionError, 'dialect is "keras3"'],
      [() => clipGradientBlocks(gradient, Number.NaN), OptionError, "threshold is NaN"],
      [() => clipGradientsAdaptively({ g: gradient }, { h: gradient }, 1), OptionError, "grads.g has no parameter"],
      [() => clipGradientsAdaptively([gradient], [vector(1)], 1), ShapeError, "grads[0] has 2 elements, expected 1"],
      [() => clampParameters(gradient, -1), OptionError, "bound is -1"],
      [() => denseRows(gradient as never, [0], gradient), OptionError, "out is Float32Array(2)"],
      [() => denseRows(table, [0, 2], vector(1, 2, 3, 4)), OptionError, "rowIndices[1] is 2"],
      [() => denseRows(table, [0], vector(1, 2, 3, 4)), ShapeError, "grads has 4 elements, expected 2"],
      [() => denseRows(table, [0], [1, 2] as never), OptionError, "grads is Array(2)"],
    ];
    for (const [run, kind, message] of faults) {
      expect(run, message).toThrow(kind);
      expect(run).toThrow(message);
    }
    expect([...gradient, ...table.data]).toEqual([1, 2, 1, 2, 3, 4]);
  });
});
