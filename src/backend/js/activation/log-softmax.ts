import type { ActivationKernels } from "../../families/activation.js";
import { exp, log } from "../math.js";
import { exponential, maximum, rowSum } from "../softmax.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** The JavaScript implementation of assembly/activation/log-softmax.ts. */
export function logSoftmaxKernels(
  views: Views,
): Pick<ActivationKernels, "log_softmax_f32" | "log_softmax_backward_f32"> {
  return {
    log_softmax_f32(rows, columns, xPtr, yPtr) {
      const { f32 } = views;
      for (let row = 0; row < rows; row++) {
        const x = (xPtr >>> 2) + row * columns;
        const y = (yPtr >>> 2) + row * columns;
        const max = maximum(f32, x, columns);
        const shift = log(rowSum(columns, (j) => exponential(f32[x + j]!, max)));
        for (let j = 0; j < columns; j++) f32[y + j] = f(f32[x + j]! - max) - shift;
      }
    },
    log_softmax_backward_f32(rows, columns, yPtr, dyPtr, dxPtr) {
      const { f32 } = views;
      for (let row = 0; row < rows; row++) {
        const y = (yPtr >>> 2) + row * columns;
        const dy = (dyPtr >>> 2) + row * columns;
        const dx = (dxPtr >>> 2) + row * columns;
        const sum = rowSum(columns, (j) => f32[dy + j]!);
        for (let j = 0; j < columns; j++) f32[dx + j] = f32[dy + j]! - f(exp(f32[y + j]!) * sum);
      }
    },
  };
}
