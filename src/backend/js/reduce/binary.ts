import type { ReduceKernels } from "../../families/reduce.js";
import type { Views } from "../views.js";

type RowKernel = ReduceKernels["add_rows_f32"];

/** The JavaScript implementation of assembly/reduce/binary.ts. */
export function binaryKernels(
  views: Views,
): Pick<ReduceKernels, "add_rows_f32" | "subtract_rows_f32" | "multiply_rows_f32"> {
  /** Combines rows with one operation; the store rounds its result. */
  function rowKernel(operation: (a: number, b: number) => number): RowKernel {
    return (rows, columns, aPtr, aStride, bPtr, bStride, yPtr, yStride) => {
      const { f32 } = views;
      for (let i = 0; i < rows; i++) {
        const a = (aPtr >>> 2) + i * aStride;
        const b = (bPtr >>> 2) + i * bStride;
        const y = (yPtr >>> 2) + i * yStride;
        for (let j = 0; j < columns; j++) f32[y + j] = operation(f32[a + j]!, f32[b + j]!);
      }
    };
  }
  return {
    add_rows_f32: rowKernel((a, b) => a + b),
    subtract_rows_f32: rowKernel((a, b) => a - b),
    multiply_rows_f32: rowKernel((a, b) => a * b),
  };
}
