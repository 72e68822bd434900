import type { Tensor } from "../tensor.js";

/** Rows of a tensor, along its first axis. */
export type RowIndices = readonly number[] | Int32Array | Uint32Array;

/** The gradient of some rows of a parameter; made by `rows`. */
export class RowGradient {
  readonly indices: RowIndices;
  readonly grads: Tensor | Float32Array;

  /** Use `rows`. @internal */
  constructor(indices: RowIndices, grads: Tensor | Float32Array) {
    this.indices = indices;
    this.grads = grads;
  }
}

/** Whether a program has made any: one that has not pays nothing for looking. */
let areUsed = false;

/**
 * The gradient of the rows of an embedding that a batch has touched, for `optimizer.step`, together with gradients of
 * whole parameters. The rows are updated as `stepRows` does, and all of it is one step.
 *
 * @param indices integers from 0 to the length of the parameter's first axis − 1; the gradients of one that is named
 *   several times are added in the order of the list
 * @param grads the gradients of these rows, one after the other: a Tensor [indices.length, ...the other axes] or a
 *   Float32Array
 * @example
 * const table = core.tensor([1000, 16]);
 * const head = core.tensor([16, 2]);
 * const optimizer = new RMSProp(core, { table, head });
 * optimizer.step({ table: rows([7, 42], new Float32Array(32).fill(0.1)), head: core.tensor([16, 2]) });
 */
export function rows(indices: RowIndices, grads: Tensor | Float32Array): RowGradient {
  areUsed = true;
  return new RowGradient(indices, grads);
}

/** Whether `rows` was ever called. */
export function rowsAreUsed(): boolean {
  return areUsed;
}
