import type { Core } from "../core.js";
import type { Tensor } from "../tensor.js";
import type { StepOptions } from "./options.js";
import type { Gradients, Structure } from "./parameters.js";
import type { RowTable } from "./rows.js";
import type { Slot } from "./slots.js";

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

/** What an optimizer does for a step with rows. */
export interface RowSteps {
  readonly core: Core;
  readonly structures: readonly Structure<Slot>[];
  readonly onNonFinite: Required<StepOptions>["onNonFinite"];
  readonly table: RowTable;
  /** The slot of this name; throws OptionError, with `path`, unless its rows can be updated. */
  slotOf(name: string, path: string): Slot;
  /** A step of whole parameters; whether it was made. */
  advance(whole: Gradients): boolean;
  /** Updates rows that were checked. */
  update(slot: Slot, indices: Float64Array, grads: Tensor | Float32Array): void;
}

/** A step, if some of the gradients are of rows; whether some are. */
export type StepWithRows = (grads: Gradients, stepsOf: () => RowSteps) => boolean;

/** How such a step is made, once a program has called `rows`: others do not have the code. */
export const rowSteps: { run?: StepWithRows } = {};
