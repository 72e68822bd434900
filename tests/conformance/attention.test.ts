import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { conform, createBackend, describeConformance } from "../helpers/conformance.js";
import { randomSource, randomValues } from "../helpers/random.js";

const U = 2 ** -24;

interface Shape {
  batch: number;
  heads: number;
  queries: number;
  keys: number;
  keySize: number;
  valueSize: number;
  causal?: boolean;
  /** Share of keys that the mask hides; without one there is no mask. */
  hidden?: number | undefined;
}

function operandsOf({ batch, heads, queries, keys, keySize, valueSize, hidden = 0 }: Shape, seed: number) {
  const next = randomSource(seed);
  return {
    q: randomValues(batch * queries * heads * keySize, seed + 1, 2),
    k: randomValues(batch * keys * heads * keySize, seed + 2, 2),
    v: randomValues(batch * keys * heads * valueSize, seed + 3),
    mask: Float32Array.from({ length: batch * keys }, () => (next() < hidden ? 0 : 1)),
    slopes: randomValues(batch * queries * heads * valueSize, seed + 4),
  };
}

function attend(shape: Shape, operands: ReturnType<typeof operandsOf>) {
  const { batch, heads, queries, keys, keySize, valueSize, causal = false, hidden } = shape;
  const alpha = 1 / Math.sqrt(keySize || 1);
  const outputs = {
    o: new Float32Array(operands.slopes.length).fill(7),
    dq: new Float32Array(operands.q.length).fill(7),
    dk: new Float32Array(operands.k.length).fill(7),
    dv: new Float32Array(operands.v.length).fill(7),
  };
  const { operands: after } = conform(
    JSON.stringify(shape),
    { ...operands, ...outputs },
    (kernels, ptr) => {
      const mask = hidden === undefined ? 0 : ptr.mask!;
      const sizes = [0, batch * heads, heads, queries, keys, keySize, valueSize, Number(causal), alpha] as const;
      kernels.attention_f32(...sizes, ptr.q!, ptr.k!, ptr.v!, mask, ptr.o!, ptr.scratch!);
      kernels.attention_backward_f32(
        ...sizes,
        ptr.q!,
        ptr.k!,
        ptr.v!,
        mask,
        ptr.slopes!,
        ptr.dq!,
        ptr.dk!,
        ptr.dv!,
        ptr.scratch!,
      );
    },
    (kernels) => kernels.attention_scratch_bytes(queries, keys, keySize, valueSize),
  );
  for (const key of ["q", "k", "v", "mask", "slopes"] as const) {
    expectSameBits(after[key]!, operands[key], `${key} is only read`);
  }
  return after as Record<keyof typeof outputs, Float32Array>;
}

/** Fails unless `actual` is within `bound` of the reference, each element by itself. */
function expectWithin(actual: Float32Array, value: Float64Array, bound: Float64Array, what: string): void {
  for (let i = 0; i < actual.length; i++) {
    const error = Math.abs(actual[i]! - value[i]!);
    if (!(error <= bound[i]!))
      expect.fail(`${what}[${i}] is ${actual[i]}, ${error} off ${value[i]}; bound ${bound[i]}`);
  }
}

/** A value in float64 and a bound of what float32 makes of it. */
interface Bounded {
  value: number;
  error: number;
}

/** Σ a·b of `count` products in float32, from operands that may be off themselves. */
function dot(count: number, a: (i: number) => Bounded, b: (i: number) => Bounded): Bounded {
  let [value, size, error] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const [x, y] = [a(i), b(i)];
    value += x.value * y.value;
    size += Math.abs(x.value * y.value);
    error += x.error * (Math.abs(y.value) + y.error) + Math.abs(x.value) * y.error;
  }
  return { value, error: error + (count + 3) * U * (size + error) };
}

function check(shape: Shape, seed = 1): void {
  const { batch, heads, queries, keys, keySize, valueSize, causal = false, hidden } = shape;
  const operands = operandsOf(shape, seed);
  const after = attend(shape, operands);
  const alpha = Math.fround(1 / Math.sqrt(keySize));
  const reference = (of: Float32Array) => ({ value: new Float64Array(of.length), bound: new Float64Array(of.length) });
  const expected = { o: reference(after.o), dq: reference(after.dq), dk: reference(after.dk), dv: reference(after.dv) };
  const put = (of: { value: Float64Array; bound: Float64Array }, at: number, { value, error }: Bounded, scale = 1) => {
    of.value[at] = value * scale;
    of.bound[at] = (error + U * Math.abs(value)) * scale + 1e-44;
  };
  const exactly = (value: number): Bounded => ({ value, error: 0 });
  for (let n = 0; n < batch; n++) {
    for (let h = 0; h < heads; h++) {
      const q = (i: number, c: number) => exactly(operands.q[((n * queries + i) * heads + h) * keySize + c]!);
      const k = (j: number, c: number) => exactly(operands.k[((n * keys + j) * heads + h) * keySize + c]!);
      const v = (j: number, c: number) => exactly(operands.v[((n * keys + j) * heads + h) * valueSize + c]!);
      const slope = (i: number, c: number) =>
        exactly(operands.slopes[((n * queries + i) * heads + h) * valueSize + c]!);
      const sees = (i: number, j: number) =>
        !(causal && j > i) && !(hidden !== undefined && operands.mask[n * keys + j] === 0);
      const p: Bounded[][] = [];
      const ds: Bounded[][] = [];
      for (let i = 0; i < queries; i++) {
        const scores = Array.from({ length: keys }, (_, j) => {
          const score = dot(
            keySize,
            (c) => q(i, c),
            (c) => k(j, c),
          );
          return { value: score.value * alpha, error: (score.error + U * Math.abs(score.value)) * alpha };
        });
        const visible = scores.filter((_, j) => sees(i, j));
        const max = Math.max(...visible.map((score) => score.value));
        const worst = Math.max(0, ...visible.map((score) => score.error));
        const sum = visible.reduce((s, score) => s + Math.exp(score.value - max), 0);
        p.push(
          scores.map((score, j) => {
            if (!sees(i, j)) return exactly(0);
            const value = Math.exp(score.value - max) / sum;
            return { value, error: value * (4 * worst + (max - score.value + visible.length + 6) * U) };
          }),
        );
        const dp = Array.from({ length: keys }, (_, j) =>
          dot(
            valueSize,
            (c) => slope(i, c),
            (c) => v(j, c),
          ),
        );
        const mean = dot(
          keys,
          (j) => p[i]![j]!,
          (j) => dp[j]!,
        );
        ds.push(
          dp.map((d, j) => {
            const weight = p[i]![j]!;
            const difference = d.value - mean.value;
            const error = d.error + mean.error + U * Math.abs(difference);
            const value = weight.value * difference;
            return {
              value,
              error: weight.error * (Math.abs(difference) + error) + weight.value * error + U * Math.abs(value),
            };
          }),
        );
        for (let c = 0; c < valueSize; c++) {
          put(
            expected.o,
            ((n * queries + i) * heads + h) * valueSize + c,
            dot(
              keys,
              (j) => p[i]![j]!,
              (j) => v(j, c),
            ),
          );
        }
        for (let c = 0; c < keySize; c++) {
          const value = dot(
            keys,
            (j) => ds[i]![j]!,
            (j) => k(j, c),
          );
          put(expected.dq, ((n * queries + i) * heads + h) * keySize + c, value, alpha);
        }
      }
      for (let j = 0; j < keys; j++) {
        for (let c = 0; c < valueSize; c++) {
          const value = dot(
            queries,
            (i) => p[i]![j]!,
            (i) => slope(i, c),
          );
          put(expected.dv, ((n * keys + j) * heads + h) * valueSize + c, value);
        }
        for (let c = 0; c < keySize; c++) {
          const value = dot(
            queries,
            (i) => ds[i]![j]!,
            (i) => q(i, c),
          );
          put(expected.dk, ((n * keys + j) * heads + h) * keySize + c, value, alpha);
        }
      }
    }
  }
  for (const key of ["o", "dq", "dk", "dv"] as const) {
    expectWithin(after[key], expected[key].value, expected[key].bound, key);
  }
}

describeConformance("attention_f32 and its gradient", () => {
  it.each([1, 2, 3, 5, 8, 17])("length %i", (length) => {
    for (const causal of [false, true]) {
      for (const hidden of [undefined, 0.4]) {
        check({ batch: 2, heads: 3, queries: length, keys: length, keySize: 5, valueSize: 7, causal, hidden });
      }
    }
  });

  it.each([63, 64, 65, 130])("length %i, around a block", (length) => {
    check({ batch: 1, heads: 2, queries: length, keys: length, keySize: 8, valueSize: 4, causal: true });
    check({ batch: 2, heads: 1, queries: length, keys: length, keySize: 3, valueSize: 4, hidden: 0.3 });
  });

  it("takes more keys than queries, and fewer", () => {
    for (const causal of [false, true]) {
      check({ batch: 2, heads: 2, queries: 5, keys: 12, keySize: 4, valueSize: 4, causal });
      check({ batch: 2, heads: 2, queries: 70, keys: 9, keySize: 4, valueSize: 4, causal, hidden: 0.3 });
      check({ batch: 1, heads: 1, queries: 66, keys: 140, keySize: 1, valueSize: 1, causal });
    }
  });

  it("gives 0 where a query sees no key, and NaN where a score is", () => {
    const shape = { batch: 2, heads: 1, queries: 3, keys: 4, keySize: 2, valueSize: 2, hidden: 0 };
    const operands = operandsOf(shape, 3);
    operands.mask.fill(0, 0, 4);
    const after = attend(shape, operands);
    for (const [key, per] of [
      ["o", 6],
      ["dq", 6],
      ["dk", 8],
      ["dv", 8],
    ] as const) {
      expect(
        Array.from(after[key].subarray(0, per)).every((value) => value === 0),
        key,
      ).toBe(true);
      expect(
        Array.from(after[key].subarray(per)).every((value) => Number.isFinite(value) && value !== 0),
        key,
      ).toBe(true);
    }
    operands.q[0] = Number.NaN;
    operands.mask.fill(1);
    const poisoned = attend(shape, operands);
    expect(Array.from(poisoned.o).map(Number.isNaN)).toEqual(Array.from({ length: 12 }, (_, i) => i < 2));
  });

  it("takes nothing", () => {
    const sizes = { batch: 1, heads: 2, queries: 3, keys: 3, keySize: 2, valueSize: 2 };
    for (const none of ["batch", "queries", "keys"] as const) {
      const shape = { ...sizes, [none]: 0 };
      const { o, dk } = attend(shape, operandsOf(shape, 1));
      expect(Array.from(o).every((value) => value === 0)).toBe(true);
      expect(Array.from(dk).every((value) => value === 0)).toBe(true);
    }
  });

  it("needs no more scratch than it says, where products are cut into blocks", () => {
    check({ batch: 1, heads: 1, queries: 3, keys: 1100, keySize: 20, valueSize: 3 });
    check({ batch: 1, heads: 1, queries: 2, keys: 5, keySize: 600, valueSize: 1100, causal: true });
    for (const sizes of [
      [1, 1, 1, 1],
      [64, 64, 32, 32],
      [65, 200, 3, 90],
      [7, 2000, 600, 600],
    ] as const) {
      const [js, simd, wide, debug, threads] = ["js", "simd", "wide", "debug", "threads"].map((name) => {
        const [queries, keys, keySize, valueSize] = sizes;
        return createBackend(name).kernels.attention_scratch_bytes(queries, keys, keySize, valueSize);
      });
      expect([simd, wide, debug, threads]).toEqual([js, js, js, js]);
    }
  });
});
