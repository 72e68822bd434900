import type { BinaryCrossEntropyKernels } from "../../families/binary-cross-entropy.js";
import { binaryCrossEntropy, meanLoss } from "../mean-loss.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** The JavaScript implementation of assembly/binary-cross-entropy/binary-cross-entropy.ts. */
export function binaryCrossEntropyKernels(views: Views): BinaryCrossEntropyKernels {
  return {
    binary_cross_entropy_f32: (rows, columns, y, targets, weights, grad) =>
      meanLoss(views, binaryCrossEntropy, rows, columns, rows * columns, y, targets, weights, grad),
    positive_weights_f32(count, targetsPtr, factor, weightsPtr, repeat, outPtr, outWeightsPtr) {
      const { f32 } = views;
      const rounded = f(factor);
      for (let i = 0; i < count; i++) {
        const target = f32[(targetsPtr >>> 2) + i]!;
        const weight = f(1 + f(f(rounded - 1) * target));
        f32[(outPtr >>> 2) + i] = f(rounded * target) / weight;
        const share = weightsPtr === 0 ? 1 : f32[(weightsPtr >>> 2) + Math.floor(i / repeat)]!;
        f32[(outWeightsPtr >>> 2) + i] = weight * share;
      }
    },
  };
}
