import { add, mul, Off, On } from "../simd";
import { gate, gateBackward, isUsual, squash, squashBackward } from "./activation";
import { CONSTANT_BYTES, multiply, packedRowBytes, packMatrix, padded, ROWS, writeConstants } from "./product";
import {
  addRow, copyOrClear, copyRow, findKept, firstSlot, firstStep, hasOutput, isMasked, lanesAt, outputBytes,
  putLanes, putsOut, Sequence, sequenceAt, stepBytes,
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
 * Memory: `gates` [steps, batch, 4·units] holds x·W + b, and then i, f, g, o where the mask leaves nothing out; `states`
 * and `cells` [steps + 1, batch, units]: h and c; `activated` [steps, batch, units]: φ(c). The mask [batch, steps] is 0
 * where a step is left out. Initial and final states are [batch, units]; a block may be both. Mask, initial states
 * (zeros), final ones and output may be absent.
 * Requires: other operands overlap nothing; `scratch` has recurrent_scratch_bytes(count, units, 4).
 * Touches: the rows of the call alone.
 * Numerics: a sum of h·U starts at +0 and adds its products in ascending order; f·c + i·g is two products and a sum. The
 * bits of a row depend on that row alone.
 * Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000; masks as in Keras 3.
 * Tried: docs/decisions/0013-recurrent-kernels.md.
 */
export function lstm_forward_f32(
  sequencePtr: usize, first: usize, count: usize, units: usize, steps: usize, recurrentPtr: usize,
  gatesPtr: usize, statesPtr: usize, cellsPtr: usize, activatedPtr: usize, maskPtr: usize,
  initialStatePtr: usize, initialCellPtr: usize, finalStatePtr: usize, finalCellPtr: usize, outputPtr: usize,
  scratchPtr: usize,
): void {
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
 * The gates of a row. Where the activations are not the usual ones there are no pairs: V8 14 crashes when it is to widen
 * two calls side by side.
 */
function forwardRow<Usual>(
  sequence: Sequence, n: usize, a: usize, sum: usize, c: usize, cNext: usize, t: usize, h: usize,
): void {
  const block = n << 2;
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    // Two vectors side by side, loads first, stores last: what wide mode pairs.
    let at = a;
    let s = sum;
    const ai0 = v128.load(at);
    const ai1 = v128.load(at, 16);
    const si0 = v128.load(s);
    const si1 = v128.load(s, 16);
    at += block;
    s += block;
    const af0 = v128.load(at);
    const af1 = v128.load(at, 16);
    const sf0 = v128.load(s);
    const sf1 = v128.load(s, 16);
    at += block;
    s += block;
    const ag0 = v128.load(at);
    const ag1 = v128.load(at, 16);
    const sg0 = v128.load(s);
    const sg1 = v128.load(s, 16);
    at += block;
    s += block;
    const ao0 = v128.load(at);
    const ao1 = v128.load(at, 16);
    const so0 = v128.load(s);
    const so1 = v128.load(s, 16);
    const c0 = v128.load(c);
    const c1 = v128.load(c, 16);
    const i0 = gate<Usual>(sequence, add<v128>(ai0, si0));
    const i1 = gate<Usual>(sequence, add<v128>(ai1, si1));
    const f0 = gate<Usual>(sequence, add<v128>(af0, sf0));
    const f1 = gate<Usual>(sequence, add<v128>(af1, sf1));
    const g0 = squash<Usual>(sequence, add<v128>(ag0, sg0));
    const g1 = squash<Usual>(sequence, add<v128>(ag1, sg1));
    const o0 = gate<Usual>(sequence, add<v128>(ao0, so0));
    const o1 = gate<Usual>(sequence, add<v128>(ao1, so1));
    const n0 = add<v128>(mul<v128>(f0, c0), mul<v128>(i0, g0));
    const n1 = add<v128>(mul<v128>(f1, c1), mul<v128>(i1, g1));
    const t0 = squash<Usual>(sequence, n0);
    const t1 = squash<Usual>(sequence, n1);
    const h0 = mul<v128>(o0, t0);
    const h1 = mul<v128>(o1, t1);
    v128.store(at, o0);
    v128.store(at, o1, 16);
    at -= block;
    v128.store(at, g0);
    v128.store(at, g1, 16);
    at -= block;
    v128.store(at, f0);
    v128.store(at, f1, 16);
    v128.store(a, i0);
    v128.store(a, i1, 16);
    v128.store(cNext, n0);
    v128.store(cNext, n1, 16);
    v128.store(t, t0);
    v128.store(t, t1, 16);
    v128.store(h, h0);
    v128.store(h, h1, 16);
    a += 32;
    sum += 32;
    c += 32;
    cNext += 32;
    t += 32;
    h += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    const ai = lanesAt(a, few);
    const af = lanesAt(a + block, few);
    const ag = lanesAt(a + block * 2, few);
    const ao = lanesAt(a + block * 3, few);
    const i = gate<Usual>(sequence, add<v128>(ai, lanesAt(sum, few)));
    const f = gate<Usual>(sequence, add<v128>(af, lanesAt(sum + block, few)));
    const g = squash<Usual>(sequence, add<v128>(ag, lanesAt(sum + block * 2, few)));
    const o = gate<Usual>(sequence, add<v128>(ao, lanesAt(sum + block * 3, few)));
    const next = add<v128>(mul<v128>(f, lanesAt(c, few)), mul<v128>(i, g));
    const squashed = squash<Usual>(sequence, next);
    const state = mul<v128>(o, squashed);
    putLanes(a, i, few);
    putLanes(a + block, f, few);
    putLanes(a + block * 2, g, few);
    putLanes(a + block * 3, o, few);
    putLanes(cNext, next, few);
    putLanes(t, squashed, few);
    putLanes(h, state, few);
    n -= few;
    a += 16;
    sum += 16;
    c += 16;
    cNext += 16;
    t += 16;
    h += 16;
  }
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

/** Writes da over the gates of a row, and dc for the step before; `dh` is without `dy`. */
function backwardRow<Usual>(
  sequence: Sequence, n: usize, a: usize, c: usize, t: usize, dc: usize, dh: usize, dy: usize,
): void {
  const block = n << 2;
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    let at = a;
    const i0 = v128.load(at);
    const i1 = v128.load(at, 16);
    at += block;
    const f0 = v128.load(at);
    const f1 = v128.load(at, 16);
    at += block;
    const g0 = v128.load(at);
    const g1 = v128.load(at, 16);
    at += block;
    const o0 = v128.load(at);
    const o1 = v128.load(at, 16);
    const t0 = v128.load(t);
    const t1 = v128.load(t, 16);
    const c0 = v128.load(c);
    const c1 = v128.load(c, 16);
    const d0 = add<v128>(v128.load(dh), v128.load(dy));
    const d1 = add<v128>(v128.load(dh, 16), v128.load(dy, 16));
    const e0 = add<v128>(v128.load(dc), squashBackward<Usual>(sequence, t0, mul<v128>(d0, o0)));
    const e1 = add<v128>(v128.load(dc, 16), squashBackward<Usual>(sequence, t1, mul<v128>(d1, o1)));
    const do0 = gateBackward<Usual>(sequence, o0, mul<v128>(d0, t0));
    const do1 = gateBackward<Usual>(sequence, o1, mul<v128>(d1, t1));
    const dg0 = squashBackward<Usual>(sequence, g0, mul<v128>(e0, i0));
    const dg1 = squashBackward<Usual>(sequence, g1, mul<v128>(e1, i1));
    const df0 = gateBackward<Usual>(sequence, f0, mul<v128>(e0, c0));
    const df1 = gateBackward<Usual>(sequence, f1, mul<v128>(e1, c1));
    const di0 = gateBackward<Usual>(sequence, i0, mul<v128>(e0, g0));
    const di1 = gateBackward<Usual>(sequence, i1, mul<v128>(e1, g1));
    const before0 = mul<v128>(e0, f0);
    const before1 = mul<v128>(e1, f1);
    v128.store(at, do0);
    v128.store(at, do1, 16);
    at -= block;
    v128.store(at, dg0);
    v128.store(at, dg1, 16);
    at -= block;
    v128.store(at, df0);
    v128.store(at, df1, 16);
    v128.store(a, di0);
    v128.store(a, di1, 16);
    v128.store(dc, before0);
    v128.store(dc, before1, 16);
    a += 32;
    c += 32;
    t += 32;
    dc += 32;
    dh += 32;
    dy += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    const i = lanesAt(a, few);
    const f = lanesAt(a + block, few);
    const g = lanesAt(a + block * 2, few);
    const o = lanesAt(a + block * 3, few);
    const squashed = lanesAt(t, few);
    const d = add<v128>(lanesAt(dh, few), lanesAt(dy, few));
    const e = add<v128>(lanesAt(dc, few), squashBackward<Usual>(sequence, squashed, mul<v128>(d, o)));
    const df = gateBackward<Usual>(sequence, f, mul<v128>(e, lanesAt(c, few)));
    putLanes(a, gateBackward<Usual>(sequence, i, mul<v128>(e, g)), few);
    putLanes(a + block, df, few);
    putLanes(a + block * 2, squashBackward<Usual>(sequence, g, mul<v128>(e, i)), few);
    putLanes(a + block * 3, gateBackward<Usual>(sequence, o, mul<v128>(d, squashed)), few);
    putLanes(dc, mul<v128>(e, f), few);
    n -= few;
    a += 16;
    c += 16;
    t += 16;
    dc += 16;
    dh += 16;
    dy += 16;
  }
}
