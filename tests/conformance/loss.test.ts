import { expect, it } from "vitest";
import { expectSameBits, ulpDistance } from "../helpers/bits.js";
import { type AllKernels, conform, describeConformance } from "../helpers/conformance.js";
import { randomSource, randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];
const U = 2 ** -24;
const NONE = 0;

/** What float64 says of one element, and how far float32 may be from it. */
interface Reference {
  term: number;
  termBound: number;
  slope: number;
  slopeBound: number;
}

interface ElementwiseLoss {
  run(kernels: AllKernels, count: number, yPtr: number, targetsPtr: number, gradPtr: number): number;
  reference(y: number, t: number): Reference;
}

const DELTA = Math.fround(0.7);

const ELEMENTWISE: Record<string, ElementwiseLoss> = {
  mean_squared_error_f32: {
    run: (kernels, count, y, t, grad) => kernels.mean_squared_error_f32(count, 1, y, t, NONE, grad),
    reference(y, t) {
      const d = y - t;
      // The difference is rounded, and squared, and the square is rounded.
      return { term: d * d, termBound: 3.1 * U * d * d, slope: 2 * d, slopeBound: U * Math.abs(2 * d) };
    },
  },
  binary_cross_entropy_f32: {
    run: (kernels, count, z, t, grad) => kernels.binary_cross_entropy_f32(count, 1, z, t, NONE, grad),
    reference(z, t) {
      const e = Math.exp(-Math.abs(z));
      const linear = Math.max(z, 0) - z * t;
      const logarithm = Math.log1p(e);
      const p = e / (1 + e);
      const slope = z < 0 ? p - t : 1 - t - p;
      return {
        term: linear + logarithm,
        // z·t and the difference are rounded, the logarithm is 2 ulp off, the sum is rounded.
        termBound: U * (Math.abs(z * t) + 2 * Math.abs(linear) + 5 * logarithm),
        slope,
        // p comes from e (1 ulp), 1 + e and the division; then 1 − t and the difference are rounded.
        slopeBound: U * (4.2 * p + (z < 0 || t === 0 || t === 1 ? 0 : Math.abs(1 - t)) + Math.abs(slope)),
      };
    },
  },
  huber_f32: {
    run: (kernels, count, y, t, grad) => kernels.huber_f32(count, 1, y, t, NONE, grad, 0.7),
    reference(y, t) {
      const distance = Math.abs(y - t);
      const inside = distance < DELTA;
      const term = inside ? 0.5 * distance ** 2 : DELTA * (distance - 0.5 * DELTA);
      return {
        term,
        termBound: U * (inside ? 3.1 * term : DELTA * distance + 2 * term),
        slope: Math.sign(y - t) * Math.min(distance, DELTA),
        slopeBound: inside ? U * distance : 0,
      };
    },
  },
  mean_absolute_error_f32: {
    run: (kernels, count, y, t, grad) => kernels.mean_absolute_error_f32(count, 1, y, t, NONE, grad),
    reference(y, t) {
      const distance = Math.abs(y - t);
      return { term: distance, termBound: U * distance, slope: Math.sign(y - t), slopeBound: 0 };
    },
  },
};

/** Loss and gradient on every backend; checks that the loss alone is the same, and so is a gradient over y. */
function elementwise(loss: ElementwiseLoss, y: Float32Array, t: Float32Array): { loss: number; grad: Float32Array } {
  const count = y.length;
  const grad = new Float32Array(count).fill(7);
  const full = conform("loss and gradient", { y, t, grad }, (k, ptr) => loss.run(k, count, ptr.y!, ptr.t!, ptr.grad!));
  expectSameBits(full.operands.y!, y, "y is only read");
  expectSameBits(full.operands.t!, t, "targets are only read");
  const alone = conform("loss alone", { y, t }, (k, ptr) => loss.run(k, count, ptr.y!, ptr.t!, NONE));
  const over = conform("gradient over y", { y, t }, (k, ptr) => loss.run(k, count, ptr.y!, ptr.t!, ptr.y!));
  expectSameBits(
    [alone.result as number, over.result as number],
    [full.result as number, full.result as number],
    "loss",
  );
  expectSameBits(over.operands.y!, full.operands.grad!, "gradient over y");
  return { loss: full.result as number, grad: full.operands.grad as Float32Array };
}

function expectClose(actual: number, expected: number, bound: number, what: string): void {
  const message = `${what}: ${actual}, not ${expected}, bound ${bound}`;
  expect(Math.abs(actual - expected), message).toBeLessThanOrEqual(bound + 2 ** -149);
}

for (const [name, loss] of Object.entries(ELEMENTWISE)) {
  describeConformance(name, () => {
    it.each(SIZES)("count %i", (count) => {
      const next = randomSource(count);
      const y = randomValues(count, count + 1, 3);
      const t = Float32Array.from({ length: count }, () => [0, 1, next()][Math.floor(next() * 3)]!);
      const { loss: mean, grad } = elementwise(loss, y, t);
      if (count === 0) {
        expect(mean).toBeNaN();
        return;
      }
      let sum = 0;
      let bound = 0;
      for (let i = 0; i < count; i++) {
        const { term, termBound, slope, slopeBound } = loss.reference(y[i]!, t[i]!);
        sum += term;
        bound += termBound;
        // The weight and the product with it are rounded.
        expectClose(grad[i]!, slope / count, (slopeBound + 2.1 * U * Math.abs(slope)) / count, `gradient ${i}`);
      }
      expectClose(mean, sum / count, (bound + U * sum) / count, "mean");
    });

    it("takes special values", () => {
      const pairs = SPECIAL_VALUES.flatMap((y) => SPECIAL_VALUES.map((t) => [y, t] as const));
      const y = Float32Array.from(pairs, ([value]) => value);
      const t = Float32Array.from(pairs, ([, value]) => value);
      expect(elementwise(loss, y, t).loss).toBeNaN();
      // One at a time, so that each result is seen, and without NaN and the infinities in a sum.
      for (const [a, b] of pairs.filter((_, i) => i % 7 === 0))
        elementwise(loss, Float32Array.of(a), Float32Array.of(b));
      const finite = pairs.filter((pair) => pair.every((value) => Number.isFinite(value) && Math.abs(value) < 1e18));
      const { loss: mean } = elementwise(
        loss,
        Float32Array.from(finite, ([value]) => value),
        Float32Array.from(finite, ([, value]) => value),
      );
      expect(mean).toBeGreaterThan(0);
      expect(elementwise(loss, Float32Array.of(Number.NaN, 1), Float32Array.of(0, 1)).grad[0]).toBeNaN();
    });

    it("adds in float64", () => {
      // In float32 a term of 2²⁴ would swallow ones; in float64 the mean is exact.
      const y = new Float32Array(64).fill(1);
      const t = new Float32Array(64);
      y[0] = 4096;
      const sum = Array.from(y, (value) => loss.reference(value, 0).term).reduce((a, b) => a + b);
      expectClose(elementwise(loss, y, t).loss, sum / 64, (2 * U * sum) / 64, "mean");
    });
  });
}

describeConformance("mean_squared_error_f32, order of addition", () => {
  it("joins the partial sums as ((s0 + s2) + (s4 + s6)) + ((s1 + s3) + (s5 + s7))", () => {
    // The squares of `large` and 2 add up to the middle between two float32; the square of `small` is lost on either,
    // but two of them, added first, carry the sum over the middle. So the mean tells the order.
    const large = 2 ** 13;
    const small = 1.25 * 2 ** -14;
    const lost = 2 ** 23;
    const carried = 2 ** 23 + 1;
    for (const [y, mean] of [
      [[large, 0, 2, 0, small, 0, small, 0], carried],
      [[large, 0, small, 0, 2, 0, small, 0], lost],
      [[large, 0, small, 0, small, 0, 2, 0], lost],
      [[small, 0, large, 0, small, 0, 2, 0], lost],
      [[2, small, large, 0, 0, small, 0, 0], carried],
      [[2, large, 0, small, 0, small, 0, 0], lost],
      [[0, large, 0, 2, 0, small, 0, small], carried],
      [[0, large, 0, small, 0, 2, 0, small], lost],
      [[0, large, 0, small, 0, small, 0, 2], lost],
      [[large, 2, 0, small, 0, small, 0, 0], carried],
    ] as [number[], number][]) {
      const operands = { y: Float32Array.from(y), t: new Float32Array(8) };
      const { result } = conform("order", operands, (k, ptr) =>
        k.mean_squared_error_f32(8, 1, ptr.y!, ptr.t!, NONE, NONE),
      );
      expect(result, `terms from ${y}`).toBe(mean);
    }
  });
});

describeConformance("binary_cross_entropy_f32, confident logits", () => {
  it("keeps the relative accuracy of tiny losses and gradients", () => {
    for (let z = 5; z < 103; z += 7.25) {
      for (const [logit, target] of [
        [z, 1],
        [-z, 0],
      ] as const) {
        const { loss, grad } = elementwise(
          ELEMENTWISE.binary_cross_entropy_f32!,
          Float32Array.of(logit),
          Float32Array.of(target),
        );
        const e = Math.exp(-z);
        expect(ulpDistance(loss, Math.log1p(e)), `loss at ${logit}`).toBeLessThanOrEqual(2);
        expect(ulpDistance(Math.abs(grad[0]!), e / (1 + e)), `gradient at ${logit}`).toBeLessThanOrEqual(3);
        expect(Math.sign(grad[0]!)).toBe(target === 1 ? -1 : 1);
      }
      const wrong = elementwise(ELEMENTWISE.binary_cross_entropy_f32!, Float32Array.of(z), Float32Array.of(0));
      expect(ulpDistance(wrong.loss, z + Math.log1p(Math.exp(-z)))).toBeLessThanOrEqual(1);
    }
  });
});

describeConformance("huber_f32, delta", () => {
  it("is quadratic inside and linear outside, with the slope held at delta", () => {
    const y = Float32Array.of(0.5, -0.5, 2, -2, 3, -3, 2, 0, 1e30);
    const t = new Float32Array(9);
    const grad = new Float32Array(9);
    const { operands } = conform("huber", { y, t, grad }, (k, ptr) =>
      k.huber_f32(8, 1, ptr.y!, ptr.t!, NONE, ptr.grad!, 2),
    );
    expect(Array.from(operands.grad!)).toEqual([0.5, -0.5, 2, -2, 2, -2, 2, 0, 0].map((slope) => slope / 8));
    for (const [value, loss] of [
      [0.5, 0.125],
      [-0.5, 0.125],
      [2, 2],
      [-3, 4],
    ] as const) {
      const one = { y: Float32Array.of(value), t: Float32Array.of(0) };
      expect(conform("huber", one, (k, ptr) => k.huber_f32(1, 1, ptr.y!, ptr.t!, NONE, NONE, 2)).result).toBe(loss);
    }
  });
});

/** Loss and gradient on every backend; checks that the loss alone is the same, and so is a gradient over the logits. */
function crossEntropy(rows: number, columns: number, z: Float32Array, t: Float32Array, indices: boolean) {
  const grad = new Float32Array(rows * columns).fill(7);
  const flag = Number(indices);
  const what = `${rows} × ${columns}`;
  const full = conform(what, { z, t, grad }, (kernels, ptr) =>
    kernels.softmax_cross_entropy_f32(rows, columns, ptr.z!, ptr.t!, flag, NONE, 1, ptr.grad!),
  );
  expectSameBits(full.operands.z!, z, "logits are only read");
  expectSameBits(full.operands.t!, t, "targets are only read");
  const alone = conform(`${what}, loss alone`, { z, t }, (kernels, ptr) =>
    kernels.softmax_cross_entropy_f32(rows, columns, ptr.z!, ptr.t!, flag, NONE, 1, NONE),
  );
  const over = conform(`${what}, gradient over logits`, { z, t }, (kernels, ptr) =>
    kernels.softmax_cross_entropy_f32(rows, columns, ptr.z!, ptr.t!, flag, NONE, 1, ptr.z!),
  );
  expectSameBits(
    [alone.result as number, over.result as number],
    [full.result as number, full.result as number],
    "loss",
  );
  expectSameBits(over.operands.z!, full.operands.grad!, "gradient over logits");
  return { loss: full.result as number, grad: full.operands.grad as Float32Array };
}

/** Checks loss and gradient against float64. */
function checkCrossEntropy(rows: number, columns: number, z: Float32Array, t: Float32Array, indices: boolean): void {
  const { loss, grad } = crossEntropy(rows, columns, z, t, indices);
  let total = 0;
  let totalBound = 0;
  for (let row = 0; row < rows; row++) {
    const logits = Array.from(z.subarray(row * columns, (row + 1) * columns));
    const targets = logits.map((_, j) => (indices ? Number(t[row] === j) : t[row * columns + j]!));
    const max = Math.max(...logits);
    const sum = logits.reduce((s, logit) => s + Math.exp(logit - max), 0);
    const mass = targets.reduce((s, target) => s + target, 0);
    const entropy = logits.reduce((s, logit, j) => s + targets[j]! * (Math.log(sum) - (logit - max)), 0);
    const cross = logits.reduce((s, logit, j) => s + Math.abs(targets[j]! * (logit - max)), 0);
    // Σe: each addend is 1 ulp (2U) off, and moves by U·|z − max|·e ≤ 0.37U; then come columns additions.
    const sumError = (columns + 3) * U;
    const terms = indices ? 1 : columns;
    total += entropy;
    totalBound += mass * (sumError + (terms + 2) * U * Math.log(sum)) + (terms + 2) * U * cross + 2 * U * entropy;
    for (let j = 0; j < columns; j++) {
      const p = (Math.exp(logits[j]! - max) / sum) * mass;
      const slope = p - targets[j]!;
      const bound = p * ((max - logits[j]!) * U + 5 * U + sumError + terms * U) + 4 * U * Math.abs(slope);
      expectClose(grad[row * columns + j]!, slope / rows, bound / rows, `gradient ${row}, ${j}`);
    }
  }
  expectClose(loss, total / rows, totalBound / rows, "mean");
}

function classes(rows: number, columns: number, seed: number): Float32Array {
  const next = randomSource(seed);
  return Float32Array.from({ length: rows }, () => Math.floor(next() * columns));
}

describeConformance("softmax_cross_entropy_f32", () => {
  const COLUMNS = SIZES.filter((size) => size > 0);

  it.each(COLUMNS)("%i columns", (columns) => {
    for (const rows of columns > 100 ? [3] : [1, 2, 7]) {
      const z = randomValues(rows * columns, columns + rows, 6);
      checkCrossEntropy(rows, columns, z, classes(rows, columns, rows), true);
      const weights = randomValues(rows * columns, columns - rows).map(Math.abs); // they do not sum to one
      checkCrossEntropy(rows, columns, z, weights, false);
    }
  });

  it("is the same for an index and for its one-hot probabilities", () => {
    const z = randomValues(9 * 10, 4, 5);
    const t = classes(9, 10, 5);
    const oneHot = Float32Array.from({ length: 90 }, (_, i) => Number(t[Math.floor(i / 10)] === i % 10));
    const byIndex = crossEntropy(9, 10, z, t, true);
    const byShare = crossEntropy(9, 10, z, oneHot, false);
    expectSameBits(byShare.grad, byIndex.grad, "gradient");
    expectSameBits([byShare.loss], [byIndex.loss], "loss");
  });

  it("does not overflow, and is exact where one logit has everything", () => {
    const z = Float32Array.of(3e38, -3e38, 0, 1e4, 9e3, -1e4);
    const { loss, grad } = crossEntropy(2, 3, z, Float32Array.of(0, 1), true);
    expect(loss).toBe(500);
    expect(Array.from(grad)).toEqual([0, 0, 0, 0.5, -0.5, 0]);
  });

  it("takes -Infinity as a class that cannot be", () => {
    const z = Float32Array.of(0, Number.NEGATIVE_INFINITY, 0, 0, Number.NEGATIVE_INFINITY);
    const { loss, grad } = crossEntropy(1, 5, z, Float32Array.of(2), true);
    expect(ulpDistance(loss, Math.log(3))).toBeLessThanOrEqual(1);
    expect(grad[1]).toBe(0);
    expect(grad[4]).toBe(0);
    expect(crossEntropy(1, 5, z, Float32Array.of(1), true).loss).toBe(Number.POSITIVE_INFINITY);
  });

  it("keeps NaN in its row", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const at of [0, 5, 9]) {
        const z = randomValues(30, 6);
        z[10 + at] = bad;
        const { loss, grad } = crossEntropy(3, 10, z, classes(3, 10, 7), true);
        expect(loss).toBeNaN();
        expect(grad[10 + at]).toBeNaN();
        expect(Array.from(grad.subarray(0, 10)).every(Number.isFinite)).toBe(true);
        expect(Array.from(grad.subarray(20)).every(Number.isFinite)).toBe(true);
      }
    }
  });

  it("takes special values", () => {
    const columns = SPECIAL_VALUES.length;
    const z = Float32Array.from([...SPECIAL_VALUES, ...SPECIAL_VALUES.slice(3), 1, 2, 3]);
    crossEntropy(2, columns, z, Float32Array.of(3, 5), true);
    crossEntropy(2, columns, z, randomValues(2 * columns, 8), false);
    crossEntropy(2, columns, randomValues(2 * columns, 9), z, false);
    crossEntropy(1, columns, z.subarray(columns), Float32Array.of(5), true);
    const all = new Float32Array(7).fill(Number.NEGATIVE_INFINITY);
    expect(crossEntropy(1, 7, all, Float32Array.of(0), true).loss).toBeNaN();
  });

  it("answers a target that is no index of a column with NaN, in its row alone", () => {
    for (const bad of [-1, 5, 1.5, 1e9, 3e9, -3e38, Number.NaN, Number.POSITIVE_INFINITY]) {
      const { loss, grad } = crossEntropy(2, 5, randomValues(10, 1), Float32Array.of(bad, 4), true);
      expect(loss, `target ${bad}`).toBeNaN();
      expect(Array.from(grad.subarray(0, 5)).every(Number.isNaN)).toBe(true);
      expect(Array.from(grad.subarray(5)).every(Number.isFinite)).toBe(true);
    }
    expect(crossEntropy(1, 5, randomValues(5, 1), Float32Array.of(-0), true).loss).toBeGreaterThan(0);
  });

  it("has no mean where there are no rows or no columns", () => {
    for (const indices of [true, false]) {
      expect(crossEntropy(0, 5, new Float32Array(0), new Float32Array(0), indices).loss).toBeNaN();
      expect(crossEntropy(0, 0, new Float32Array(0), new Float32Array(0), indices).loss).toBeNaN();
      expect(crossEntropy(3, 0, new Float32Array(0), new Float32Array(indices ? 3 : 0), indices).loss).toBeNaN();
    }
  });

  it("adds the rows in float64", () => {
    // One row costs 2²⁴, the others ln 2 each: in float32 they would be lost.
    const rows = 100;
    const z = new Float32Array(2 * rows);
    z[0] = 2 ** 24;
    const { loss } = crossEntropy(rows, 2, z, new Float32Array(rows).fill(1), true);
    expect(ulpDistance(loss, (2 ** 24 + 99 * Math.LN2) / rows)).toBeLessThanOrEqual(0.6);
  });
});

function countCorrect(
  rows: number,
  columns: number,
  y: Float32Array,
  t: Float32Array,
  indices: boolean,
  threshold = 0,
) {
  const { result, operands } = conform(`${rows} × ${columns}`, { y, t }, (kernels, ptr) =>
    kernels.count_correct_f32(rows, columns, ptr.y!, ptr.t!, Number(indices), threshold),
  );
  expectSameBits(operands.y!, y, "y is only read");
  expectSameBits(operands.t!, t, "targets are only read");
  return result;
}

describeConformance("count_correct_f32", () => {
  it.each(SIZES.filter((columns) => columns > 1))("%i columns", (columns) => {
    const rows = 40;
    const y = randomValues(rows * columns, columns);
    const best = Array.from({ length: rows }, (_, i) => {
      const row = Array.from(y.subarray(i * columns, (i + 1) * columns));
      return row.indexOf(Math.max(...row));
    });
    const t = Float32Array.from(best, (index, i) => (i % 3 === 0 ? index : (index + 1) % columns));
    expect(countCorrect(rows, columns, y, t, true)).toBe(14);
    const oneHot = Float32Array.from({ length: rows * columns }, (_, i) =>
      Number(t[Math.floor(i / columns)] === i % columns),
    );
    expect(countCorrect(rows, columns, y, oneHot, false)).toBe(14);
  });

  it("takes the first of equal elements", () => {
    const y = Float32Array.of(1, 3, 3, -0, 0, -1, -1, -1, -1);
    expect(countCorrect(3, 3, y, Float32Array.of(1, 0, 0), true)).toBe(3);
    expect(countCorrect(3, 3, y, Float32Array.of(2, 1, 2), true)).toBe(0);
    const infinite = new Float32Array(3).fill(Number.NEGATIVE_INFINITY);
    expect(countCorrect(1, 3, infinite, Float32Array.of(0), true)).toBe(1);
  });

  it("never takes NaN as correct", () => {
    const y = Float32Array.of(Number.NaN, 1, 2, 1, 2, Number.NaN, 1, Number.NaN, 0);
    for (const index of [-1, 0, 1, 2, Number.NaN]) {
      expect(countCorrect(3, 3, y, new Float32Array(3).fill(index), true)).toBe(0);
    }
    expect(countCorrect(3, 3, y, y, false)).toBe(0);
    expect(countCorrect(1, 3, Float32Array.of(1, 2, 3), Float32Array.of(0, Number.NaN, 1), false)).toBe(0);
    const column = Float32Array.of(Number.NaN, 1, -1, Number.NaN);
    expect(countCorrect(4, 1, column, Float32Array.of(0, Number.NaN, Number.NaN, 1), true)).toBe(0);
  });

  it("compares a single column with the threshold", () => {
    const y = Float32Array.of(0.2, 0.5, 0.6, 0.9, 0.2, 0.9, 0.4);
    const t = Float32Array.of(0, 0, 1, 1, 1, 0, 0.5);
    for (const indices of [true, false]) {
      expect(countCorrect(7, 1, y, t, indices, 0.5)).toBe(5);
      expect(countCorrect(7, 1, y, t, indices, 0)).toBe(3);
      expect(countCorrect(7, 1, y, t, indices, 1)).toBe(4);
      expect(countCorrect(1, 1, Float32Array.of(0.3), Float32Array.of(0), indices, 0.3)).toBe(1);
    }
  });

  it("has nothing to count in nothing", () => {
    expect(countCorrect(0, 5, new Float32Array(0), new Float32Array(0), true)).toBe(0);
    expect(countCorrect(3, 0, new Float32Array(0), new Float32Array(3), true)).toBe(0);
    expect(countCorrect(3, 0, new Float32Array(0), new Float32Array(0), false)).toBe(0);
  });
});

/** Kernels of losses that take weights of rows. */
const WEIGHTED = {
  mean_squared_error_f32: [],
  binary_cross_entropy_f32: [],
  huber_f32: [0.7],
  mean_absolute_error_f32: [],
  hinge_f32: [],
  kl_divergence_f32: [],
} as const;

/** Calls a loss kernel, whose last arguments differ. */
function callLoss(kernels: AllKernels, name: keyof typeof WEIGHTED, args: readonly number[]): number {
  const kernel = kernels[name] as (...args: number[]) => number;
  const more = name === "kl_divergence_f32" ? [args[0]!] : WEIGHTED[name];
  return kernel(...args, ...more);
}

describeConformance("weights of rows", () => {
  for (const name of Object.keys(WEIGHTED) as (keyof typeof WEIGHTED)[]) {
    it.each([1, 3, 8, 11])(`${name}, %i columns: each row counts as often as its weight says`, (columns) => {
      const rows = 6;
      const next = randomSource(columns);
      const y = randomValues(rows * columns, columns, 3).map(Math.abs);
      const t = Float32Array.from({ length: rows * columns }, () => (next() < 0.5 ? 0 : 1));
      const weights = Float32Array.of(1, 0, 2.5, -1, 0.3, 1);
      const grad = new Float32Array(rows * columns).fill(7);
      const { result, operands } = conform("weighted", { y, t, weights, grad }, (kernels, ptr) =>
        callLoss(kernels, name, [rows, columns, ptr.y!, ptr.t!, ptr.weights!, ptr.grad!]),
      );
      const ones = conform("ones", { y, t, weights: weights.map(() => 1), grad }, (kernels, ptr) =>
        callLoss(kernels, name, [rows, columns, ptr.y!, ptr.t!, ptr.weights!, ptr.grad!]),
      );
      const none = conform("no weights", { y, t, grad }, (kernels, ptr) =>
        callLoss(kernels, name, [rows, columns, ptr.y!, ptr.t!, NONE, ptr.grad!]),
      );
      expectSameBits(ones.operands.grad!, none.operands.grad!, "weights of 1 change no gradient");
      expect(Math.abs((ones.result as number) - (none.result as number))).toBeLessThanOrEqual(
        2 * U * Math.abs(none.result as number),
      );
      let total = 0;
      let size = 0;
      for (let i = 0; i < rows; i++) {
        const [from, to] = [i * columns, (i + 1) * columns];
        const alone = conform("a row", { y: y.slice(from, to), t: t.slice(from, to) }, (kernels, ptr) =>
          callLoss(kernels, name, [1, columns, ptr.y!, ptr.t!, NONE, NONE]),
        ).result as number;
        total += (alone * weights[i]!) / rows;
        size += Math.abs(alone * weights[i]!) / rows;
        for (let j = from; j < to; j++) {
          const slope = none.operands.grad![j]! * weights[i]!;
          expect(Math.abs(operands.grad![j]! - slope)).toBeLessThanOrEqual(3 * U * Math.abs(slope));
        }
      }
      expectClose(result as number, total, 2 * U * size, "weighted mean");
    });
  }

  it("softmax_cross_entropy_f32: each row counts as often as its weight says", () => {
    const [rows, columns] = [6, 5];
    const z = randomValues(rows * columns, 1, 3);
    const t = classes(rows, columns, 2);
    const weights = Float32Array.of(1, 0, 2.5, -1, 0.3, 1);
    const grad = new Float32Array(rows * columns);
    const { result, operands } = conform("weighted", { z, t, weights, grad }, (kernels, ptr) =>
      kernels.softmax_cross_entropy_f32(rows, columns, ptr.z!, ptr.t!, 1, ptr.weights!, 1, ptr.grad!),
    );
    const plain = crossEntropy(rows, columns, z, t, true);
    let total = 0;
    let size = 0;
    for (let i = 0; i < rows; i++) {
      const [from, to] = [i * columns, (i + 1) * columns];
      const { loss } = crossEntropy(1, columns, z.slice(from, to), t.slice(i, i + 1), true);
      total += (loss * weights[i]!) / rows;
      size += Math.abs(loss * weights[i]!) / rows;
      for (let j = from; j < to; j++) {
        const slope = plain.grad[j]! * weights[i]!;
        expect(Math.abs(operands.grad![j]! - slope)).toBeLessThanOrEqual(3 * U * Math.abs(slope));
      }
    }
    expectClose(result as number, total, 2 * U * size, "weighted mean");
    const shared = conform("shared", { z, t, weights: weights.slice(0, 3), grad }, (kernels, ptr) =>
      kernels.softmax_cross_entropy_f32(rows, columns, ptr.z!, ptr.t!, 1, ptr.weights!, 2, ptr.grad!),
    );
    const spread = Float32Array.from({ length: rows }, (_, i) => weights[Math.floor(i / 2)]!);
    const single = conform("spread", { z, t, weights: spread, grad }, (kernels, ptr) =>
      kernels.softmax_cross_entropy_f32(rows, columns, ptr.z!, ptr.t!, 1, ptr.weights!, 1, ptr.grad!),
    );
    expectSameBits(shared.operands.grad!, single.operands.grad!, "two rows share a weight");
    expectSameBits([shared.result as number], [single.result as number], "two rows share a weight");
  });
});

describeConformance("hinge_f32 and kl_divergence_f32", () => {
  const run = (
    name: "hinge_f32" | "kl_divergence_f32",
    rows: number,
    columns: number,
    y: Float32Array,
    t: Float32Array,
  ) => {
    const { result, operands } = conform(name, { y, t, grad: new Float32Array(y.length) }, (kernels, ptr) =>
      callLoss(kernels, name, [rows, columns, ptr.y!, ptr.t!, NONE, ptr.grad!]),
    );
    return { loss: result as number, grad: operands.grad as Float32Array };
  };

  it("hinge is 0 beyond the margin, and takes 0 for −1 where all labels are 0 or 1", () => {
    const y = Float32Array.of(2, 0.5, -0.25, 1, -3, 0, 0.5, -1, 2);
    const signs = Float32Array.of(1, 1, 1, 1, 1, -1, -1, -1, -1);
    const binary = signs.map((sign) => (sign + 1) / 2);
    const expected = Array.from(y, (value, i) => Math.max(0, 1 - signs[i]! * value));
    for (const t of [signs, binary]) {
      const { loss, grad } = run("hinge_f32", 9, 1, y, t);
      expect(loss).toBe(Math.fround(expected.reduce((a, b) => a + b) / 9));
      const ninth = Math.fround(1 / 9);
      expectSameBits(
        grad,
        expected.map((value, i) => (value > 0 ? -signs[i]! * ninth : 0)),
        "gradient",
      );
    }
    // One label that is neither: nothing is converted.
    const mixed = run("hinge_f32", 3, 1, Float32Array.of(0.5, 0.5, 0.5), Float32Array.of(0, 1, 0.5));
    expect(mixed.loss).toBe(Math.fround((1 + 0.5 + 0.75) / 3));
    expect(run("hinge_f32", 2, 1, Float32Array.of(1, 1), Float32Array.of(Number.NaN, 0)).loss).toBeNaN();
  });

  it.each(SIZES.filter((size) => size > 0))("kl_divergence_f32, %i columns, sums over a row", (columns) => {
    const rows = 4;
    const next = randomSource(columns);
    const share = () => Float32Array.from({ length: rows * columns }, () => next() ** 3);
    const [y, t] = [share(), share()];
    if (columns > 3) {
      t.set([0, 1, 0]);
      y.set([0.2, 1, 0]);
    }
    const { loss, grad } = run("kl_divergence_f32", rows, columns, y, t);
    const LEAST = Math.fround(1e-7);
    let sum = 0;
    let bound = 0;
    for (let i = 0; i < y.length; i++) {
      const [p, q] = [Math.max(t[i]!, LEAST), Math.max(y[i]!, LEAST)];
      sum += p * Math.log(p / q);
      bound += p * U * (1 + 4 * Math.abs(Math.log(p / q)));
      const slope = y[i]! < LEAST ? 0 : -p / q;
      expectClose(grad[i]!, slope / rows, (3 * U * Math.abs(slope)) / rows, `gradient ${i}`);
    }
    expectClose(loss, sum / rows, bound / rows + (2 * U * Math.abs(sum)) / rows, "mean");
  });

  it("take special values", () => {
    for (const name of ["hinge_f32", "kl_divergence_f32"] as const) {
      for (const value of SPECIAL_VALUES) {
        run(name, 3, 1, Float32Array.of(value, 0.5, 1), Float32Array.of(1, value, 0));
        run(name, 1, 9, new Float32Array(9).fill(value), new Float32Array(9).fill(0.5));
      }
      expect(run(name, 0, 3, new Float32Array(0), new Float32Array(0)).loss).toBeNaN();
    }
  });
});

describeConformance("smooth_labels_f32, class_weights_f32 and positive_weights_f32", () => {
  const f = Math.fround;

  it("smooths rows and indices alike", () => {
    const [rows, columns] = [5, 7];
    const indices = classes(rows, columns, 3);
    const t = Float32Array.from({ length: rows * columns }, (_, i) =>
      Number(indices[Math.floor(i / columns)] === i % columns),
    );
    const operands = { indices, t, fromIndices: t.map(() => 7), fromRows: t.map(() => 7), over: t };
    const { operands: after } = conform("smooth", operands, (kernels, ptr) => {
      kernels.smooth_labels_f32(rows, columns, ptr.indices!, 1, 0.9, 0.1 / columns, ptr.fromIndices!);
      kernels.smooth_labels_f32(rows, columns, ptr.t!, 0, 0.9, 0.1 / columns, ptr.fromRows!);
      kernels.smooth_labels_f32(rows, columns, ptr.over!, 0, 0.9, 0.1 / columns, ptr.over!);
    });
    const expected = t.map((value) => f(value * f(0.9)) + f(0.1 / columns));
    for (const key of ["fromIndices", "fromRows", "over"]) expectSameBits(after[key]!, expected, key);
    const bad = conform("bad", { t: Float32Array.of(7, -1), out: new Float32Array(14) }, (kernels, ptr) =>
      kernels.smooth_labels_f32(2, 7, ptr.t!, 1, 0.9, 0.01, ptr.out!),
    );
    expect(Array.from(bad.operands.out!).every(Number.isNaN)).toBe(true);
  });

  it("weighs rows by index, by row and by a single column", () => {
    const classWeights = Float32Array.of(0.5, 2, 3);
    const weights = Float32Array.of(1, 10, 0.1, 1);
    const indices = Float32Array.of(2, 0, 1, 5);
    const rows = Float32Array.of(0, 0, 1, 0.9, 0.1, 0, 0.2, 0.7, 0.1, Number.NaN, 0, 0);
    const single = Float32Array.of(0, 1, 1, 0.5);
    const nothing = new Float32Array(4).fill(7);
    const operands = {
      classWeights,
      weights,
      indices,
      rows,
      single,
      a: nothing,
      b: nothing,
      c: nothing,
      over: weights,
    };
    const { operands: after } = conform("weights", operands, (kernels, ptr) => {
      kernels.class_weights_f32(4, 3, ptr.indices!, 1, 3, ptr.classWeights!, NONE, 1, ptr.a!);
      kernels.class_weights_f32(4, 3, ptr.rows!, 0, 3, ptr.classWeights!, ptr.weights!, 1, ptr.b!);
      kernels.class_weights_f32(4, 1, ptr.single!, 0, 2, ptr.classWeights!, NONE, 1, ptr.c!);
      kernels.class_weights_f32(4, 3, ptr.indices!, 1, 3, ptr.classWeights!, ptr.over!, 1, ptr.over!);
    });
    expectSameBits(after.a!, [3, 0.5, 2, Number.NaN], "indices");
    expectSameBits(after.b!, [3, 5, f(0.1) * 2, Number.NaN].map(f), "rows");
    expectSameBits(after.c!, [0.5, 2, 2, Number.NaN], "a single column");
    const shared = conform("two rows share a weight", { ...operands, two: weights.slice(0, 2) }, (kernels, ptr) =>
      kernels.class_weights_f32(4, 3, ptr.indices!, 1, 3, ptr.classWeights!, ptr.two!, 2, ptr.a!),
    );
    expectSameBits(shared.operands.a!, [3, 0.5, 20, Number.NaN], "two rows share a weight");
    expectSameBits(after.over!, [3, 5, f(f(0.1) * 2), Number.NaN], "over weights");
  });

  it("positive_weights_f32 with binary_cross_entropy_f32 counts positive examples as often as it says", () => {
    const p = 3;
    const z = randomValues(40, 1, 8);
    const next = randomSource(2);
    const t = Float32Array.from({ length: 40 }, (_, i) => (i < 10 ? i % 2 : next()));
    const nothing = new Float32Array(40);
    const rows = Float32Array.of(1, 2, 0, 0.1, -1);
    const operands = { z, t, rows, out: nothing, weights: nothing, grad: nothing, over: t, shared: nothing };
    const { operands: after, result } = conform("positive", operands, (kernels, ptr) => {
      kernels.positive_weights_f32(40, ptr.t!, p, NONE, 1, ptr.out!, ptr.weights!);
      kernels.positive_weights_f32(40, ptr.over!, p, ptr.rows!, 8, ptr.over!, ptr.shared!);
      return kernels.binary_cross_entropy_f32(40, 1, ptr.z!, ptr.out!, ptr.weights!, ptr.grad!);
    });
    expectSameBits(after.over!, after.out!, "over targets");
    const shared = after.weights!.map((weight: number, i: number) => weight * rows[Math.floor(i / 8)]!);
    expectSameBits(after.shared!, shared as Float32Array, "weights of rows");
    expectSameBits(after.out!.slice(0, 10) as Float32Array, t.slice(0, 10), "0 and 1 stay");
    let total = 0;
    let bound = 0;
    for (let i = 0; i < 40; i++) {
      const [x, target] = [z[i]!, t[i]!];
      const weight = 1 + (p - 1) * target;
      const softplus = Math.log1p(Math.exp(-Math.abs(x))) + Math.max(-x, 0);
      total += ((1 - target) * x + weight * softplus) / 40;
      bound += (U * weight * (8 * Math.abs(x) + 8)) / 40;
      const logistic = 1 / (1 + Math.exp(x));
      const slope = 1 - target - weight * logistic;
      expectClose(after.grad![i]!, slope / 40, (10 * U * weight) / 40, `gradient ${i}`);
    }
    expectClose(result as number, total, bound, "mean");
  });
});
