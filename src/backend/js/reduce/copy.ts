import type { ReduceKernels } from "../../families/reduce.js";
import type { Views } from "../views.js";

/** The JavaScript implementation of assembly/reduce/copy.ts. It copies integers: a float32 copy may change a NaN's bits. */
export function copyKernels(views: Views): Pick<ReduceKernels, "copy_rows_f32" | "transpose_f32"> {
  return {
    copy_rows_f32(rows, columns, srcPtr, srcStride, dstPtr, dstStride) {
      const { i32 } = views;
      for (let i = 0; i < rows; i++) {
        const src = (srcPtr >>> 2) + i * srcStride;
        i32.copyWithin((dstPtr >>> 2) + i * dstStride, src, src + columns);
      }
    },
    transpose_f32(batch, rows, columns, inner, xPtr, yPtr) {
      const { i32 } = views;
      const size = rows * columns * inner;
      for (let b = 0; b < batch; b++) {
        const x = (xPtr >>> 2) + b * size;
        const y = (yPtr >>> 2) + b * size;
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++) {
            const from = x + (i * columns + j) * inner;
            const to = y + (j * rows + i) * inner;
            for (let c = 0; c < inner; c++) i32[to + c] = i32[from + c]!;
          }
        }
      }
    },
  };
}
