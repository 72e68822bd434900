import type { RegressionKernels } from "../../families/regression.js";
import { huber, meanAbsoluteError, meanLoss, meanSquaredError } from "../mean-loss.js";
import type { Views } from "../views.js";

/** The JavaScript implementation of assembly/regression/regression.ts. */
export function regressionKernels(views: Views): RegressionKernels {
  return {
    mean_squared_error_f32: (rows, columns, y, targets, weights, grad) =>
      meanLoss(views, meanSquaredError, rows, columns, rows * columns, y, targets, weights, grad),
    mean_absolute_error_f32: (rows, columns, y, targets, weights, grad) =>
      meanLoss(views, meanAbsoluteError, rows, columns, rows * columns, y, targets, weights, grad),
    huber_f32: (rows, columns, y, targets, weights, grad, delta) =>
      meanLoss(views, huber, rows, columns, rows * columns, y, targets, weights, grad, Math.fround(delta)),
  };
}
