import type { LossKernels } from "../../families/loss.js";
import { argMax, indexOf } from "../nn/loss.js";
import { hinge, klDivergence, meanAbsoluteError, meanLoss, weightedBinaryCrossEntropy } from "../nn/mean-loss.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** The JavaScript implementation of assembly/loss/loss.ts. */
export function moreLossKernels(views: Views): LossKernels {
  function areBinary(count: number, targets: number): boolean {
    const { f32 } = views;
    for (let i = 0; i < count; i++) if (f32[targets + i] !== 0 && f32[targets + i] !== 1) return false;
    return true;
  }

  return {
    mean_absolute_error_f32: (rows, columns, y, targets, weights, grad) =>
      meanLoss(views, meanAbsoluteError, rows, columns, rows * columns, y, targets, weights, grad),
    hinge_f32(rows, columns, y, targets, weights, grad) {
      const count = rows * columns;
      const binary = Number(areBinary(count, targets >>> 2));
      return meanLoss(views, hinge, rows, columns, count, y, targets, weights, grad, binary);
    },
    kl_divergence_f32: (rows, columns, y, targets, weights, grad) =>
      meanLoss(views, klDivergence, rows, columns, rows, y, targets, weights, grad),
    weighted_binary_cross_entropy_f32(rows, columns, y, targets, weights, grad, positiveWeight) {
      const loss = weightedBinaryCrossEntropy;
      return meanLoss(views, loss, rows, columns, rows * columns, y, targets, weights, grad, f(positiveWeight));
    },
    smooth_labels_f32(rows, columns, targetsPtr, targetsAreIndices, kept, share, outPtr) {
      const { f32 } = views;
      const targets = targetsPtr >>> 2;
      const out = outPtr >>> 2;
      for (let i = 0; i < rows; i++) {
        const index = targetsAreIndices ? indexOf(f32[targets + i]!, columns) : -1;
        for (let j = 0; j < columns; j++) {
          let smoothed = f(kept) * (index === j ? 1 : 0);
          if (!targetsAreIndices) smoothed = f(f32[targets + i * columns + j]! * f(kept));
          else if (index < 0) smoothed = Number.NaN;
          f32[out + i * columns + j] = smoothed + f(share); // the store rounds
        }
      }
    },
    class_weights_f32(rows, columns, targetsPtr, targetsAreIndices, classes, classWeightsPtr, weightsPtr, outPtr) {
      const { f32 } = views;
      const targets = targetsPtr >>> 2;
      const isSingle = targetsAreIndices !== 0 || columns === 1;
      for (let i = 0; i < rows; i++) {
        const index = isSingle ? indexOf(f32[targets + i]!, classes) : argMax(f32, targets + i * columns, columns);
        const weight = index < 0 || index >= classes ? Number.NaN : f32[(classWeightsPtr >>> 2) + index]!;
        const share = weightsPtr === 0 ? 1 : f32[(weightsPtr >>> 2) + i]!;
        f32[(outPtr >>> 2) + i] = weight * share;
      }
    },
  };
}
