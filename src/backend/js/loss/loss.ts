import type { LossKernels } from "../../families/loss.js";
import { hinge, klDivergence, meanLoss } from "../mean-loss.js";
import type { Views } from "../views.js";

/** The JavaScript implementation of assembly/loss/loss.ts. */
export function lossKernels(views: Views): LossKernels {
  function areBinary(count: number, targets: number): boolean {
    const { f32 } = views;
    for (let i = 0; i < count; i++) if (f32[targets + i] !== 0 && f32[targets + i] !== 1) return false;
    return true;
  }

  return {
    hinge_f32(rows, columns, y, targets, weights, grad) {
      const count = rows * columns;
      const binary = Number(areBinary(count, targets >>> 2));
      return meanLoss(views, hinge, rows, columns, count, y, targets, weights, grad, binary);
    },
    kl_divergence_f32: (rows, columns, y, targets, weights, grad, answers) =>
      meanLoss(views, klDivergence, rows, columns, answers, y, targets, weights, grad),
  };
}
