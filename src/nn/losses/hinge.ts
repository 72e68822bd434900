import { lossFamily } from "../../backend/families/loss.js";
import { unexpected } from "../../checks.js";
import { elementwiseLoss, type Loss } from "./loss.js";

/**
 * Mean over all elements of max(1 − t·y, 0). Targets are −1 and 1; where all of a batch are 0 or 1, 0 means −1. Its
 * gradient is −t where 1 − t·y is above 0, else 0.
 *
 * @see Keras Hinge
 */
export function hinge(): Loss {
  return elementwiseLoss(lossFamily, "hinge_f32", {
    name: "hinge",
    checkTargets(name, targets) {
      for (let i = 0; i < targets.length; i++) {
        const target = targets[i]!;
        if (!(target >= -1 && target <= 1)) throw unexpected(`${name}[${i}]`, target, "−1 or 1, or 0 or 1");
      }
    },
  });
}
