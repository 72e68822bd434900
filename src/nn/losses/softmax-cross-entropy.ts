import { nnFamily } from "../../backend/families/nn.js";
import type { Loss } from "./loss.js";

/**
 * Mean over the rows of −Σ t·log(softmax(y)), y being logits: the model ends without a softmax, or with one that the
 * loss computes. Targets are class indices, one a row, or a probability for each class.
 *
 * Numerics: the largest logit is subtracted first, so no exp overflows; the mean is taken in float64.
 *
 * @example
 * const trainer = new Trainer(model, { loss: softmaxCrossEntropy(), optimizer });
 * trainer.step(x, Uint8Array.of(3, 1, 4)); // three rows of x, their classes
 */
export function softmaxCrossEntropy(): Loss {
  return {
    name: "softmaxCrossEntropy",
    acceptsIndices: true,
    absorbs: "softmax",
    answers: "rows",
    plan(builder, y, { value, areIndices, weights = 0 }) {
      const columns = y.shape.at(-1)!;
      const rows = y.size / columns;
      const grad = builder.gradient(y) ?? 0;
      builder.result(nnFamily, "softmax_cross_entropy_f32", [rows, columns, y, value, +areIndices, weights, grad]);
    },
  };
}
