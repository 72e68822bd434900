import type { KernelFamily } from "../family.js";
import { embeddingKernels } from "../js/embedding/embedding.js";
import { binary } from "../wasm/binaries/embedding.js";

/** Rows of a table by index, and their gradient. `areIntegers`: the indices are int32, else float32. */
export interface EmbeddingKernels {
  /** Position of the first index that is no integer from 0 to rows − 1; −1 if there is none. */
  check_indices(count: number, rows: number, indicesPtr: number, areIntegers: number): number;
  /**
   * y[o, i, c] = x[o, index[i], c]; x is [outer, rows, inner], and y[o + 1] is `yStride` elements after y[o]. An index out
   * of range gives NaN.
   */
  gather_f32(
    outer: number,
    count: number,
    inner: number,
    rows: number,
    indicesPtr: number,
    areIntegers: number,
    xPtr: number,
    yPtr: number,
    yStride: number,
  ): void;
  /**
   * y[index[i], j] += x[i, j] in ascending i, after setting y [rows, columns] to 0 unless `accumulate`. Rows are `stride`
   * elements apart in both. An index out of range is skipped.
   */
  scatter_add_f32(
    count: number,
    columns: number,
    rows: number,
    stride: number,
    indicesPtr: number,
    areIntegers: number,
    accumulate: number,
    xPtr: number,
    yPtr: number,
  ): void;
  /**
   * Writes each index once (int32, by first appearance) and the sum of its rows of x [count, columns]; returns how many.
   * Scratch: 4·rows bytes.
   */
  collect_rows_f32(
    count: number,
    columns: number,
    rows: number,
    indicesPtr: number,
    areIntegers: number,
    xPtr: number,
    touchedPtr: number,
    sumsPtr: number,
    scratchPtr: number,
  ): number;
}

export const embeddingFamily: KernelFamily<EmbeddingKernels> = {
  name: "embedding",
  binary,
  js: embeddingKernels,
  warmUp(kernels, memory) {
    const [x, y, z, indices, rows, columns] = [1024, 65536, 131072, 196608, 64, 64];
    new Int32Array(memory.buffer, indices, rows).fill(1);
    kernels.gather_f32(1, rows, 16, rows, indices, 1, x, y, rows * 16);
    kernels.scatter_add_f32(rows, columns, rows, columns, indices, 1, 0, x, y);
    kernels.collect_rows_f32(rows, columns, rows, indices, 1, x, y, z, indices + 65536);
    kernels.check_indices(rows, rows, indices, 1);
  },
  shared: {
    gather_f32: {
      count: 1,
      steps: { 4: 4, 7: (args) => 4 * args[2]! },
      operands: [
        {
          argument: 7,
          use: "write",
          rows: (args) => args[0]!,
          stride: (args) => 4 * args[8]!,
          bytes: (args) => 4 * args[1]! * args[2]!,
        },
      ],
      work: (args) => args[0]! * args[1]! * args[2]!,
    },
    scatter_add_f32: {
      count: 1,
      steps: { 7: 4, 8: 4 },
      grain: 16,
      operands: [
        {
          argument: 8,
          use: "update",
          rows: (args) => args[2]!,
          stride: (args) => 4 * args[3]!,
          bytes: (args) => 4 * args[1]!,
        },
      ],
      work: (args) => args[0]! * args[1]!,
    },
  },
};
