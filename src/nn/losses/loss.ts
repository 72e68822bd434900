import type { KernelFamily } from "../../backend/family.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";

/** The targets of a batch, as a loss reads them. */
export interface Targets {
  /** One value for each output, or one class index for each row. */
  readonly value: Value;
  readonly areIndices: boolean;
  /** One factor for each row of the batch; absent where all are 1. */
  readonly weights: Value | undefined;
}

/** How a prediction is compared with its target. Losses of your own implement this interface. */
export interface Loss {
  readonly name: string;
  /** Targets may be class indices, one for each row, instead of one value for each output. */
  readonly acceptsIndices: boolean;
  /** The activation that this loss computes itself if the model ends in it: computing both at once is stable. */
  readonly absorbs: string | undefined;
  /** Which outputs count as one answer that is right or wrong: none, each element, or each row. */
  readonly answers: "none" | "elements" | "rows";
  /**
   * Throws OptionError unless these targets make sense, naming `${name}[i]`. Class indices are checked already.
   *
   * @param columns outputs of a row
   */
  checkTargets?(name: string, targets: ArrayLike<number>, columns: number): void;
  /**
   * Emits a call that returns the mean loss (`builder.result`), and writes the gradient of the mean if
   * `builder.gradient(y)` is a value.
   */
  plan(builder: PlanBuilder, y: Value, targets: Targets): void;
}

/**
 * A loss that is a mean over all elements.
 *
 * @param family that has the kernel, which is an `ElementLossKernel`
 * @param more what the kernel takes besides
 */
export function elementwiseLoss<K>(
  family: KernelFamily<K>,
  kernel: keyof K & string,
  loss: Pick<Loss, "name"> & Partial<Loss>,
  ...more: number[]
): Loss {
  return {
    acceptsIndices: false,
    absorbs: undefined,
    answers: "none",
    ...loss,
    plan(builder, y, { value, weights = 0 }) {
      const grad = builder.gradient(y) ?? 0;
      builder.result(family, kernel, [builder.rows, y.rowSize, y, value, weights, grad, ...more]);
    },
  };
}
