import { regressionFamily } from "../../backend/families/regression.js";
import { elementwiseLoss, type Loss } from "./loss.js";

/** Mean over all elements of (y − t)²; its gradient is 2·(y − t) / (rows · outputs). Taken in float64, rounded once. */
export function meanSquaredError(): Loss {
  return elementwiseLoss(regressionFamily, "mean_squared_error_f32", { name: "meanSquaredError" });
}
