import { Off, On } from "../simd";
import { isUsual } from "./activation";
import { backwardRow, forwardRow } from "./lstm-rows";
import { CONSTANT_BYTES, multiply, packedRowBytes, packMatrix, padded, ROWS, writeConstants } from "./product";
import {
  addRow, copyOrClear, copyRow, findKept, firstSlot, firstStep, hasOutput, isMasked, outputBytes, putsOut, sequenceAt,
  stepBytes,
} from "./sequence";

const GATES: usize = 4;

/**
 * All steps of an LSTM for `count` rows of the batch from `first` on:
 *
 *   a = gates + h·U;  i = σ(aᵢ)  f = σ(a_f)  g = φ(a_g)  o = σ(aₒ);  c ← f·c + i·g;  h ← o·φ(c)
 *
 * U is [units, 4·units]; its columns and those of the gates are in the order i, f, g, o. A step that the mask leaves out
 * changes no state and puts out the previous output, 0 before the first.
 *
 * Memory: `gates` [steps, batch, 4·units] has x·W + b, and then i, f, g, o where the mask leaves nothing out; `states`
 * and `cells` [steps + 1, batch, units]: h and c; `activated` [steps, batch, units]: φ(c). The mask [batch, steps] is 0
 * where a step is left out. Initial and final states are [batch, units]; a block may be both. Mask, initial states
 * (zeros), final ones and output may be absent.
 * Requires: other operands overlap nothing; `scratch` has recurrent_scratch_bytes(count, units, 4).
 * Touches: the rows of the call alone.
 * Numerics: a sum of h·U starts at +0 and adds its products in ascending order; f·c + i·g is two products and a sum. The
 * bits of a row depend on that row alone.
 * Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000; masks as in Keras 3.
 * Tried: docs/decisions/0015-recurrent-layers.md.
 */
export function lstm_forward_f32(
  sequencePtr: usize, first: usize, count: usize, units: usize, steps: usize, recurrentPtr: usize,
  gatesPtr: usize, statesPtr: usize, cellsPtr: usize, activatedPtr: usize, maskPtr: usize,
  initialStatePtr: usize, initialCellPtr: usize, finalStatePtr: usize, finalCellPtr: usize, outputPtr: usize,
  scratchPtr: usize,
): void {
  assert(
    !((recurrentPtr | gatesPtr | statesPtr | cellsPtr | activatedPtr | maskPtr | initialStatePtr |
      initialCellPtr | finalStatePtr | finalCellPtr | outputPtr | scratchPtr) & 3),
    "operands are 4-byte aligned",
  );
  const sequence = sequenceAt(sequencePtr, first, count);
  const rowBytes = units << 2;
  const gateBytes = rowBytes * GATES;
  const outputRow = <usize>sequence.outputRow << 2;
  const sumRow = padded(units * GATES) << 2;

  const panels = scratchPtr + CONSTANT_BYTES;
  const packed = packMatrix(units * GATES, units, recurrentPtr, 4, gateBytes, panels);
  const sums = packed + packedRowBytes(count, units);
  const kept = sums + min(count, ROWS) * sumRow;
  writeConstants(scratchPtr);
  findKept(sequence, maskPtr, first, count, steps, kept);

  const usual = isUsual(sequence);
  const slot = stepBytes(sequence, rowBytes);
  let a = firstStep(sequence, gatesPtr, gateBytes, first, steps);
  let t = firstStep(sequence, activatedPtr, rowBytes, first, steps);
  let h = firstSlot(sequence, statesPtr, rowBytes, first, steps);
  let c = firstSlot(sequence, cellsPtr, rowBytes, first, steps);
  let y = outputPtr + first * outputRow;
  const at = first * rowBytes;
  copyOrClear(h, initialStatePtr ? initialStatePtr + at : 0, count * rowBytes);
  copyOrClear(c, initialCellPtr ? initialCellPtr + at : 0, count * rowBytes);
  for (let step: usize = 0; step < steps; step++) {
    const writes = hasOutput(sequence, outputPtr, step, steps);
    for (let row: usize = 0; row < count; row++) {
      const i = row % ROWS;
      const offset = row * rowBytes;
      if (!i) {
        const rows = min(count - row, ROWS);
        multiply(rows, units * GATES, units, h + offset, rowBytes, panels, packed, scratchPtr, sums, sumRow);
      }
      const next = h + slot + offset;
      const cNext = c + slot + offset;
      const masked = isMasked(sequence, maskPtr, first + row, step, steps);
      if (masked) {
        copyRow(units, h + offset, next);
        copyRow(units, c + offset, cNext);
      } else {
        const gates = a + row * gateBytes;
        const sum = sums + i * sumRow;
        if (usual) forwardRow<On>(sequence, units, gates, sum, c + offset, cNext, t + offset, next);
        else forwardRow<Off>(sequence, units, gates, sum, c + offset, cNext, t + offset, next);
      }
      if (writes) copyOrClear(y + row * outputRow, !masked || putsOut(sequence, kept, row, step) ? next : 0, rowBytes);
    }
    a += slot * GATES;
    t += slot;
    h += slot;
    c += slot;
    y += outputBytes(sequence);
  }
  if (finalStatePtr) memory.copy(finalStatePtr + at, h, count * rowBytes);
  if (finalCellPtr) memory.copy(finalCellPtr + at, c, count * rowBytes);
}

/**
 * Gradients of all steps of an LSTM, from the last one back, for `count` rows of the batch from `first` on. With dh = dy
 * plus what the step after it returns, dc likewise, and φ′(d), σ′(d) for d times the derivative:
 *
 *   dc += φ′(dh·o);  daᵢ = σ′(dc·g)  da_f = σ′(dc·c₋)  da_g = φ′(dc·i)  daₒ = σ′(dh·φ(c));  dh₋ = da·Uᵀ;  dc₋ = dc·f
 *
 * Overwrites the gates with da; it is 0 where the mask leaves a step out. dU = Σ h₋ᵀ·da is a product over all rows.
 *
 * Memory: as in `lstm_forward_f32`; `dOutput` is laid out as its output. The gradients of the final states (zeros) and of
 * the initial ones are [batch, units] and may be absent, `dOutput` too.
 * Numerics: a sum of da·Uᵀ starts at +0 and adds its products in ascending order of U's columns; dy is added last.
 */
export function lstm_backward_f32(
  sequencePtr: usize, first: usize, count: usize, units: usize, steps: usize, recurrentPtr: usize,
  gatesPtr: usize, cellsPtr: usize, activatedPtr: usize, maskPtr: usize,
  dOutputPtr: usize, dFinalStatePtr: usize, dFinalCellPtr: usize, dInitialStatePtr: usize, dInitialCellPtr: usize,
  scratchPtr: usize,
): void {
  assert(
    !((recurrentPtr | gatesPtr | cellsPtr | activatedPtr | maskPtr | dOutputPtr | dFinalStatePtr |
      dFinalCellPtr | dInitialStatePtr | dInitialCellPtr | scratchPtr) & 3),
    "operands are 4-byte aligned",
  );
  const sequence = sequenceAt(sequencePtr, first, count);
  const rowBytes = units << 2;
  const gateBytes = rowBytes * GATES;
  const outputRow = <usize>sequence.outputRow << 2;
  const sumRow = padded(units) << 2;

  const panels = scratchPtr + CONSTANT_BYTES;
  const packed = packMatrix(units, units * GATES, recurrentPtr, gateBytes, 4, panels);
  const dStates = packed + packedRowBytes(count, units * GATES);
  const dCells = dStates + count * sumRow;
  const zeros = dCells + count * rowBytes;
  const saved = zeros + rowBytes;
  const kept = saved + min(count, ROWS) * rowBytes;
  writeConstants(scratchPtr);
  memory.fill(zeros, 0, rowBytes);
  findKept(sequence, maskPtr, first, count, steps, kept);

  const usual = isUsual(sequence);
  const slot = stepBytes(sequence, rowBytes);
  let a = firstStep(sequence, gatesPtr, gateBytes, first, steps) + steps * slot * GATES;
  let t = firstStep(sequence, activatedPtr, rowBytes, first, steps) + steps * slot;
  let c = firstSlot(sequence, cellsPtr, rowBytes, first, steps) + steps * slot;
  let dy = dOutputPtr + first * outputRow + steps * outputBytes(sequence);
  const at = first * rowBytes;
  for (let row: usize = 0; row < count; row++) {
    copyOrClear(dStates + row * sumRow, dFinalStatePtr ? dFinalStatePtr + at + row * rowBytes : 0, rowBytes);
  }
  copyOrClear(dCells, dFinalCellPtr ? dFinalCellPtr + at : 0, count * rowBytes);
  for (let step = steps; step; ) {
    step--;
    a -= slot * GATES;
    t -= slot;
    c -= slot;
    dy -= outputBytes(sequence);
    const reads = hasOutput(sequence, dOutputPtr, step, steps);
    for (let from: usize = 0; from < count; from += ROWS) {
      const rows = min(count - from, ROWS);
      const dh = dStates + from * sumRow;
      for (let i: usize = 0; i < rows; i++) {
        const row = from + i;
        const offset = row * rowBytes;
        const gates = a + row * gateBytes;
        const masked = isMasked(sequence, maskPtr, first + row, step, steps);
        const d = reads && (!masked || putsOut(sequence, kept, row, step)) ? dy + row * outputRow : zeros;
        if (masked) {
          addRow(units, dh + i * sumRow, d, saved + i * rowBytes);
          memory.fill(gates, 0, gateBytes);
        } else if (usual) {
          backwardRow<On>(sequence, units, gates, c + offset, t + offset, dCells + offset, dh + i * sumRow, d);
        } else backwardRow<Off>(sequence, units, gates, c + offset, t + offset, dCells + offset, dh + i * sumRow, d);
      }
      if (step || dInitialStatePtr) {
        const gates = a + from * gateBytes;
        multiply(rows, units, units * GATES, gates, gateBytes, panels, packed, scratchPtr, dh, sumRow);
      }
      if (!maskPtr) continue;
      for (let i: usize = 0; i < rows; i++) {
        if (isMasked(sequence, maskPtr, first + from + i, step, steps)) {
          copyRow(units, saved + i * rowBytes, dh + i * sumRow);
        }
      }
    }
  }
  for (let row: usize = 0; dInitialStatePtr != 0 && row < count; row++) {
    copyRow(units, dStates + row * sumRow, dInitialStatePtr + at + row * rowBytes);
  }
  if (dInitialCellPtr) memory.copy(dInitialCellPtr + at, dCells, count * rowBytes);
}
