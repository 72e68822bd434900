// What options of losses make of targets and weights, before the loss reads them.

import { argMax, indexOf } from "./loss";

/**
 * out[i, j] = t[i, j]·kept + share, for rows of targets, or with `targetsAreIndices` for rows that are 1 at the target's
 * index and 0 elsewhere. An index out of range gives NaN.
 *
 * Requires: `outPtr` equals `targetsPtr`, which are no indices then, or the two do not overlap.
 */
export function smooth_labels_f32(
  rows: usize, columns: usize, targetsPtr: usize, targetsAreIndices: i32, kept: f32, share: f32, outPtr: usize,
): void {
  assert(!((targetsPtr | outPtr) & 3), "operands are 4-byte aligned");
  if (!targetsAreIndices) {
    for (let count = rows * columns; count; count--, targetsPtr += 4, outPtr += 4) {
      store<f32>(outPtr, load<f32>(targetsPtr) * kept + share);
    }
    return;
  }
  for (; rows; rows--, targetsPtr += 4) {
    const index = indexOf(load<f32>(targetsPtr), columns);
    for (let j: usize = 0; j < columns; j++, outPtr += 4) {
      store<f32>(outPtr, index < 0 ? NaN : (<usize>index == j ? kept : 0) + share);
    }
  }
}

/**
 * out[i] = w[c] · weights[⌊i / repeat⌋] for the class c of row i: its target's index, the first largest of its probabilities, or
 * with one column the target itself, 0 or 1. `weightsPtr` may be 0: absent. What is no class gives NaN.
 *
 * Requires: `outPtr` equals `weightsPtr` with a `repeat` of 1, or overlaps nothing.
 */
export function class_weights_f32(
  rows: usize, columns: usize, targetsPtr: usize, targetsAreIndices: i32, classes: usize, classWeightsPtr: usize,
  weightsPtr: usize, repeat: usize, outPtr: usize,
): void {
  assert(!((targetsPtr | classWeightsPtr | weightsPtr | outPtr) & 3), "operands are 4-byte aligned");
  const single = targetsAreIndices || columns == 1;
  const rowBytes: usize = single ? 4 : columns << 2;
  for (let row: usize = 0; row < rows; row++, targetsPtr += rowBytes, outPtr += 4) {
    const index = single ? indexOf(load<f32>(targetsPtr), classes) : argMax(targetsPtr, columns);
    let weight: f32 = index < 0 || <usize>index >= classes ? NaN : load<f32>(classWeightsPtr + (<usize>index << 2));
    if (weightsPtr) weight *= load<f32>(weightsPtr + ((row / repeat) << 2));
    store<f32>(outPtr, weight);
  }
}
