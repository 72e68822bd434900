import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance } from "../helpers/conformance.js";
import { randomSource, randomValues } from "../helpers/random.js";

const COLUMNS = [0, 1, 3, 4, 7, 8, 9, 31, 32, 33, 67];
/** What is no index of one of 5 rows, as float32 and as int32. */
const BAD_FLOATS = [-1, 5, 1.5, 1e9, 3e9, -3e38, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY];
const BAD_INTEGERS = [-1, 5, 2 ** 31 - 1, -(2 ** 31)];

function indices(count: number, rows: number, seed: number, areIntegers: boolean): Float32Array | Int32Array {
  const next = randomSource(seed);
  const values = Array.from({ length: count }, () => Math.floor(next() * rows));
  return areIntegers ? Int32Array.from(values) : Float32Array.from(values);
}

/** A value with a bit pattern of its own, NaN's payloads among them, is kept as it is. */
function patterns(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => (i % 5 === 0 ? 0xffa00000 + i : Math.imul(i + 1, 0x9e3779b1)));
}

describeConformance("gather_f32", () => {
  it.each(COLUMNS)("%i columns", (columns) => {
    for (const areIntegers of [true, false]) {
      for (const [outer, count, rows] of [
        [1, 20, 7],
        [3, 5, 4],
        [2, 0, 3],
        [1, 4, 1],
      ] as const) {
        const x = patterns(outer * rows * columns);
        const index = indices(count, rows, columns + count, areIntegers);
        const y = new Int32Array(outer * count * columns);
        const { operands } = conform(`${[outer, count, rows]}`, { x, index, y }, (kernels, ptr) =>
          kernels.gather_f32(
            outer,
            count,
            columns,
            rows,
            ptr.index!,
            Number(areIntegers),
            ptr.x!,
            ptr.y!,
            count * columns,
          ),
        );
        const expected = y.map((_, i) => {
          const c = i % columns;
          const at = Math.floor(i / columns) % count;
          const o = Math.floor(i / (columns * count));
          return x[(o * rows + index[at]!) * columns + c]!;
        });
        expect(operands.y).toEqual(expected);
      }
    }
  });

  it("gives NaN for what is no index, and check_indices finds the first", () => {
    const x = randomValues(5 * 9, 1);
    for (const [bad, areIntegers] of [
      [Float32Array.from(BAD_FLOATS), 0],
      [Int32Array.from(BAD_INTEGERS), 1],
    ] as const) {
      for (const value of bad) {
        const index = areIntegers ? Int32Array.of(4, 0, value, 1) : Float32Array.of(4, -0, value, 1);
        const { operands, result } = conform(`${value}`, { x, index, y: new Float32Array(4 * 9) }, (kernels, ptr) => {
          kernels.gather_f32(1, 4, 9, 5, ptr.index!, areIntegers, ptr.x!, ptr.y!, 36);
          return kernels.check_indices(4, 5, ptr.index!, areIntegers);
        });
        expect(result, `${value}`).toBe(2);
        const row = (i: number) => x.subarray(i * 9, i * 9 + 9);
        const nothing = new Float32Array(9).fill(Number.NaN);
        expectSameBits(operands.y!, Float32Array.of(...row(4), ...row(0), ...nothing, ...row(1)), `${value}`);
      }
    }
    const good = { index: Float32Array.of(0, 4, 2) };
    expect(conform("good", good, (kernels, ptr) => kernels.check_indices(3, 5, ptr.index!, 0)).result).toBe(-1);
    expect(conform("none", good, (kernels, ptr) => kernels.check_indices(0, 5, ptr.index!, 0)).result).toBe(-1);
  });
});

/** Σ of the rows of each index in ascending order, float32 additions from +0 or from what is there. */
function scatter(
  index: ArrayLike<number>,
  x: Float32Array,
  y: Float32Array,
  rows: number,
  columns: number,
  stride: number,
) {
  const sums = y.slice();
  Array.from(index).forEach((row, i) => {
    if (!(Number.isInteger(row) && row >= 0 && row < rows)) return;
    for (let j = 0; j < columns; j++) {
      sums[row * stride + j] = Math.fround(sums[row * stride + j]! + x[i * stride + j]!);
    }
  });
  return sums;
}

describeConformance("scatter_add_f32 and collect_rows_f32", () => {
  it.each(COLUMNS)("%i columns", (columns) => {
    for (const areIntegers of [true, false]) {
      for (const [count, rows, margin] of [
        [40, 7, 0],
        [40, 7, 3],
        [3, 9, 0],
        [0, 3, 1],
      ] as const) {
        const stride = columns + margin;
        const index = indices(count, rows, count, areIntegers);
        if (count > 10) index[5] = -1;
        if (count > 10) index[11] = rows;
        const x = randomValues(count * stride, count + columns, 100);
        const y = randomValues(rows * stride, 3);
        for (const accumulate of [0, 1]) {
          const { operands } = conform(`${[count, rows, accumulate]}`, { x, index, y }, (kernels, ptr) =>
            kernels.scatter_add_f32(
              count,
              columns,
              rows,
              stride,
              ptr.index!,
              Number(areIntegers),
              accumulate,
              ptr.x!,
              ptr.y!,
            ),
          );
          const start = accumulate ? y : y.map((value, i) => (i % stride < columns ? 0 : value));
          expectSameBits(operands.y!, scatter(index, x, start, rows, columns, stride), "sums");
        }
        if (margin !== 0) continue;
        // Whatever scratch contains: places of indices that were never written, and ones that are.
        for (const noise of [0, 1, -1]) {
          const collected = conform(
            "collect",
            {
              x,
              index,
              touched: new Int32Array(count).fill(-9),
              sums: new Float32Array(count * columns).fill(7),
              map: new Int32Array(rows).fill(noise),
            },
            (kernels, ptr) =>
              kernels.collect_rows_f32(
                count,
                columns,
                rows,
                ptr.index!,
                Number(areIntegers),
                ptr.x!,
                ptr.touched!,
                ptr.sums!,
                ptr.map!,
              ),
          );
          const valid = Array.from(index).filter((row) => row >= 0 && row < rows);
          const unique = [...new Set(valid)];
          expect(collected.result).toBe(unique.length);
          expect(Array.from(collected.operands.touched!).slice(0, unique.length)).toEqual(unique);
          const dense = scatter(index, x, new Float32Array(rows * columns).fill(-0), rows, columns, columns);
          unique.forEach((row, i) => {
            const sums = (collected.operands.sums as Float32Array).subarray(i * columns, (i + 1) * columns);
            expectSameBits(sums, dense.subarray(row * columns, (row + 1) * columns), `row ${row}`);
          });
        }
      }
    }
  });
});
