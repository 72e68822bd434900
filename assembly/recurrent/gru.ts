import { Off, On } from "../simd";
import { isUsual } from "./activation";
import { afterBackward, afterRow, beforeBackward, beforeRow, resetBackward, resetRow } from "./gru-rows";
import { CONSTANT_BYTES, multiply, packedRowBytes, packMatrix, padded, ROWS, writeConstants } from "./product";
import {
  addRow, copyOrClear, copyRow, findKept, firstSlot, firstStep, hasOutput, isMasked, outputBytes, putsOut, sequenceAt,
  stepBytes,
} from "./sequence";

const GATES: usize = 3;

/**
 * All steps of a GRU for `count` rows of the batch from `first` on, with resetAfter
 *
 *   s = h·U + b;  z = σ(a_z + s_z)  r = σ(aᵣ + sᵣ)  m = sₕ        g = φ(aₕ + r·m);   h ← z·h + (1 − z)·g
 *
 * and without
 *
 *   z = σ(a_z + h·U_z)  r = σ(aᵣ + h·Uᵣ)            m = r·h       g = φ(aₕ + m·Uₕ);  h ← z·h + (1 − z)·g
 *
 * U is [units, 3·units]; its columns, those of the gates a and of the bias b (3·units, resetAfter only, absent: zeros)
 * are in the order z, r, h. A step that the mask leaves out changes no state and puts out the previous output, 0 before
 * the first.
 *
 * Memory: `gates` [steps, batch, 3·units] has x·W + b, and then z, r, g where the mask leaves nothing out; `states`
 * [steps + 1, batch, units]: h; `candidates` [steps, batch, units]: m. The rest as in `lstm_forward_f32`, and so are its
 * requirements; scratch for 3 gates.
 * Numerics: a sum starts at +0 and adds its products in ascending order, then b, then a. The bits of a row depend on that
 * row alone.
 * Source: Cho et al. 2014 (without resetAfter); resetAfter is the form of cuDNN, PyTorch and Keras.
 */
export function gru_forward_f32(
  sequencePtr: usize, first: usize, count: usize, units: usize, steps: usize, recurrentPtr: usize, biasPtr: usize,
  gatesPtr: usize, statesPtr: usize, candidatesPtr: usize, maskPtr: usize,
  initialStatePtr: usize, finalStatePtr: usize, outputPtr: usize, scratchPtr: usize,
): void {
  assert(
    !((recurrentPtr | biasPtr | gatesPtr | statesPtr | candidatesPtr | maskPtr | initialStatePtr |
      finalStatePtr | outputPtr | scratchPtr) & 3),
    "operands are 4-byte aligned",
  );
  const sequence = sequenceAt(sequencePtr, first, count);
  const rowBytes = units << 2;
  const gateBytes = rowBytes * GATES;
  const outputRow = <usize>sequence.outputRow << 2;
  /** Columns of the first product: all, or those of z and r. */
  const after = sequence.resetAfter != 0;
  const columns = after ? units * GATES : units * 2;
  const sumRow = padded(columns) << 2;
  const lastRow = padded(units) << 2;

  const panels = scratchPtr + CONSTANT_BYTES;
  const lastPanels = packMatrix(columns, units, recurrentPtr, 4, gateBytes, panels);
  const packed = after ? lastPanels : packMatrix(units, units, recurrentPtr + rowBytes * 2, 4, gateBytes, lastPanels);
  const sums = packed + packedRowBytes(count, units);
  const lastSums = sums + min(count, ROWS) * sumRow;
  const zeros = lastSums + min(count, ROWS) * lastRow;
  const kept = zeros + gateBytes;
  writeConstants(scratchPtr);
  memory.fill(zeros, 0, gateBytes);
  findKept(sequence, maskPtr, first, count, steps, kept);
  const bias = biasPtr ? biasPtr : zeros;

  const usual = isUsual(sequence);
  const slot = stepBytes(sequence, rowBytes);
  let a = firstStep(sequence, gatesPtr, gateBytes, first, steps);
  let m = firstStep(sequence, candidatesPtr, rowBytes, first, steps);
  let h = firstSlot(sequence, statesPtr, rowBytes, first, steps);
  let y = outputPtr + first * outputRow;
  const at = first * rowBytes;
  copyOrClear(h, initialStatePtr ? initialStatePtr + at : 0, count * rowBytes);
  for (let step: usize = 0; step < steps; step++) {
    const writes = hasOutput(sequence, outputPtr, step, steps);
    for (let row: usize = 0; row < count; row++) {
      const i = row % ROWS;
      const offset = row * rowBytes;
      if (!i) {
        const rows = min(count - row, ROWS);
        multiply(rows, columns, units, h + offset, rowBytes, panels, packed, scratchPtr, sums, sumRow);
        if (!after) {
          for (let k: usize = 0; k < rows; k++) {
            const from = (row + k) * rowBytes;
            const gates = a + (row + k) * gateBytes;
            if (isMasked(sequence, maskPtr, first + row + k, step, steps)) memory.fill(m + from, 0, rowBytes);
            else if (usual) resetRow<On>(sequence, units, gates, sums + k * sumRow, h + from, m + from);
            else resetRow<Off>(sequence, units, gates, sums + k * sumRow, h + from, m + from);
          }
          multiply(rows, units, units, m + offset, rowBytes, lastPanels, packed, scratchPtr, lastSums, lastRow);
        }
      }
      const next = h + slot + offset;
      const gates = a + row * gateBytes;
      const masked = isMasked(sequence, maskPtr, first + row, step, steps);
      if (masked) copyRow(units, h + offset, next);
      else if (after) {
        const sum = sums + i * sumRow;
        if (usual) afterRow<On>(sequence, units, gates, sum, bias, m + offset, h + offset, next);
        else afterRow<Off>(sequence, units, gates, sum, bias, m + offset, h + offset, next);
      } else if (usual) beforeRow<On>(sequence, units, gates, lastSums + i * lastRow, h + offset, next);
      else beforeRow<Off>(sequence, units, gates, lastSums + i * lastRow, h + offset, next);
      if (writes) copyOrClear(y + row * outputRow, !masked || putsOut(sequence, kept, row, step) ? next : 0, rowBytes);
    }
    a += slot * GATES;
    m += slot;
    h += slot;
    y += outputBytes(sequence);
  }
  if (finalStatePtr) memory.copy(finalStatePtr + at, h, count * rowBytes);
}

/**
 * Gradients of all steps of a GRU, from the last one back, for `count` rows of the batch from `first` on. With dh = dy plus
 * what the step after it returns, and φ′(d), σ′(d) for d times the derivative:
 *
 *   da_z = σ′(dh·(h₋ − g))   daₕ = φ′(dh·(1 − z))
 *   with resetAfter   daᵣ = σ′(daₕ·m)    dm = daₕ·r          dh₋ = [da_z, daᵣ, dm]·Uᵀ + dh·z
 *   without           dm = daₕ·Uₕᵀ       daᵣ = σ′(dm·h₋)     dh₋ = [da_z, daᵣ]·[U_z, Uᵣ]ᵀ + (dh·z + dm·r)
 *
 * Overwrites the gates with da, which is 0 where the mask leaves a step out, and with resetAfter the candidates with dm.
 * So, over all rows, dU = Σ h₋ᵀ·[da_z, daᵣ, dm] and db = Σ [da_z, daᵣ, dm] with resetAfter; without it dUₕ = Σ mᵀ·daₕ.
 *
 * Memory: as in `gru_forward_f32` and `lstm_backward_f32`.
 * Numerics: a sum starts at +0 and adds its products in ascending order; dh₋ adds its product first and dy last.
 */
export function gru_backward_f32(
  sequencePtr: usize, first: usize, count: usize, units: usize, steps: usize, recurrentPtr: usize,
  gatesPtr: usize, statesPtr: usize, candidatesPtr: usize, maskPtr: usize,
  dOutputPtr: usize, dFinalStatePtr: usize, dInitialStatePtr: usize, scratchPtr: usize,
): void {
  assert(
    !((recurrentPtr | gatesPtr | statesPtr | candidatesPtr | maskPtr | dOutputPtr | dFinalStatePtr |
      dInitialStatePtr | scratchPtr) & 3),
    "operands are 4-byte aligned",
  );
  const sequence = sequenceAt(sequencePtr, first, count);
  const rowBytes = units << 2;
  const gateBytes = rowBytes * GATES;
  const outputRow = <usize>sequence.outputRow << 2;
  const after = sequence.resetAfter != 0;
  const depth = after ? units * GATES : units * 2;
  const sumRow = padded(units) << 2;
  const blockRows = min(count, ROWS);

  const panels = scratchPtr + CONSTANT_BYTES;
  const lastPanels = packMatrix(units, depth, recurrentPtr, gateBytes, 4, panels);
  const packed = after ? lastPanels : packMatrix(units, units, recurrentPtr + rowBytes * 2, gateBytes, 4, lastPanels);
  const dStates = packed + packedRowBytes(count, depth);
  /** What reaches h₋ without U; in a row that is left out, everything. */
  const direct = dStates + count * sumRow;
  /** With resetAfter da_z, daᵣ, dm; without dm. */
  const products = direct + blockRows * rowBytes;
  const zeros = products + blockRows * (after ? gateBytes : sumRow);
  const kept = zeros + rowBytes;
  writeConstants(scratchPtr);
  memory.fill(zeros, 0, rowBytes);
  findKept(sequence, maskPtr, first, count, steps, kept);

  const usual = isUsual(sequence);
  const slot = stepBytes(sequence, rowBytes);
  let a = firstStep(sequence, gatesPtr, gateBytes, first, steps) + steps * slot * GATES;
  let m = firstStep(sequence, candidatesPtr, rowBytes, first, steps) + steps * slot;
  let h = firstSlot(sequence, statesPtr, rowBytes, first, steps) + steps * slot;
  let dy = dOutputPtr + first * outputRow + steps * outputBytes(sequence);
  const at = first * rowBytes;
  for (let row: usize = 0; row < count; row++) {
    copyOrClear(dStates + row * sumRow, dFinalStatePtr ? dFinalStatePtr + at + row * rowBytes : 0, rowBytes);
  }
  for (let step = steps; step; ) {
    step--;
    a -= slot * GATES;
    m -= slot;
    h -= slot;
    dy -= outputBytes(sequence);
    const reads = hasOutput(sequence, dOutputPtr, step, steps);
    for (let from: usize = 0; from < count; from += ROWS) {
      const rows = min(count - from, ROWS);
      const dh = dStates + from * sumRow;
      const block = a + from * gateBytes;
      for (let i: usize = 0; i < rows; i++) {
        const row = from + i;
        const offset = row * rowBytes;
        const gates = block + i * gateBytes;
        const masked = isMasked(sequence, maskPtr, first + row, step, steps);
        const d = reads && (!masked || putsOut(sequence, kept, row, step)) ? dy + row * outputRow : zeros;
        const passed = direct + i * rowBytes;
        addRow(units, dh + i * sumRow, d, dh + i * sumRow);
        if (masked) {
          copyRow(units, dh + i * sumRow, passed);
          memory.fill(gates, 0, gateBytes);
          if (after) memory.fill(m + offset, 0, rowBytes);
        } else if (after) {
          if (usual) afterBackward<On>(sequence, units, gates, m + offset, h + offset, dh + i * sumRow, passed);
          else afterBackward<Off>(sequence, units, gates, m + offset, h + offset, dh + i * sumRow, passed);
        } else if (usual) beforeBackward<On>(sequence, units, gates, h + offset, dh + i * sumRow, passed);
        else beforeBackward<Off>(sequence, units, gates, h + offset, dh + i * sumRow, passed);
        if (after) {
          copyRow(units * 2, gates, products + i * gateBytes);
          copyRow(units, m + offset, products + i * gateBytes + rowBytes * 2);
        }
      }
      const goesOn = step != 0 || dInitialStatePtr != 0;
      if (after) {
        if (goesOn) multiply(rows, units, depth, products, gateBytes, panels, packed, scratchPtr, dh, sumRow);
      } else {
        multiply(rows, units, units, block + rowBytes * 2, gateBytes, lastPanels, packed, scratchPtr, products, sumRow);
        for (let i: usize = 0; i < rows; i++) {
          if (isMasked(sequence, maskPtr, first + from + i, step, steps)) continue;
          const gates = block + i * gateBytes;
          const offset = (from + i) * rowBytes;
          const product = products + i * sumRow;
          if (usual) resetBackward<On>(sequence, units, gates, h + offset, product, direct + i * rowBytes);
          else resetBackward<Off>(sequence, units, gates, h + offset, product, direct + i * rowBytes);
        }
        if (goesOn) multiply(rows, units, depth, block, gateBytes, panels, packed, scratchPtr, dh, sumRow);
      }
      for (let i: usize = 0; goesOn && i < rows; i++) {
        const masked = isMasked(sequence, maskPtr, first + from + i, step, steps);
        if (masked) copyRow(units, direct + i * rowBytes, dh + i * sumRow);
        else addRow(units, dh + i * sumRow, direct + i * rowBytes, dh + i * sumRow);
      }
    }
  }
  for (let row: usize = 0; dInitialStatePtr != 0 && row < count; row++) {
    copyRow(units, dStates + row * sumRow, dInitialStatePtr + at + row * rowBytes);
  }
}
