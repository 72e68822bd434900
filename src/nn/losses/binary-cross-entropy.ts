import { binaryCrossEntropyFamily } from "../../backend/families/binary-cross-entropy.js";
import { nnFamily } from "../../backend/families/nn.js";
import { checkFinite, checkKeys } from "../../checks.js";
import type { Value } from "../value.js";
import type { Loss } from "./loss.js";
import { type ClassOptions, checkClassOptions, checkProbabilities, weighClasses } from "./targets.js";

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions extends ClassOptions {
  /** How many times a positive example counts, >= 0. Default 1. */
  positiveWeight?: number;
}

/**
 * Mean over all elements of −t·log(p) − (1 − t)·log(1 − p), with p the output of a model that ends in `sigmoid()`, or
 * sigmoid(y) of one that does not. Either way it is computed from what enters the sigmoid, which loses no digits.
 *
 * @param options `classWeights`: of the targets 0 and 1, which are then the only ones; `labelSmoothing` s:
 *   t·(1 − s) + s / 2; `positiveWeight`: a factor of t·log(p), as PyTorch's `pos_weight`
 * @throws OptionError
 */
export function binaryCrossEntropy(options: BinaryCrossEntropyOptions = {}): Loss {
  checkKeys("options", options, ["classWeights", "labelSmoothing", "positiveWeight"]);
  const { classWeights, labelSmoothing } = checkClassOptions(options);
  const { positiveWeight = 1 } = options;
  checkFinite("positiveWeight", positiveWeight, 0);
  return {
    name: "binaryCrossEntropy",
    acceptsIndices: false,
    absorbs: "sigmoid",
    answers: "elements",
    checkTargets: checkProbabilities,
    plan(builder, y, targets) {
      const grad = builder.gradient(y) ?? 0;
      let { value } = targets;
      let weights: Value | 0 = targets.weights ?? 0;
      let repeat = y.rowSize;
      if (classWeights !== undefined) {
        ({ weights, repeat } = weighClasses(builder, classWeights, targets, y.size, 1, 2));
      }
      if (labelSmoothing !== 0) {
        const smoothed = builder.block(y.size);
        const args = [y.size, 1, value, 0, 1 - labelSmoothing, labelSmoothing / 2, smoothed];
        builder.call(nnFamily, "smooth_labels_f32", args);
        value = smoothed;
      }
      if (positiveWeight !== 1) {
        const [moved, weighed] = [builder.block(y.size), builder.block(y.size)];
        const args = [y.size, value, positiveWeight, weights, repeat, moved, weighed];
        builder.call(binaryCrossEntropyFamily, "positive_weights_f32", args);
        value = moved;
        weights = weighed;
        repeat = 1;
      }
      const args = [y.size / repeat, repeat, y, value, weights, grad];
      builder.result(binaryCrossEntropyFamily, "binary_cross_entropy_f32", args);
    },
  };
}
