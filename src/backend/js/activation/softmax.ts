import type { ActivationKernels } from "../../families/activation.js";
import { exp, log } from "../math.js";
import { exponential, maximum, rowSum } from "../softmax.js";
import type { Views } from "../views.js";

const f = Math.fround;

type Forward = ActivationKernels["softmax_f32"];
type Backward = ActivationKernels["softmax_backward_f32"];

/** The JavaScript implementation of assembly/activation/softmax.ts. */
export function softmaxKernels(
  views: Views,
): Pick<ActivationKernels, "softmax_f32" | "log_softmax_f32" | "softmax_backward_f32" | "log_softmax_backward_f32"> {
  /** Σ along an axis: as rows are added where its elements are neighbors, else in ascending order. */
  function axisSum(axis: number, inner: number, addend: (a: number) => number): number {
    if (inner === 1) return rowSum(axis, addend);
    let sum = 0;
    for (let a = 0; a < axis; a++) sum = f(sum + addend(a));
    return sum;
  }

  function forward(isLogarithm: boolean): Forward {
    return (outer, axis, inner, xPtr, yPtr) => {
      const { f32 } = views;
      for (let column = 0; column < outer * inner; column++) {
        const offset = Math.floor(column / inner) * axis * inner + (column % inner);
        const x = (xPtr >>> 2) + offset;
        const y = (yPtr >>> 2) + offset;
        const max = maximum(f32, x, axis, inner);
        const sum = axisSum(axis, inner, (a) => exponential(f32[x + a * inner]!, max));
        const shift = log(sum);
        for (let a = 0; a < axis; a++) {
          const value = f32[x + a * inner]!;
          f32[y + a * inner] = isLogarithm ? f(value - max) - shift : exponential(value, max) / sum;
        }
      }
    };
  }

  function backward(isLogarithm: boolean): Backward {
    return (outer, axis, inner, yPtr, dyPtr, dxPtr) => {
      const { f32 } = views;
      for (let column = 0; column < outer * inner; column++) {
        const offset = Math.floor(column / inner) * axis * inner + (column % inner);
        const y = (yPtr >>> 2) + offset;
        const dy = (dyPtr >>> 2) + offset;
        const dx = (dxPtr >>> 2) + offset;
        const sum = axisSum(axis, inner, (a) => {
          const slope = f32[dy + a * inner]!;
          return isLogarithm ? slope : f(slope * f32[y + a * inner]!);
        });
        for (let a = 0; a < axis; a++) {
          const [yi, slope] = [f32[y + a * inner]!, f32[dy + a * inner]!];
          f32[dx + a * inner] = isLogarithm ? slope - f(exp(yi) * sum) : yi * f(slope - sum);
        }
      }
    };
  }

  return {
    softmax_f32: forward(false),
    log_softmax_f32: forward(true),
    softmax_backward_f32: backward(false),
    log_softmax_backward_f32: backward(true),
  };
}
