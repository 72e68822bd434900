import { nnFamily } from "../../backend/families/nn.js";
import { checkKeys } from "../../checks.js";
import { OptionError } from "../../errors.js";
import type { Loss } from "./loss.js";
import { type ClassOptions, checkClassOptions, checkProbabilities, weighClasses } from "./targets.js";

/**
 * Mean over the rows of −Σ t·log(softmax(y)), y being logits: the model ends without a softmax, or with one that the
 * loss computes. Targets are class indices, one a row, or a probability for each class.
 *
 * Numerics: the largest logit is subtracted first, so no exp overflows; the mean is taken in float64.
 *
 * @param options `classWeights`, one for each output; `labelSmoothing` s: t·(1 − s) + s / classes
 * @throws OptionError
 * @example
 * const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
 * trainer.step(x, Uint8Array.of(3, 1, 4)); // three rows of x, their classes
 */
export function softmaxCrossEntropy(options: ClassOptions = {}): Loss {
  checkKeys("options", options, ["classWeights", "labelSmoothing"]);
  const { classWeights, labelSmoothing } = checkClassOptions(options);
  return {
    name: "softmaxCrossEntropy",
    acceptsIndices: true,
    absorbs: "softmax",
    answers: "rows",
    checkTargets: checkProbabilities,
    plan(builder, y, targets) {
      const columns = y.shape.at(-1)!;
      if (columns === 1) {
        throw new OptionError("softmaxCrossEntropy over one output is always 0; use binaryCrossEntropy()");
      }
      const rows = y.size / columns;
      const grad = builder.gradient(y) ?? 0;
      const { weights, repeat } = weighClasses(builder, classWeights, targets, rows, columns, columns);
      let { value, areIndices } = targets;
      if (labelSmoothing !== 0) {
        const smoothed = builder.block(y.size);
        const share = labelSmoothing / columns;
        const args = [rows, columns, value, +areIndices, 1 - labelSmoothing, share, smoothed];
        builder.call(nnFamily, "smooth_labels_f32", args);
        value = smoothed;
        areIndices = false;
      }
      const args = [rows, columns, y, value, +areIndices, weights, repeat, grad];
      builder.result(nnFamily, "softmax_cross_entropy_f32", args);
    },
  };
}
