import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 71, 127, 1021];
const U = 2 ** -24;

function columnSums(rows: number, columns: number, x: Float32Array): Float32Array {
  expect(x.length).toBe(rows * columns);
  const out = new Float32Array(columns).fill(7);
  const { operands } = conform(`${rows} × ${columns}`, { x, out }, (kernels, ptr) => {
    kernels.column_sums_f32(rows, columns, ptr.x!, ptr.out!);
  });
  expectSameBits(operands.x!, x, "x is only read");
  return operands.out as Float32Array;
}

describeConformance("column_sums_f32", () => {
  it.each(SIZES)("%i columns", (columns) => {
    for (const rows of [0, 1, 2, 7, 33]) {
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

  it("adds small integers exactly", () => {
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

  it("adds the rows one by one, in ascending order", () => {
    for (const columns of [1, 4, 9, 32, 47]) {
      // 2²⁴ + 1 rounds to 2²⁴: in this order every 1 is lost, in any other or in pairs some are not.
      const descending = new Float32Array(6 * columns).fill(1).fill(2 ** 24, 0, columns);
      expect(new Set(columnSums(6, columns, descending))).toEqual(new Set([2 ** 24]));
      const ascending = new Float32Array(6 * columns).fill(1).fill(2 ** 24, 5 * columns);
      expect(new Set(columnSums(6, columns, ascending))).toEqual(new Set([2 ** 24 + 4])); // 2²⁴ + 5, to even
    }
  });

  it("starts at +0", () => {
    expect(Array.from(columnSums(2, 9, new Float32Array(18).fill(-0)))).toEqual(new Array(9).fill(0));
    expect(Array.from(columnSums(0, 9, new Float32Array(0)))).toEqual(new Array(9).fill(0));
  });

  it("takes special values", () => {
    const x = randomValues(9 * 50, 5);
    x.set(SPECIAL_VALUES, 20);
    x.set(SPECIAL_VALUES, 233);
    const sums = columnSums(9, 50, x);
    expect(sums[20]).toBeNaN();
    expect(sums[21]).toBe(Number.POSITIVE_INFINITY);
  });
});
