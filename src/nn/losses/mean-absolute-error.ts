import { lossFamily } from "../../backend/families/loss.js";
import { elementwiseLoss, type Loss } from "./loss.js";

/** Mean over all elements of |y − t|; its gradient is the sign of y − t, 0 where they are equal. */
export function meanAbsoluteError(): Loss {
  return elementwiseLoss(lossFamily, "mean_absolute_error_f32", { name: "meanAbsoluteError" });
}
