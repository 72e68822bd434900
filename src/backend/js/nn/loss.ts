import type { NetworkKernels } from "../../families/nn.js";
import { exp, log } from "../math.js";
import { maximum, rowSum } from "../softmax.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** Index of the first largest element; −1 if there is a NaN, or nothing at all. */
export function argMax(f32: Float32Array, at: number, columns: number): number {
  let best = -1;
  for (let j = 0; j < columns; j++) {
    const x = f32[at + j]!;
    if (Number.isNaN(x)) return -1;
    if (best < 0 || x > f32[at + best]!) best = j;
  }
  return best;
}

/** The index that a target is, −1 if it is none of `columns`. */
export function indexOf(target: number, columns: number): number {
  return Number.isInteger(target) && target >= 0 && target < columns ? target : -1;
}

/** The JavaScript implementation of assembly/nn/loss.ts. */
export function crossEntropyKernels(
  views: Views,
): Pick<NetworkKernels, "softmax_cross_entropy_f32" | "count_correct_f32"> {
  return {
    softmax_cross_entropy_f32(rows, columns, logitsPtr, targetsPtr, targetsAreIndices, weightsPtr, repeat, gradPtr) {
      const { f32 } = views;
      const mean = f(1 / rows);
      let z = logitsPtr >>> 2;
      let t = targetsPtr >>> 2;
      let grad = gradPtr >>> 2;
      let max = 0;
      let index = -1;
      const target = (j: number) => (targetsAreIndices ? (j === index ? 1 : 0) : f32[t + j]!);
      const distance = (j: number) => f(f32[z + j]! - max);
      const crossing = (j: number) => f(target(j) * distance(j));
      const exponential = (j: number) => {
        const e = exp(distance(j));
        if (gradPtr !== 0) f32[grad + j] = e;
        return e;
      };
      let total = 0;
      for (let row = 0; row < rows; row++) {
        max = maximum(f32, z, columns);
        let mass = Number.NaN;
        let cross = Number.NaN;
        if (!targetsAreIndices) {
          mass = rowSum(columns, target);
          cross = rowSum(columns, crossing);
        } else {
          index = indexOf(f32[t]!, columns);
          if (index >= 0) {
            mass = 1;
            cross = distance(index);
          }
        }
        const sum = rowSum(columns, exponential);
        const share = weightsPtr === 0 ? 1 : f32[(weightsPtr >>> 2) + Math.floor(row / repeat)]!;
        const weight = f(mean * share);
        total += f(f(log(sum) * mass) - cross) * share;
        if (gradPtr !== 0) {
          for (let j = 0; j < columns; j++) {
            f32[grad + j] = f(f(f(f32[grad + j]! / sum) * mass) - target(j)) * weight; // the store rounds
          }
        }
        z += columns;
        t += targetsAreIndices ? 1 : columns;
        grad += columns;
      }
      return f(total / rows);
    },
    count_correct_f32(rows, columns, yPtr, targetsPtr, targetsAreIndices, threshold) {
      const { f32 } = views;
      const limit = f(threshold);
      let correct = 0;
      for (let row = 0; row < rows; row++) {
        const y = (yPtr >>> 2) + row * columns;
        const t = (targetsPtr >>> 2) + row * (targetsAreIndices ? 1 : columns);
        if (columns === 1) {
          const [yi, ti] = [f32[y]!, f32[t]!];
          if (!Number.isNaN(yi) && !Number.isNaN(ti) && yi > limit === ti > 0.5) correct++;
        } else {
          const best = argMax(f32, y, columns);
          const target = targetsAreIndices ? f32[t]! : argMax(f32, t, columns);
          if (best >= 0 && best === target) correct++;
        }
      }
      return correct;
    },
  };
}
