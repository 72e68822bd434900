import { regressionFamily } from "../../backend/families/regression.js";
import { elementwiseLoss, type Loss } from "./loss.js";

/** Mean over all elements of |y − t|; its gradient is the sign of y − t, 0 where they are equal. */
export function meanAbsoluteError(): Loss {
  return elementwiseLoss(regressionFamily, "mean_absolute_error_f32", { name: "meanAbsoluteError" });
}
