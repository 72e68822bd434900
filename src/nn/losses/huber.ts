import { regressionFamily } from "../../backend/families/regression.js";
import { checkFinite } from "../../checks.js";
import { OptionError } from "../../errors.js";
import { elementwiseLoss, type Loss } from "./loss.js";

/**
 * Mean over all elements of ½·d² where |d| <= delta, delta·(|d| − ½·delta) beyond, with d = y − t.
 *
 * @param delta above 0; default 1
 * @throws OptionError
 * @see PyTorch HuberLoss
 */
export function huber(delta = 1): Loss {
  checkFinite("delta", delta, 0);
  if (delta === 0) throw new OptionError("delta is 0, expected a number above 0");
  return elementwiseLoss(regressionFamily, "huber_f32", { name: "huber" }, delta);
}
