import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const U = 2 ** -24;
const SHAPES: readonly (readonly [number, number])[] = [
  ...[0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 100].map((columns) => [3, columns] as const),
  [0, 4],
];

function run(rows: number, columns: number, x: Float32Array, dy: Float32Array) {
  const nothing = new Float32Array(x.length).fill(7);
  const operands = { x, dy, y: nothing, log: nothing, dx: nothing, dlog: nothing };
  const { operands: after } = conform(`${[rows, columns]}`, operands, (kernels, ptr) => {
    kernels.softmax_f32(rows, columns, ptr.x!, ptr.y!);
    kernels.log_softmax_f32(rows, columns, ptr.x!, ptr.log!);
    kernels.softmax_backward_f32(rows, columns, ptr.y!, ptr.dy!, ptr.dx!);
    kernels.log_softmax_backward_f32(rows, columns, ptr.log!, ptr.dy!, ptr.dlog!);
  });
  expectSameBits(after.x!, x, "x is only read");
  expectSameBits(after.dy!, dy, "dy is only read");
  const over = conform("in place", { y: x, log: x, dx: dy, dlog: dy }, (kernels, ptr) => {
    kernels.softmax_f32(rows, columns, ptr.y!, ptr.y!);
    kernels.log_softmax_f32(rows, columns, ptr.log!, ptr.log!);
    kernels.softmax_backward_f32(rows, columns, ptr.y!, ptr.dx!, ptr.dx!);
    kernels.log_softmax_backward_f32(rows, columns, ptr.log!, ptr.dlog!, ptr.dlog!);
  });
  for (const key of ["y", "log", "dx", "dlog"]) expectSameBits(over.operands[key]!, after[key]!, `${key} in place`);
  return after as Record<"y" | "log" | "dx" | "dlog", Float32Array>;
}

describeConformance("softmax_f32, log_softmax_f32 and their gradients", () => {
  it.each(SHAPES)("%i × %i", (rows, columns) => {
    const x = randomValues(rows * columns, columns + 1, 8);
    const dy = randomValues(x.length, columns);
    const { y, log, dx, dlog } = run(rows, columns, x, dy);
    for (let row = 0; row < rows; row++) {
      const places = Array.from({ length: columns }, (_, j) => row * columns + j);
      const max = Math.max(...places.map((i) => x[i]!));
      const sum = places.reduce((s, i) => s + Math.exp(x[i]! - max), 0);
      const p = places.map((i) => Math.exp(x[i]! - max) / sum);
      const error = places.map((i, a) => p[a]! * (max - x[i]! + columns + 4) * U);
      const dot = places.reduce((s, i, a) => s + dy[i]! * p[a]!, 0);
      const dotError = places.reduce((s, i, a) => s + Math.abs(dy[i]!) * (error[a]! + (columns + 2) * U * p[a]!), 0);
      const total = places.reduce((s, i) => s + dy[i]!, 0);
      const size = places.reduce((s, i) => s + Math.abs(dy[i]!), 0);
      places.forEach((i, a) => {
        expect(Math.abs(y[i]! - p[a]!)).toBeLessThanOrEqual(error[a]!);
        const exactLog = x[i]! - max - Math.log(sum);
        const logError = (columns + 4 + 3 * Math.abs(exactLog) + Math.log(sum)) * U;
        expect(Math.abs(log[i]! - exactLog)).toBeLessThanOrEqual(logError);
        const slope = dy[i]! - dot;
        const bound = error[a]! * Math.abs(slope) + p[a]! * (dotError + 3 * U * (Math.abs(dy[i]!) + Math.abs(dot)));
        expect(Math.abs(dx[i]! - p[a]! * slope)).toBeLessThanOrEqual(bound);
        const logBound =
          p[a]! * ((columns + 4) * U * size + Math.abs(total) * (logError + 3 * U)) + 2 * U * Math.abs(dy[i]!);
        expect(Math.abs(dlog[i]! - (dy[i]! - p[a]! * total))).toBeLessThanOrEqual(logBound);
      });
    }
  });

  it("does not overflow, and takes −Infinity as what cannot be", () => {
    const x = Float32Array.of(3e38, -3e38, 0, 0, Number.NEGATIVE_INFINITY, 0);
    const { y, log } = run(2, 3, x, new Float32Array(6));
    expect(Array.from(y)).toEqual([1, 0, 0, 0.5, 0, 0.5]);
    expect(log[4]).toBe(Number.NEGATIVE_INFINITY);
  });

  it("keeps special values in their row", () => {
    const x = new Float32Array(SPECIAL_VALUES.length * 5).fill(0.5);
    SPECIAL_VALUES.forEach((value, row) => {
      x[row * 5 + (row % 5)] = value;
    });
    const { y } = run(SPECIAL_VALUES.length, 5, x, randomValues(x.length, 1));
    SPECIAL_VALUES.forEach((value, row) => {
      const finite = Array.from(y.subarray(row * 5, row * 5 + 5)).every(Number.isFinite);
      expect(finite, `${value}`).toBe(!(Number.isNaN(value) || value === Number.POSITIVE_INFINITY));
    });
    run(1, 6, new Float32Array(6).fill(Number.NEGATIVE_INFINITY), new Float32Array(6));
  });
});
