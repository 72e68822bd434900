import { expect, it } from "vitest";
import { ACTIVATION, type Activation } from "../../src/backend/backend.js";
import { activate } from "../../src/backend/js/nn/activation.js";
import { expectSameBits, ulpDistance } from "../helpers/bits.js";
import { conform, describeConformance, type Operands } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];
const U = 2 ** -24;
const names = Object.keys(ACTIVATION) as Activation[];
/** Those that change anything. */
const active = names.filter((name) => name !== "identity");

const FORWARD: Record<Activation, (x: number) => number> = {
  identity: (x) => x,
  relu: (x) => Math.max(x, 0),
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

/** Derivative from the output y. */
const DERIVATIVE: Record<Activation, (y: number) => number> = {
  identity: () => 1,
  relu: (y) => (y > 0 ? 1 : 0),
  tanh: (y) => 1 - y * y,
  sigmoid: (y) => y * (1 - y),
};

/** Random values with every special one among them, if there is room. */
function values(count: number, seed: number): Float32Array {
  const x = randomValues(count, seed, 8);
  if (count > SPECIAL_VALUES.length) x.set(SPECIAL_VALUES, seed % (count - SPECIAL_VALUES.length));
  return x;
}

/** One output array for each activation. */
function outputs(count: number): Operands {
  return Object.fromEntries(names.map((name) => [name, new Float32Array(count).fill(7)]));
}

describeConformance("activation_f32", () => {
  it.each(SIZES)("count %i", (count) => {
    const x = values(count, count + 1);
    const { operands } = conform("forward", { x, ...outputs(count) }, (kernels, ptr) => {
      for (const name of active) kernels.activation_f32(ACTIVATION[name], count, ptr.x!, ptr[name]!);
    });
    expectSameBits(operands.x!, x, "x is only read");
    for (const name of active) {
      const limit = name === "tanh" || name === "sigmoid" ? 2 : 0;
      for (let i = 0; i < count; i++) {
        const y = operands[name]![i]!;
        expect(ulpDistance(y, FORWARD[name](x[i]!)), `${name}(${x[i]}) = ${y}`).toBeLessThanOrEqual(limit);
        expect(activate(ACTIVATION[name], x[i]!)).toBe(y);
      }
    }
  });

  it("works in place", () => {
    const x = values(127, 3);
    const apart = conform("apart", { x, ...outputs(127) }, (kernels, ptr) => {
      for (const name of active) kernels.activation_f32(ACTIVATION[name], 127, ptr.x!, ptr[name]!);
    });
    const same = Object.fromEntries(active.map((name) => [name, x]));
    const inPlace = conform("in place", same, (kernels, ptr) => {
      for (const name of active) kernels.activation_f32(ACTIVATION[name], 127, ptr[name]!, ptr[name]!);
    });
    for (const name of active) expectSameBits(inPlace.operands[name]!, apart.operands[name]!, name);
  });

  it("relu keeps NaN and −0", () => {
    const x = Float32Array.of(Number.NaN, -0, -1, 3, Number.NaN, -0, Number.NEGATIVE_INFINITY, -1, Number.NaN, -0);
    const { operands } = conform("relu", { x }, (kernels, ptr) => {
      kernels.activation_f32(ACTIVATION.relu, x.length, ptr.x!, ptr.x!);
    });
    expect(Array.from(operands.x!)).toEqual([Number.NaN, -0, 0, 3, Number.NaN, -0, 0, 0, Number.NaN, -0]);
  });
});

/** Sizes around the stripes of 16 and 4 columns; the last is too large for a cache, where the sums are a second pass. */
const SHAPES = [
  [0, 5],
  [1, 0],
  [1, 1],
  [3, 1],
  [2, 3],
  [33, 4],
  [7, 5],
  [1, 31],
  [2, 32],
  [9, 33],
  [5, 71],
  [3, 127],
  [521, 131],
] as const;

describeConformance("activation_backward_f32", () => {
  it.each(SHAPES)("%i × %i", (rows, columns) => {
    const count = rows * columns;
    const y = randomValues(count, count + 2);
    const share = y.map(Math.abs); // what sigmoid can give
    const dy = values(count, count + 3);
    const sums = Object.fromEntries(names.map((name) => [`${name}Sums`, new Float32Array(columns).fill(7)]));
    const { operands } = conform("backward", { y, share, dy, ...outputs(count), ...sums }, (kernels, ptr) => {
      for (const name of active) {
        const from = name === "sigmoid" ? ptr.share! : ptr.y!;
        const id = ACTIVATION[name];
        kernels.activation_backward_f32(id, rows, columns, from, ptr.dy!, ptr[name]!, ptr[`${name}Sums`]!);
      }
      kernels.activation_backward_f32(0, rows, columns, 0, ptr.dy!, ptr.dy!, ptr.identitySums!);
    });
    expectSameBits(operands.y!, y, "y is only read");
    expectSameBits(operands.dy!, dy, "dy is only read");
    for (const name of active) {
      // Three roundings of numbers up to 1, and two of subnormal ones.
      const relative = name === "relu" ? 0 : 3 * U;
      for (let i = 0; i < count; i++) {
        const yi = name === "sigmoid" ? share[i]! : y[i]!;
        const expected = name === "relu" && !(yi > 0) ? 0 : dy[i]! * DERIVATIVE[name](yi);
        const dx = operands[name]![i]!;
        const bound = relative === 0 || !Number.isFinite(expected) ? 0 : relative * Math.abs(dy[i]!) + 2 ** -148;
        const close = Object.is(dx, expected) || Math.abs(dx - expected) <= bound;
        if (!close) expect.fail(`${name}: y = ${yi}, dy = ${dy[i]}: ${dx}, not ${expected}`);
      }
    }
    for (const name of names) {
      const dx = name === "identity" ? dy : operands[name]!;
      const expected = new Float32Array(columns);
      for (let i = 0; i < count; i++) expected[i % columns] = expected[i % columns]! + dx[i]!; // the store rounds
      expectSameBits(operands[`${name}Sums`]!, expected, `sums of ${name}`);
    }
  });

  it("relu passes dy where y > 0 alone", () => {
    const y = Float32Array.of(
      0,
      -0,
      Number.NaN,
      2 ** -149,
      -1,
      1,
      Number.POSITIVE_INFINITY,
      -(2 ** -149),
      0,
      Number.NaN,
      1,
    );
    const dx = new Float32Array(y.length).fill(5);
    const { operands } = conform("relu", { y, dx }, (kernels, ptr) => {
      kernels.activation_backward_f32(ACTIVATION.relu, 1, y.length, ptr.y!, ptr.dx!, ptr.dx!, 0);
    });
    expect(Array.from(operands.dx!)).toEqual([0, 0, 0, 5, 0, 5, 5, 0, 0, 0, 5]);
  });

  it.each([
    [1, 1021],
    [13, 79],
    [601, 113],
  ])("takes special outputs, writes over dy or y, and does without sums: %i × %i", (rows, columns) => {
    const count = rows * columns;
    const y = values(count, 5);
    const dy = values(count, 9);
    const run = (what: string, operands: Operands, call: (name: Activation, ptr: Record<string, number>) => number[]) =>
      conform(what, operands, (kernels, ptr) => {
        for (const name of active) {
          const [yPtr, dyPtr, dxPtr, sumsPtr] = call(name, ptr) as [number, number, number, number];
          kernels.activation_backward_f32(ACTIVATION[name], rows, columns, yPtr, dyPtr, dxPtr, sumsPtr);
        }
      }).operands;
    const apart = run("apart", { y, dy, ...outputs(count) }, (name, ptr) => [ptr.y!, ptr.dy!, ptr[name]!, 0]);
    const overDy = run("over dy", { y, ...Object.fromEntries(active.map((name) => [name, dy])) }, (name, ptr) => [
      ptr.y!,
      ptr[name]!,
      ptr[name]!,
      0,
    ]);
    const sums = new Float32Array(columns);
    const overY = run("over y", { dy, sums, ...Object.fromEntries(active.map((name) => [name, y])) }, (name, ptr) => [
      ptr[name]!,
      ptr.dy!,
      ptr[name]!,
      ptr.sums!,
    ]);
    for (const name of active) {
      expectSameBits(overDy[name]!, apart[name]!, `${name} over dy`);
      expectSameBits(overY[name]!, apart[name]!, `${name} over y`);
    }
  });
});

/** The sums alone: identity leaves dy as it is. */
function columnSums(rows: number, columns: number, dy: Float32Array): Float32Array {
  const { operands } = conform(
    `${rows} × ${columns}`,
    { dy, sums: new Float32Array(columns).fill(7) },
    (kernels, ptr) => {
      kernels.activation_backward_f32(ACTIVATION.identity, rows, columns, 0, ptr.dy!, ptr.dy!, ptr.sums!);
    },
  );
  expectSameBits(operands.dy!, dy, "dy is only read");
  return operands.sums as Float32Array;
}

describeConformance("the sums of activation_backward_f32", () => {
  it("are close to sums in float64", () => {
    for (const [rows, columns] of SHAPES) {
      const x = randomValues(rows * columns, rows + columns);
      const sums = columnSums(rows, columns, x);
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        let magnitude = 0;
        for (let i = 0; i < rows; i++) {
          sum += x[i * columns + j]!;
          magnitude += Math.abs(x[i * columns + j]!);
        }
        expect(Math.abs(sums[j]! - sum), `column ${j} of ${rows}`).toBeLessThanOrEqual(rows * U * magnitude);
      }
    }
  });

  it("add small integers exactly", () => {
    for (const columns of [1, 5, 44, 77]) {
      const x = Float32Array.from({ length: 21 * columns }, (_, i) => ((i * 37) % 64) - 20);
      const expected = Array.from({ length: columns }, (_, j) => {
        let sum = 0;
        for (let i = 0; i < 21; i++) sum += x[i * columns + j]!;
        return sum;
      });
      expect(Array.from(columnSums(21, columns, x))).toEqual(expected);
    }
  });

  it("add the rows one by one, in ascending order", () => {
    for (const columns of [1, 4, 9, 32, 47]) {
      // 2²⁴ + 1 rounds to 2²⁴: in this order every 1 is lost, in any other or in pairs some are not.
      const descending = new Float32Array(6 * columns).fill(1).fill(2 ** 24, 0, columns);
      expect(new Set(columnSums(6, columns, descending))).toEqual(new Set([2 ** 24]));
      const ascending = new Float32Array(6 * columns).fill(1).fill(2 ** 24, 5 * columns);
      expect(new Set(columnSums(6, columns, ascending))).toEqual(new Set([2 ** 24 + 4])); // 2²⁴ + 5, to even
    }
  });

  it("start at +0", () => {
    expect(Array.from(columnSums(2, 9, new Float32Array(18).fill(-0)))).toEqual(new Array(9).fill(0));
    expect(Array.from(columnSums(0, 9, new Float32Array(0)))).toEqual(new Array(9).fill(0));
  });

  it("take special values", () => {
    const x = randomValues(9 * 50, 5);
    x.set(SPECIAL_VALUES, 20);
    x.set(SPECIAL_VALUES, 233);
    const sums = columnSums(9, 50, x);
    expect(sums[20]).toBeNaN();
    expect(sums[21]).toBe(Number.POSITIVE_INFINITY);
  });
});
