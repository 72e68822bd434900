import type { NetworkKernels } from "../../families/nn.js";
import { exponential, maximum, rowSum } from "../softmax.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** The JavaScript implementation of assembly/nn/softmax.ts. */
export function softmaxKernels(views: Views): Pick<NetworkKernels, "softmax_f32" | "softmax_backward_f32"> {
  return {
    softmax_f32(rows, columns, xPtr, yPtr) {
      const { f32 } = views;
      for (let row = 0; row < rows; row++) {
        const x = (xPtr >>> 2) + row * columns;
        const y = (yPtr >>> 2) + row * columns;
        const max = maximum(f32, x, columns);
        const e = (j: number) => exponential(f32[x + j]!, max);
        const sum = rowSum(columns, e);
        for (let j = 0; j < columns; j++) f32[y + j] = e(j) / sum;
      }
    },
    softmax_backward_f32(rows, columns, yPtr, dyPtr, dxPtr) {
      const { f32 } = views;
      for (let row = 0; row < rows; row++) {
        const y = (yPtr >>> 2) + row * columns;
        const dy = (dyPtr >>> 2) + row * columns;
        const dx = (dxPtr >>> 2) + row * columns;
        const sum = rowSum(columns, (j) => f(f32[dy + j]! * f32[y + j]!));
        for (let j = 0; j < columns; j++) f32[dx + j] = f32[y + j]! * f(f32[dy + j]! - sum);
      }
    },
  };
}
