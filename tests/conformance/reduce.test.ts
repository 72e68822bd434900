import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { type AllKernels, conform, describeConformance } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const U = 2 ** -24;
const SIZES = [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 127];

/** Random values with the special ones among them, if there is room. */
function values(count: number, seed: number, scale = 8): Float32Array {
  const x = randomValues(count, seed, scale);
  if (count > SPECIAL_VALUES.length) x.set(SPECIAL_VALUES, seed % (count - SPECIAL_VALUES.length));
  return x;
}

const f = Math.fround;
const OPERATIONS = {
  add_rows_f32: (a: number, b: number) => f(a + b),
  subtract_rows_f32: (a: number, b: number) => f(a - b),
  multiply_rows_f32: (a: number, b: number) => f(a * b),
};

describeConformance("element-wise sums and products", () => {
  it.each(SIZES)("add_f32 and scale_f32, count %i", (count) => {
    const a = values(count, count);
    const b = values(count, count + 1);
    const { operands } = conform("add", { a, b, y: new Float32Array(count) }, (kernels, ptr) => {
      kernels.add_f32(count, ptr.a!, ptr.b!, ptr.y!);
    });
    expectSameBits(
      operands.y!,
      a.map((x, i) => x + b[i]!),
      "a + b",
    );
    for (const target of ["a", "b"]) {
      const over = conform(`add over ${target}`, { a, b }, (kernels, ptr) =>
        kernels.add_f32(count, ptr.a!, ptr.b!, ptr[target]!),
      );
      expectSameBits(over.operands[target]!, operands.y!, `a + b over ${target}`);
    }
    const scaled = conform("scale", { a, y: new Float32Array(count) }, (kernels, ptr) => {
      kernels.scale_f32(count, 0.1, ptr.a!, ptr.y!);
      kernels.scale_f32(count, 0.1, ptr.a!, ptr.a!);
    });
    expectSameBits(
      scaled.operands.y!,
      a.map((x) => x * f(0.1)),
      "0.1 · a",
    );
    expectSameBits(scaled.operands.a!, scaled.operands.y!, "in place");
  });

  for (const [name, operation] of Object.entries(OPERATIONS)) {
    it(`${name} takes strides, and one row for all`, () => {
      for (const columns of SIZES) {
        const rows = 5;
        for (const [aStride, bStride] of [
          [columns, columns],
          [columns + 3, 0],
          [0, columns + 1],
        ] as const) {
          const yStride = columns + 2;
          const a = values(rows * aStride + columns, columns + aStride);
          const b = values(rows * bStride + columns, columns + bStride + 1);
          const y = new Float32Array(rows * yStride + columns).fill(7);
          const { operands } = conform(`${name} ${columns}`, { a, b, y }, (kernels, ptr) => {
            const kernel = kernels[name as keyof typeof OPERATIONS];
            kernel(rows, columns, ptr.a!, aStride, ptr.b!, bStride, ptr.y!, yStride);
          });
          const expected = y.slice();
          for (let i = 0; i < rows; i++) {
            for (let j = 0; j < columns; j++) {
              expected[i * yStride + j] = operation(a[i * aStride + j]!, b[i * bStride + j]!);
            }
          }
          expectSameBits(operands.y!, expected, `${name} ${columns}`);
        }
      }
    });
  }
});

describeConformance("copies", () => {
  it("copy_rows_f32 keeps every bit pattern, whatever the strides", () => {
    for (const columns of [...SIZES, 64]) {
      for (const [srcStride, dstStride] of [
        [columns, columns],
        [columns + 3, columns],
        [columns, columns + 5],
      ] as const) {
        const rows = 6;
        // Integers, among them patterns of signalling and negative NaN.
        const src = Int32Array.from({ length: rows * srcStride + columns }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
        src.fill(0xffa00001 | 0, 0, Math.min(3, columns));
        const dst = new Int32Array(rows * dstStride + columns).fill(7);
        const { operands } = conform(`copy ${columns}`, { src, dst }, (kernels, ptr) =>
          kernels.copy_rows_f32(rows, columns, ptr.src!, srcStride, ptr.dst!, dstStride),
        );
        const expected = dst.slice();
        for (let i = 0; i < rows; i++) {
          expected.set(src.subarray(i * srcStride, i * srcStride + columns), i * dstStride);
        }
        expect(operands.dst).toEqual(expected);
      }
    }
  });

  it("transpose_f32 exchanges two axes", () => {
    for (const [batch, rows, columns, inner] of [
      [1, 4, 4, 1],
      [2, 5, 7, 1],
      [3, 9, 16, 1],
      [1, 1, 13, 1],
      [1, 13, 1, 1],
      [2, 3, 5, 2],
      [2, 7, 4, 33],
      [2, 4, 0, 3],
      [0, 4, 4, 1],
    ] as const) {
      const x = Int32Array.from({ length: batch * rows * columns * inner }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
      const y = new Int32Array(x.length);
      const { operands } = conform(`${[batch, rows, columns, inner]}`, { x, y, back: y }, (kernels, ptr) => {
        kernels.transpose_f32(batch, rows, columns, inner, ptr.x!, ptr.y!);
        kernels.transpose_f32(batch, columns, rows, inner, ptr.y!, ptr.back!);
      });
      const at = (b: number, i: number, j: number, c: number) => ((b * rows + i) * columns + j) * inner + c;
      const expected = Int32Array.from(x, (_, index) => {
        const c = index % inner;
        const i = Math.floor(index / inner) % rows;
        const j = Math.floor(index / (inner * rows)) % columns;
        return x[at(Math.floor(index / (inner * rows * columns)), i, j, c)]!;
      });
      expect(operands.y).toEqual(expected);
      expect(operands.back).toEqual(x);
    }
  });
});

const SHAPES: readonly (readonly [number, number, number])[] = [
  ...SIZES.map((axis) => [3, axis, 1] as const),
  ...SIZES.map((inner) => [2, 5, inner] as const),
  [0, 3, 4],
  [1, 1021, 1],
  [2, 100, 13],
];

/** The elements along the axis, for one element of the result. */
function run(x: Float32Array, axis: number, inner: number, o: number, i: number): number[] {
  return Array.from({ length: axis }, (_, a) => x[(o * axis + a) * inner + i]!);
}

type Reduction = "sum_f32" | "mean_f32" | "max_f32";

function reduce(name: Reduction, outer: number, axis: number, inner: number, x: Float32Array) {
  const y = new Float32Array(outer * inner).fill(7);
  const call = (kernels: AllKernels, ptr: Record<string, number>) => kernels[name](outer, axis, inner, ptr.x!, ptr.y!);
  const { operands } = conform(`${name} ${[outer, axis, inner]}`, { x, y }, call);
  expectSameBits(operands.x!, x, "x is only read");
  return operands.y!;
}

describeConformance("reductions", () => {
  it.each(SHAPES)("%i × %i × %i", (outer, axis, inner) => {
    const x = randomValues(outer * axis * inner, axis + inner, 100);
    const sums = reduce("sum_f32", outer, axis, inner, x);
    const means = reduce("mean_f32", outer, axis, inner, x);
    const most = reduce("max_f32", outer, axis, inner, x);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const elements = run(x, axis, inner, o, i);
        const sum = elements.reduce((s, e) => s + e, 0);
        const size = elements.reduce((s, e) => s + Math.abs(e), 0);
        const bound = U * Math.abs(sum) + 2 * axis * 2 ** -53 * size;
        const at = o * inner + i;
        expect(Math.abs(sums[at]! - sum)).toBeLessThanOrEqual(bound);
        if (axis === 0) expect(means[at]).toBeNaN();
        else expect(Math.abs(means[at]! - sum / axis)).toBeLessThanOrEqual(bound / axis);
        expect(most[at]).toBe(Math.max(...elements));
      }
    }
    reduce("sum_f32", outer, axis, inner, values(x.length, axis));
    reduce("mean_f32", outer, axis, inner, values(x.length, axis));
    reduce("max_f32", outer, axis, inner, values(x.length, axis));
  });

  it("adds in float64", () => {
    // In float32 every 1 would be lost beside 2²⁴.
    for (const inner of [1, 5]) {
      const x = new Float32Array(100 * inner).fill(1);
      x.fill(2 ** 24, 0, inner);
      for (const sum of reduce("sum_f32", 1, 100, inner, x)) expect(sum).toBe(f(2 ** 24 + 99));
    }
  });

  it("max_f32 keeps NaN, and takes +0 before −0", () => {
    for (const axis of [2, 5, 9]) {
      for (let at = 0; at < axis; at++) {
        const x = new Float32Array(axis).fill(3);
        x[at] = Number.NaN;
        for (const inner of [1, 5]) {
          const spread = Float32Array.from({ length: axis * inner }, (_, i) => x[Math.floor(i / inner)]!);
          expect(Array.from(reduce("max_f32", 1, axis, inner, spread)).every(Number.isNaN)).toBe(true);
        }
        x.fill(-0);
        x[at] = 0;
        expect(Object.is(reduce("max_f32", 1, axis, 1, x)[0], 0)).toBe(true);
      }
    }
  });

  it.each(SHAPES)("broadcast_f32 %i × %i × %i", (outer, axis, inner) => {
    const x = values(outer * inner, axis + inner);
    for (const divisor of [1, 7]) {
      const y = new Float32Array(outer * axis * inner);
      const { operands } = conform("broadcast", { x, y }, (kernels, ptr) =>
        kernels.broadcast_f32(outer, axis, inner, divisor, ptr.x!, ptr.y!),
      );
      const expected = y.map((_, i) => x[Math.floor(i / (axis * inner)) * inner + (i % inner)]! / divisor);
      expectSameBits(operands.y!, expected, "broadcast");
    }
  });
});
