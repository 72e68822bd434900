import { lossFamily } from "../../backend/families/loss.js";
import type { Loss } from "./loss.js";
import { checkProbabilities } from "./targets.js";

/**
 * Mean over the rows of Σ t·log(t / y): how far the probabilities y of a model, which ends in `softmax()`, are from
 * those of the targets. Each is taken from 1e-7 to 1, as in Keras; where y is beyond, its gradient is 0.
 *
 * @see Keras KLDivergence
 */
export function klDivergence(): Loss {
  return {
    name: "klDivergence",
    acceptsIndices: false,
    absorbs: undefined,
    answers: "rows",
    checkTargets: checkProbabilities,
    plan(builder, y, { value, weights = 0 }) {
      const answers = y.size / (y.shape.at(-1) ?? 1);
      const grad = builder.gradient(y) ?? 0;
      builder.result(lossFamily, "kl_divergence_f32", [builder.rows, y.rowSize, y, value, weights, grad, answers]);
    },
  };
}
