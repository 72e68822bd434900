import type { KernelFamily } from "../family.js";
import { binaryKernels } from "../js/reduce/binary.js";
import { copyKernels } from "../js/reduce/copy.js";
import { reduceKernels } from "../js/reduce/reduce.js";
import { binary } from "../wasm/binaries/reduce.js";

type RowKernel = (
  rows: number,
  columns: number,
  aPtr: number,
  aStride: number,
  bPtr: number,
  bStride: number,
  yPtr: number,
  yStride: number,
) => void;

/** Sums and maxima along an axis, element-wise sums and products, and copies between layouts. */
export interface ReduceKernels {
  /** y[i, j] = a[i, j] + b[i, j], with the elements from row to row; stride 0: one row for all. y may be a or b. */
  add_rows_f32: RowKernel;
  /** y[i, j] = a[i, j] − b[i, j]. */
  subtract_rows_f32: RowKernel;
  /** y[i, j] = a[i, j] · b[i, j]. */
  multiply_rows_f32: RowKernel;
  /** Copies rows of `columns` elements that are `srcStride` and `dstStride` elements apart. */
  copy_rows_f32(
    rows: number,
    columns: number,
    srcPtr: number,
    srcStride: number,
    dstPtr: number,
    dstStride: number,
  ): void;
  /** y[b, j, i, c] = x[b, i, j, c] for x [batch, rows, columns, inner]. */
  transpose_f32(batch: number, rows: number, columns: number, inner: number, xPtr: number, yPtr: number): void;
  /** y[o, i] = Σₐ x[o, a, i] for x [outer, axis, inner], in float64. */
  sum_f32(outer: number, axis: number, inner: number, xPtr: number, yPtr: number): void;
  /** y[o, i] = Σₐ x[o, a, i] / axis, in float64. */
  mean_f32(outer: number, axis: number, inner: number, xPtr: number, yPtr: number): void;
  /** y[o, i] = maxₐ x[o, a, i]; NaN if one is NaN. */
  max_f32(outer: number, axis: number, inner: number, xPtr: number, yPtr: number): void;
  /** y[o, a, i] = x[o, i] / divisor: the gradient of a sum (divisor 1) or of a mean (divisor axis). */
  broadcast_f32(outer: number, axis: number, inner: number, divisor: number, xPtr: number, yPtr: number): void;
}

/** Pieces of rows: each operand advances by its own stride. */
const byRows = {
  count: 0,
  steps: {
    2: (args: ArrayLike<number>) => 4 * args[3]!,
    4: (args: ArrayLike<number>) => 4 * args[5]!,
    6: (args: ArrayLike<number>) => 4 * args[7]!,
  },
  operands: [
    {
      argument: 6,
      use: "write",
      rows: (args: ArrayLike<number>) => args[0]!,
      stride: (args: ArrayLike<number>) => 4 * args[7]!,
      bytes: (args: ArrayLike<number>) => 4 * args[1]!,
    },
  ],
  work: (args: ArrayLike<number>) => args[0]! * args[1]!,
} as const;

/** Pieces of the outer axis of x [outer, axis, inner]; y is [outer, inner]. */
const byOuter = {
  count: 0,
  steps: {
    3: (args: ArrayLike<number>) => 4 * args[1]! * args[2]!,
    4: (args: ArrayLike<number>) => 4 * args[2]!,
  },
  operands: [{ argument: 4, use: "write", bytes: (args: ArrayLike<number>) => 4 * args[0]! * args[2]! }],
  work: (args: ArrayLike<number>) => args[0]! * args[1]! * args[2]!,
} as const;

export const reduceFamily: KernelFamily<ReduceKernels> = {
  name: "reduce",
  binary,
  js: (views) => ({ ...binaryKernels(views), ...copyKernels(views), ...reduceKernels(views) }),
  warmUp(kernels) {
    const [x, y, z, rows, columns] = [1024, 65536, 131072, 128, 64];
    kernels.add_rows_f32(rows, columns, x, columns, y, 0, z, columns);
    kernels.subtract_rows_f32(rows, columns, x, columns, y, 0, z, columns);
    kernels.multiply_rows_f32(rows, columns, x, columns, y, 0, z, columns);
    kernels.copy_rows_f32(rows, 16, x, columns, z, columns);
    kernels.transpose_f32(1, rows, columns, 1, x, z);
    for (const inner of [1, columns]) {
      kernels.sum_f32(1, rows, inner, x, z);
      kernels.mean_f32(1, rows, inner, x, z);
      kernels.max_f32(1, rows, inner, x, z);
      kernels.broadcast_f32(1, rows, inner, 3, x, z);
    }
  },
  shared: {
    add_rows_f32: byRows,
    subtract_rows_f32: byRows,
    multiply_rows_f32: byRows,
    transpose_f32: {
      count: 0,
      steps: {
        4: (args) => 4 * args[1]! * args[2]! * args[3]!,
        5: (args) => 4 * args[1]! * args[2]! * args[3]!,
      },
      operands: [{ argument: 5, use: "write", bytes: (args) => 4 * args[0]! * args[1]! * args[2]! * args[3]! }],
      work: (args) => args[0]! * args[1]! * args[2]! * args[3]!,
    },
    sum_f32: byOuter,
    mean_f32: byOuter,
    max_f32: byOuter,
    broadcast_f32: {
      count: 0,
      steps: { 4: (args) => 4 * args[2]!, 5: (args) => 4 * args[1]! * args[2]! },
      operands: [{ argument: 5, use: "write", bytes: (args) => 4 * args[0]! * args[1]! * args[2]! }],
      work: (args) => args[0]! * args[1]! * args[2]!,
    },
  },
};
