import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { describeConformance } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";
import { conformTable, type RowSpec } from "../helpers/segments.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 255, 256, 257, 1021];
const KERNELS = ["rmsprop_f32", "sgd_f32"] as const;
const GROUP = { learningRate: 0.1, decay: 0.9, decayComplement: 0.1, epsInside: 1e-3 };
const F = Math.fround;

/** A row with an average, and with the state array that the kernel writes. */
function makeRow(
  kernel: (typeof KERNELS)[number],
  count: number,
  seed: number,
  averageDecay: number,
  averageComplement: number,
): RowSpec {
  const values = (k: number) => randomValues(count, 4 * seed + k, 2);
  const squares = kernel === "rmsprop_f32" ? values(2).map(Math.abs) : null;
  const states = [squares, null, null, values(3)];
  return { group: 0, param: values(0), grad: values(1), states, averageDecay, averageComplement };
}

function expectAverage(before: RowSpec, param: Float32Array, average: Float32Array, what: string): void {
  const [decay, complement] = [F(before.averageDecay!), F(before.averageComplement!)];
  const expected = Array.from(before.states[3]!, (a, i) => {
    if (decay < 0) return F(a + F(complement * F(param[i]! - a)));
    return F(F(decay * a) + F(complement * param[i]!));
  });
  expectSameBits(average, expected, what);
}

describeConformance("the parameters' average", () => {
  it.each(KERNELS)("%s averages what it has updated, at every length", (kernel) => {
    const rows = SIZES.flatMap((count) => [
      makeRow(kernel, count, count, 0.9, 0.1),
      makeRow(kernel, count, count + 1, 0, 1),
      makeRow(kernel, count, count + 2, -1, 0.1),
    ]);
    const { rows: after } = conformTable("lengths", kernel, rows, [GROUP]);
    for (const [i, row] of rows.entries()) {
      const { param, states } = after[i]!;
      expectAverage(row, param, states[3]!, `length ${row.param.length}`);
      if (row.averageDecay === 0) expectSameBits(states[3]!, param, "the first step copies");
    }
  });

  it.each(KERNELS)("%s: special values, rows without an average and rows without a gradient", (kernel) => {
    const n = SPECIAL_VALUES.length;
    const rows = [0, 1, 2].map((k) => makeRow(kernel, n * n, k, 0.5, 0.5));
    rows[0]!.param = rows[0]!.param.map((_, i) => SPECIAL_VALUES[i % n]!);
    rows[0]!.states[3] = rows[0]!.param.map((_, i) => SPECIAL_VALUES[Math.floor(i / n)]!);
    rows[1]!.states[3] = null;
    rows[2]!.grad = null;
    const { rows: after } = conformTable("special values", kernel, rows, [GROUP]);
    expectAverage(rows[0]!, after[0]!.param, after[0]!.states[3]!, "special values");
    expect(after[1]!.param).not.toEqual(rows[1]!.param);
    expectSameBits(after[2]!.states[3]!, rows[2]!.states[3]!, "no gradient");
  });

  it.each(KERNELS)("%s: a refused step leaves the average alone", (kernel) => {
    const rows = [makeRow(kernel, 33, 1, 0.9, 0.1), makeRow(kernel, 9, 2, 0.9, 0.1)];
    rows[1]!.grad![8] = Number.POSITIVE_INFINITY;
    const { result, rows: after } = conformTable("refused", kernel, rows, [GROUP], 1);
    expect(result).toBe(2);
    for (const [i, row] of rows.entries()) expectSameBits(after[i]!.states[3]!, row.states[3]!, "average");
  });
});
