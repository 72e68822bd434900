import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { describeConformance } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";
import { conformTable, type RowSpec } from "../helpers/segments.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];
const F = Math.fround;

function makeRow(count: number, seed: number): RowSpec {
  const [param, grad, accumulator] = [0, 1, 2].map((k) => randomValues(count, 3 * seed + k, 3));
  return { group: 0, param: param!, grad: grad!, accumulator: accumulator!, states: [] };
}

describeConformance("accumulate_f32", () => {
  it.each([0, 1, 3, 8])("adds, and divides by %i, at every length", (divisor) => {
    const rows = SIZES.map((count) => makeRow(count, count));
    const { rows: after } = conformTable("lengths", "accumulate_f32", rows, [{}], divisor);
    for (const [i, { accumulator, grad, param }] of rows.entries()) {
      const sums = accumulator!.map((sum, k) => F(sum + grad![k]!));
      const expected = divisor === 0 ? sums : sums.map((sum) => F(sum / divisor));
      expectSameBits(after[i]!.accumulator!, expected, `length ${param.length}`);
      expectSameBits(after[i]!.grad!, grad!, "the gradient is only read");
      expectSameBits(after[i]!.param, param, "the parameter is left alone");
    }
  });

  it.each([0, 3])("a row whose gradient is its accumulator is only divided, by %i", (divisor) => {
    const rows = SIZES.map((count) => makeRow(count, count));
    for (const row of rows) row.accumulator = row.grad!;
    const { rows: after } = conformTable("quotients", "accumulate_f32", rows, [{}], divisor);
    for (const [i, { grad }] of rows.entries()) {
      expectSameBits(after[i]!.grad!, divisor === 0 ? grad! : grad!.map((sum) => F(sum / divisor)), "quotients");
    }
  });

  it.each([1, 2, 3, 7])("moves the mean so far by a share of 1/%i, at every length", (k) => {
    const weight = F(1 / k);
    const rows = SIZES.flatMap((count) => [makeRow(count, count), makeRow(count, count + 1)]);
    for (const [i, row] of rows.entries()) if (i % 2) row.accumulator = row.grad!;
    const { rows: after } = conformTable("means", "accumulate_f32", rows, [{}], -1 / k);
    for (const [i, { accumulator, grad }] of rows.entries()) {
      const isOwn = i % 2 === 1; // has no gradient to add
      const expected = accumulator!.map((mean, j) => F(mean + F(F((isOwn ? 0 : grad![j]!) - mean) * weight)));
      expectSameBits((isOwn ? after[i]!.grad : after[i]!.accumulator)!, expected, "means");
    }
  });

  it("special values, and rows without a gradient", () => {
    const n = SPECIAL_VALUES.length;
    const rows = [makeRow(n * n, 0), makeRow(20, 1)];
    rows[0]!.grad = rows[0]!.grad!.map((_, i) => SPECIAL_VALUES[i % n]!);
    rows[0]!.accumulator = rows[0]!.grad.map((_, i) => SPECIAL_VALUES[Math.floor(i / n)]!);
    rows[1]!.grad = null;
    const { rows: after } = conformTable("special values", "accumulate_f32", rows, [{}], 7);
    const expected = rows[0]!.accumulator.map((sum, i) => F(F(sum + rows[0]!.grad![i]!) / 7));
    expectSameBits(after[0]!.accumulator!, expected, "special values");
    expectSameBits(after[1]!.accumulator!, rows[1]!.accumulator!, "no gradient");
    expect(conformTable("empty", "accumulate_f32", [], [{}], 2).rows).toEqual([]);
  });
});
