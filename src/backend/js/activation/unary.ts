import type { ActivationKernels } from "../../families/activation.js";
import type { Views } from "../views.js";
import { FORMULAS } from "./formulas.js";

/** The JavaScript implementation of assembly/activation/unary.ts and prelu.ts. */
export function unaryKernels(
  views: Views,
): Pick<ActivationKernels, "unary_f32" | "unary_backward_f32" | "prelu_f32" | "prelu_backward_f32"> {
  const f = Math.fround;
  return {
    unary_f32(kind, count, alpha, xPtr, yPtr) {
      const { f32 } = views;
      const formula = FORMULAS[kind]!;
      const parameter = formula.isSingle ? f(alpha) : alpha;
      const x = xPtr >>> 2;
      const y = yPtr >>> 2;
      for (let i = 0; i < count; i++) f32[y + i] = formula.value(f32[x + i]!, parameter); // the store rounds
    },
    unary_backward_f32(kind, count, alpha, xPtr, dyPtr, dxPtr) {
      const { f32 } = views;
      const formula = FORMULAS[kind]!;
      const parameter = formula.isSingle ? f(alpha) : alpha;
      const x = xPtr >>> 2;
      const dy = dyPtr >>> 2;
      const dx = dxPtr >>> 2;
      for (let i = 0; i < count; i++) f32[dx + i] = f32[dy + i]! * formula.slope(f32[x + i]!, parameter);
    },
    prelu_f32(rows, columns, xPtr, alphaPtr, yPtr) {
      const { f32 } = views;
      const alpha = alphaPtr >>> 2;
      for (let i = 0; i < rows; i++) {
        const x = (xPtr >>> 2) + i * columns;
        const y = (yPtr >>> 2) + i * columns;
        for (let j = 0; j < columns; j++) {
          const value = f32[x + j]!;
          f32[y + j] = value > 0 ? value : f32[alpha + j]! * value;
        }
      }
    },
    prelu_backward_f32(rows, columns, stride, xPtr, alphaPtr, dyPtr, dxPtr, dalphaPtr) {
      const { f32 } = views;
      for (let j = 0; j < columns; j++) {
        const alpha = f32[(alphaPtr >>> 2) + j]!;
        let sum = 0;
        for (let i = 0; i < rows; i++) {
          const at = i * stride + j;
          const x = f32[(xPtr >>> 2) + at]!;
          const dy = f32[(dyPtr >>> 2) + at]!;
          if (!(x > 0)) sum += dy * x;
          f32[(dxPtr >>> 2) + at] = x > 0 ? dy : alpha * dy;
        }
        f32[(dalphaPtr >>> 2) + j] = sum;
      }
    },
  };
}
