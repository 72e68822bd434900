import { add, Off, On } from "../simd";
import { isUsual, squash, squashBackward } from "./activation";
import { CONSTANT_BYTES, multiply, packedRowBytes, packMatrix, padded, ROWS, writeConstants } from "./product";
import {
  addRow, copyOrClear, copyRow, fewAt, findKept, firstSlot, firstStep, hasOutput, isMasked, outputBytes, putFew, putsOut,
  Sequence, sequenceAt, stepBytes,
} from "./sequence";

/**
 * All steps of a simple (Elman) network for `count` rows of the batch from `first` on: h ← φ(a + h·U). U is
 * [units, units]. A step that the mask leaves out changes no state and puts out the previous output, 0 before the first.
 *
 * Memory: `gates` [steps, batch, units] has a = x·W + b and is only read; `states` [steps + 1, batch, units]: h. The
 * rest as in `lstm_forward_f32`, and so are its requirements; scratch for 1 gate.
 * Numerics: a sum starts at +0 and adds its products in ascending order, then a.
 * Source: Elman 1990.
 */
export function simple_rnn_forward_f32(
  sequencePtr: usize, first: usize, count: usize, units: usize, steps: usize, recurrentPtr: usize,
  gatesPtr: usize, statesPtr: usize, maskPtr: usize,
  initialStatePtr: usize, finalStatePtr: usize, outputPtr: usize, scratchPtr: usize,
): void {
  assert(
    !((recurrentPtr | gatesPtr | statesPtr | maskPtr | initialStatePtr | finalStatePtr | outputPtr | scratchPtr) & 3),
    "operands are 4-byte aligned",
  );
  const sequence = sequenceAt(sequencePtr, first, count);
  const rowBytes = units << 2;
  const outputRow = <usize>sequence.outputRow << 2;
  const sumRow = padded(units) << 2;

  const panels = scratchPtr + CONSTANT_BYTES;
  const packed = packMatrix(units, units, recurrentPtr, 4, rowBytes, panels);
  const sums = packed + packedRowBytes(count, units);
  const kept = sums + min(count, ROWS) * sumRow;
  writeConstants(scratchPtr);
  findKept(sequence, maskPtr, first, count, steps, kept);

  const usual = isUsual(sequence);
  const slot = stepBytes(sequence, rowBytes);
  let a = firstStep(sequence, gatesPtr, rowBytes, first, steps);
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
        multiply(rows, units, units, h + offset, rowBytes, panels, packed, scratchPtr, sums, sumRow);
      }
      const next = h + slot + offset;
      const masked = isMasked(sequence, maskPtr, first + row, step, steps);
      if (masked) copyRow(units, h + offset, next);
      else if (usual) forwardRow<On>(sequence, units, a + offset, sums + i * sumRow, next);
      else forwardRow<Off>(sequence, units, a + offset, sums + i * sumRow, next);
      if (writes) copyOrClear(y + row * outputRow, !masked || putsOut(sequence, kept, row, step) ? next : 0, rowBytes);
    }
    a += slot;
    h += slot;
    y += outputBytes(sequence);
  }
  if (finalStatePtr) memory.copy(finalStatePtr + at, h, count * rowBytes);
}

function forwardRow<Usual>(sequence: Sequence, n: usize, a: usize, sum: usize, next: usize): void {
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    const s0 = add<v128>(v128.load(a), v128.load(sum));
    const s1 = add<v128>(v128.load(a, 16), v128.load(sum, 16));
    const h0 = squash<Usual>(sequence, s0);
    const h1 = squash<Usual>(sequence, s1);
    v128.store(next, h0);
    v128.store(next, h1, 16);
    a += 32;
    sum += 32;
    next += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    putFew(next, squash<Usual>(sequence, add<v128>(fewAt(a, few), fewAt(sum, few))), few);
    n -= few;
    a += 16;
    sum += 16;
    next += 16;
  }
}

/**
 * Gradients of all steps of a simple network, from the last one back, for `count` rows of the batch from `first` on. With
 * dh = dy plus what the step after it returns: da = φ′(dh), written over the gates, 0 where the mask leaves a step out;
 * dh₋ = da·Uᵀ. dU = Σ h₋ᵀ·da is a product over all rows.
 *
 * Memory: as in `simple_rnn_forward_f32` and `lstm_backward_f32`.
 * Numerics: a sum starts at +0 and adds its products in ascending order; dy is added last.
 */
export function simple_rnn_backward_f32(
  sequencePtr: usize, first: usize, count: usize, units: usize, steps: usize, recurrentPtr: usize,
  gatesPtr: usize, statesPtr: usize, maskPtr: usize,
  dOutputPtr: usize, dFinalStatePtr: usize, dInitialStatePtr: usize, scratchPtr: usize,
): void {
  assert(
    !((recurrentPtr | gatesPtr | statesPtr | maskPtr | dOutputPtr | dFinalStatePtr | dInitialStatePtr |
      scratchPtr) & 3),
    "operands are 4-byte aligned",
  );
  const sequence = sequenceAt(sequencePtr, first, count);
  const rowBytes = units << 2;
  const outputRow = <usize>sequence.outputRow << 2;
  const sumRow = padded(units) << 2;

  const panels = scratchPtr + CONSTANT_BYTES;
  const packed = packMatrix(units, units, recurrentPtr, rowBytes, 4, panels);
  const dStates = packed + packedRowBytes(count, units);
  const zeros = dStates + count * sumRow;
  const saved = zeros + rowBytes;
  const kept = saved + min(count, ROWS) * rowBytes;
  writeConstants(scratchPtr);
  memory.fill(zeros, 0, rowBytes);
  findKept(sequence, maskPtr, first, count, steps, kept);

  const usual = isUsual(sequence);
  const slot = stepBytes(sequence, rowBytes);
  let a = firstStep(sequence, gatesPtr, rowBytes, first, steps) + steps * slot;
  let h = firstSlot(sequence, statesPtr, rowBytes, first, steps) + steps * slot;
  let dy = dOutputPtr + first * outputRow + steps * outputBytes(sequence);
  const at = first * rowBytes;
  for (let row: usize = 0; row < count; row++) {
    copyOrClear(dStates + row * sumRow, dFinalStatePtr ? dFinalStatePtr + at + row * rowBytes : 0, rowBytes);
  }
  for (let step = steps; step; ) {
    step--;
    a -= slot;
    dy -= outputBytes(sequence);
    const reads = hasOutput(sequence, dOutputPtr, step, steps);
    for (let from: usize = 0; from < count; from += ROWS) {
      const rows = min(count - from, ROWS);
      const dh = dStates + from * sumRow;
      for (let i: usize = 0; i < rows; i++) {
        const row = from + i;
        const offset = row * rowBytes;
        const masked = isMasked(sequence, maskPtr, first + row, step, steps);
        const d = reads && (!masked || putsOut(sequence, kept, row, step)) ? dy + row * outputRow : zeros;
        if (masked) {
          addRow(units, dh + i * sumRow, d, saved + i * rowBytes);
          memory.fill(a + offset, 0, rowBytes);
        } else if (usual) backwardRow<On>(sequence, units, a + offset, h + offset, dh + i * sumRow, d);
        else backwardRow<Off>(sequence, units, a + offset, h + offset, dh + i * sumRow, d);
      }
      if (step || dInitialStatePtr) {
        multiply(rows, units, units, a + from * rowBytes, rowBytes, panels, packed, scratchPtr, dh, sumRow);
      }
      if (!maskPtr) continue;
      for (let i: usize = 0; i < rows; i++) {
        if (isMasked(sequence, maskPtr, first + from + i, step, steps)) {
          copyRow(units, saved + i * rowBytes, dh + i * sumRow);
        }
      }
    }
    h -= slot;
  }
  for (let row: usize = 0; dInitialStatePtr != 0 && row < count; row++) {
    copyRow(units, dStates + row * sumRow, dInitialStatePtr + at + row * rowBytes);
  }
}

/** `h` is the state after the step. */
function backwardRow<Usual>(sequence: Sequence, n: usize, a: usize, h: usize, dh: usize, dy: usize): void {
  for (; n >= 4; n -= 4) {
    v128.store(a, squashBackward<Usual>(sequence, v128.load(h), add<v128>(v128.load(dh), v128.load(dy))));
    a += 16;
    h += 16;
    dh += 16;
    dy += 16;
  }
  if (n) putFew(a, squashBackward<Usual>(sequence, fewAt(h, n), add<v128>(fewAt(dh, n), fewAt(dy, n))), n);
}
