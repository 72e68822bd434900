import type { ReduceKernels } from "../../families/reduce.js";
import { sumOfRun } from "../sums.js";
import type { Views } from "../views.js";

/** The JavaScript implementation of assembly/reduce/reduce.ts. */
export function reduceKernels(views: Views): Pick<ReduceKernels, "sum_f32" | "mean_f32" | "max_f32" | "broadcast_f32"> {
  function sumAndDivide(outer: number, axis: number, inner: number, divisor: number, xPtr: number, yPtr: number) {
    const { f32 } = views;
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const x = (xPtr >>> 2) + o * axis * inner + i;
        let sum = 0;
        if (inner === 1) sum = sumOfRun(axis, (a) => f32[x + a]!);
        else for (let a = 0; a < axis; a++) sum += f32[x + a * inner]!;
        f32[(yPtr >>> 2) + o * inner + i] = sum / divisor;
      }
    }
  }

  return {
    sum_f32: (outer, axis, inner, xPtr, yPtr) => sumAndDivide(outer, axis, inner, 1, xPtr, yPtr),
    mean_f32: (outer, axis, inner, xPtr, yPtr) => sumAndDivide(outer, axis, inner, axis, xPtr, yPtr),
    max_f32(outer, axis, inner, xPtr, yPtr) {
      const { f32 } = views;
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          const x = (xPtr >>> 2) + o * axis * inner + i;
          let most = Number.NEGATIVE_INFINITY;
          for (let a = 0; a < axis; a++) most = Math.max(most, f32[x + a * inner]!);
          f32[(yPtr >>> 2) + o * inner + i] = most;
        }
      }
    },
    broadcast_f32(outer, axis, inner, divisor, xPtr, yPtr) {
      const { f32 } = views;
      const rounded = Math.fround(divisor);
      for (let o = 0; o < outer; o++) {
        const x = (xPtr >>> 2) + o * inner;
        for (let a = 0; a < axis; a++) {
          const y = (yPtr >>> 2) + (o * axis + a) * inner;
          for (let i = 0; i < inner; i++) f32[y + i] = f32[x + i]! / rounded;
        }
      }
    },
  };
}
