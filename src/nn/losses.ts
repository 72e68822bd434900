import type { NetworkKernels } from "../backend/families/nn.js";
import { checkFinite } from "../checks.js";
import { OptionError } from "../errors.js";

/** How a prediction is held against its target. Every loss is a mean: over the rows, or over all elements. */
export interface Loss {
  readonly name: string;
  /** Targets may be class indices, one a row, instead of one value for each output. */
  readonly acceptsIndices: boolean;
  /** The loss takes what enters this activation, if the model ends in it; computing both at once is stable. */
  readonly absorbs: "sigmoid" | undefined;
  /** Which outputs count as one answer that is right or wrong: none, each element, or each row. */
  readonly answers: "none" | "elements" | "rows";
  /** The mean loss; writes its gradient unless `gradPtr` is 0. */
  compute(
    kernels: NetworkKernels,
    rows: number,
    columns: number,
    outputPtr: number,
    targetsPtr: number,
    targetsAreIndices: number,
    gradPtr: number,
  ): number;
}

/** Mean over all elements of (y − t)²; its gradient is 2·(y − t) / (rows · outputs). Taken in float64, rounded once. */
export function meanSquaredError(): Loss {
  return {
    name: "meanSquaredError",
    acceptsIndices: false,
    absorbs: undefined,
    answers: "none",
    compute: (kernels, rows, columns, output, targets, _, grad) =>
      kernels.mean_squared_error_f32(rows * columns, output, targets, grad),
  };
}

/**
 * Mean over the rows of −Σ t·log(softmax(y)), y being logits: the model ends without a softmax.
 * Targets are class indices, one a row, or a probability for each class.
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
    absorbs: undefined,
    answers: "rows",
    compute: (kernels, rows, columns, output, targets, targetsAreIndices, grad) =>
      kernels.softmax_cross_entropy_f32(rows, columns, output, targets, targetsAreIndices, grad),
  };
}

/**
 * Mean over all elements of −t·log(p) − (1 − t)·log(1 − p), with p the output of a model that ends in `sigmoid()`, or
 * sigmoid(y) of one that does not. Either way it is computed from what enters the sigmoid, which loses no digits.
 */
export function binaryCrossEntropy(): Loss {
  return {
    name: "binaryCrossEntropy",
    acceptsIndices: false,
    absorbs: "sigmoid",
    answers: "elements",
    compute: (kernels, rows, columns, output, targets, _, grad) =>
      kernels.binary_cross_entropy_f32(rows * columns, output, targets, grad),
  };
}

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
  return {
    name: "huber",
    acceptsIndices: false,
    absorbs: undefined,
    answers: "none",
    compute: (kernels, rows, columns, output, targets, _, grad) =>
      kernels.huber_f32(rows * columns, output, targets, grad, delta),
  };
}
