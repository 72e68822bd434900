import { type CoreKernels, coreFamily } from "../backend/families/core.js";
import type { Core } from "../core.js";
import { Tensor } from "../tensor.js";
import { ACCUMULATOR } from "./options.js";
import type { SegmentTable } from "./segment-table.js";
import type { Slot } from "./slots.js";

/** The address of the gradient that the caller gave, which is copied there if it is an array; 0 without one. */
export function locateGradient({ gradient, stagingPtr }: Slot, table: SegmentTable): number {
  if (gradient === undefined) return 0;
  if (gradient instanceof Tensor) return gradient.ptr;
  table.copyIn(gradient, stagingPtr);
  return stagingPtr;
}

/**
 * Adds the gradients to their sums, or with a negative divisor moves their means; for an update the means become the
 * gradients of the step. A slot that had no gradient since the last update has none now; if `drops`, nor has one that
 * has none in this call.
 */
export function accumulate(
  core: Core,
  table: SegmentTable,
  slots: readonly Slot[],
  divisor: number,
  isUpdate: boolean,
  drops = false,
): void {
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    const sumPtr = slot.statePtr(ACCUMULATOR);
    let gradPtr = locateGradient(slot, table);
    if (gradPtr !== 0 && !slot.accumulated) {
      table.clear(sumPtr, slot.size);
      slot.accumulated = true;
    }
    // Nothing to add: the sum is divided only, the mean moves by a gradient of 0.
    if (gradPtr === 0 && slot.accumulated && !slot.frozen && divisor !== 0 && !drops) gradPtr = sumPtr;
    table.setGradient(i, gradPtr);
    slot.gradPtr = gradPtr;
  }
  const { accumulate_f32 }: CoreKernels = core.kernels(coreFamily);
  accumulate_f32(table.ptr, slots.length, divisor);
  if (!isUpdate) return;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    const takes = slot.accumulated && !slot.frozen && !(drops && slot.gradPtr === 0);
    slot.accumulated = false;
    slot.gradPtr = takes ? slot.statePtr(ACCUMULATOR) : 0;
  }
}
