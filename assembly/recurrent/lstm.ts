import { add, mul, Off, On } from "../simd";
import { gate, gateBackward, isUsual, squash, squashBackward } from "./activation";
import { CONSTANT_BYTES, multiply, packedRowBytes, packMatrix, padded, ROWS, writeConstants } from "./product";
import {
  addArrays, copyOrClear, findKept, firstSlot, firstStep, isMasked, lanesAt, putLanes, Sequence, sequenceAt, stepBytes,
} from "./sequence";

const GATES: usize = 4;

/**
 * All steps of an LSTM for `count` rows of the batch from `first` on:
 *
 *   a = gates + h·U;  i = σ(aᵢ)  f = σ(a_f)  g = φ(a_g)  o = σ(aₒ);  c ← f·c + i·g;  h ← o·φ(c)
 *
 * U is [units, 4·units], its columns and those of the gates in the order i, f, g, o. A step that the mask (0: absent)
 * leaves out changes no state and puts out the previous output, 0 before the first.
 *
 * Memory: gates [steps, batch, 4·units]: x·W + b, overwritten by i, f, g, o where the mask does not leave a step out;
 * states h and cells c [steps + 1, batch, units]; `activated` [steps, batch, units]: φ(c). The initial states and the
 * final ones (0: zeros, not wanted) are [batch, units] and may be the same; the output may be 0.
 * Requires: operands overlap nothing; scratch has recurrent_scratch_bytes.
 * Numerics: a sum of h·U starts at +0 and adds its products in ascending order; f·c + i·g is two products and a sum. A
 * row's bits depend on that row alone.
 * Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; masking as in Keras 3.
 */
export function lstm_forward_f32(
  descriptor: usize, first: usize, count: usize, recurrent: usize,
  gates: usize, states: usize, cells: usize, activated: usize, mask: usize,
  initialState: usize, initialCell: usize, finalState: usize, finalCell: usize, output: usize, scratch: usize,
): void {
  const sequence = sequenceAt(descriptor);
  const units: usize = sequence.units;
  assert(first + count <= sequence.batch, "rows of the batch");
  const rowBytes = units << 2;
  const gateBytes = rowBytes * GATES;
  const outputRow: usize = sequence.outputRow << 2;
  const sumRow = padded(units * GATES) << 2;

  const constants = scratch;
  const panels = constants + CONSTANT_BYTES;
  const packed = packMatrix(units * GATES, units, recurrent, 4, gateBytes, panels);
  const sums = packed + packedRowBytes(count, units);
  const kept = sums + min(count, ROWS) * sumRow;
  writeConstants(constants);
  if (mask) findKept(sequence, mask, first, count, kept);

  const usual = isUsual(sequence);
  const slot = stepBytes(sequence, rowBytes);
  const gateStep = stepBytes(sequence, gateBytes);
  let g = firstStep(sequence, gates, gateBytes, first);
  let t = firstStep(sequence, activated, rowBytes, first);
  let h = firstSlot(sequence, states, rowBytes, first);
  let c = firstSlot(sequence, cells, rowBytes, first);
  let y = output + first * outputRow;
  copyOrClear(h, initialState ? initialState + first * rowBytes : 0, count * rowBytes);
  copyOrClear(c, initialCell ? initialCell + first * rowBytes : 0, count * rowBytes);
  for (let step: u32 = 0; step < sequence.steps; step++) {
    const writes = output != 0 && (sequence.everyStep || step + 1 == sequence.steps);
    for (let from: usize = 0; from < count; from += ROWS) {
      const rows = min(count - from, ROWS);
      multiply(rows, units * GATES, units, h + from * rowBytes, rowBytes, panels, packed, constants, sums, sumRow);
      for (let i: usize = 0; i < rows; i++) {
        const row = from + i;
        const at = row * rowBytes;
        const next = h + slot + at;
        if (isMasked(sequence, mask, first + row, step)) {
          memory.copy(next, h + at, rowBytes);
          memory.copy(c + slot + at, c + at, rowBytes);
          if (writes) copyOrClear(y + row * outputRow, step > load<u32>(kept + (row << 2)) ? next : 0, rowBytes);
          continue;
        }
        const to = writes ? y + row * outputRow : next;
        const a = g + row * gateBytes;
        const sum = sums + i * sumRow;
        if (usual) forwardRow<On>(sequence, a, sum, c + at, c + slot + at, t + at, next, to);
        else forwardRow<Off>(sequence, a, sum, c + at, c + slot + at, t + at, next, to);
      }
    }
    g += gateStep;
    t += slot;
    h += slot;
    c += slot;
    y += <usize>sequence.outputStep << 2;
  }
  if (finalState) memory.copy(finalState + first * rowBytes, h, count * rowBytes);
  if (finalCell) memory.copy(finalCell + first * rowBytes, c, count * rowBytes);
}

/** The gates of a row; y is h where no output is wanted. */
function forwardRow<Usual>(
  sequence: Sequence, a: usize, sum: usize, c: usize, cNext: usize, t: usize, h: usize, y: usize,
): void {
  const block: usize = sequence.units << 2;
  let n: usize = sequence.units;
  for (; n >= 8; n -= 8) {
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
    v128.store(y, h0);
    v128.store(y, h1, 16);
    a += 32;
    sum += 32;
    c += 32;
    cNext += 32;
    t += 32;
    h += 32;
    y += 32;
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
    putLanes(y, state, few);
    n -= few;
    a += 16;
    sum += 16;
    c += 16;
    cNext += 16;
    t += 16;
    h += 16;
    y += 16;
  }
}

/**
 * Gradients of all steps of an LSTM, from the last one back, for `count` rows of the batch from `first` on. With
 * dh = dy + what the step after it gives, and dc likewise:
 *
 *   dc += dh·o·φ′(c);  daᵢ = σ′(dc·g)  da_f = σ′(dc·c₋)  da_g = φ′(dc·i)  daₒ = σ′(dh·φ(c));  dh₋ = da·Uᵀ;  dc₋ = dc·f
 *
 * where φ′(d) is d times the derivative. Overwrites the gates with da: with all rows of gates and states, dU = hᵀ·da.
 *
 * Memory: as in `lstm_forward_f32`. `dOutput` is the gradient of its output. The gradients of the final states (0: zeros)
 * and of the initial ones (0: not wanted) are [batch, units].
 * Numerics: da·Uᵀ adds its products in ascending order of U's columns, from +0, then dy.
 */
export function lstm_backward_f32(
  descriptor: usize, first: usize, count: usize, recurrent: usize,
  gates: usize, cells: usize, activated: usize, mask: usize,
  dOutput: usize, dFinalState: usize, dFinalCell: usize, dInitialState: usize, dInitialCell: usize, scratch: usize,
): void {
  const sequence = sequenceAt(descriptor);
  const units: usize = sequence.units;
  assert(first + count <= sequence.batch, "rows of the batch");
  const rowBytes = units << 2;
  const gateBytes = rowBytes * GATES;
  const outputRow: usize = sequence.outputRow << 2;
  const sumRow = padded(units) << 2;

  const constants = scratch;
  const panels = constants + CONSTANT_BYTES;
  const packed = packMatrix(units, units * GATES, recurrent, gateBytes, 4, panels);
  const dStates = packed + packedRowBytes(count, units * GATES);
  const dCells = dStates + count * sumRow;
  const zeros = dCells + count * rowBytes;
  const saved = zeros + rowBytes;
  const kept = saved + ROWS * rowBytes;
  writeConstants(constants);
  memory.fill(zeros, 0, rowBytes);
  if (mask) findKept(sequence, mask, first, count, kept);

  const usual = isUsual(sequence);
  const slot = stepBytes(sequence, rowBytes);
  const gateStep = stepBytes(sequence, gateBytes);
  const outputStep: usize = <usize>sequence.outputStep << 2;
  const last: usize = sequence.steps - 1;
  let a = firstStep(sequence, gates, gateBytes, first) + last * gateStep;
  let t = firstStep(sequence, activated, rowBytes, first) + last * slot;
  let c = firstSlot(sequence, cells, rowBytes, first) + last * slot;
  let dy = dOutput + first * outputRow + (sequence.everyStep ? last * outputStep : 0);
  for (let i: usize = 0; i < count; i++) {
    const at = (first + i) * rowBytes;
    copyOrClear(dStates + i * sumRow, dFinalState ? dFinalState + at : 0, rowBytes);
  }
  copyOrClear(dCells, dFinalCell ? dFinalCell + first * rowBytes : 0, count * rowBytes);
  for (let step = sequence.steps; step; ) {
    step--;
    const reads = sequence.everyStep || step + 1 == sequence.steps;
    for (let from: usize = 0; from < count; from += ROWS) {
      const rows = min(count - from, ROWS);
      for (let i: usize = 0; i < rows; i++) {
        const row = from + i;
        const at = row * rowBytes;
        const dh = dStates + row * sumRow;
        let d = reads ? dy + row * outputRow : zeros;
        if (isMasked(sequence, mask, first + row, step)) {
          if (step < load<u32>(kept + (row << 2))) d = zeros;
          addArrays(units, dh, d, saved + i * rowBytes);
          memory.fill(a + row * gateBytes, 0, gateBytes);
        } else if (usual) backwardRow<On>(sequence, a + row * gateBytes, c + at, t + at, dCells + at, dh, d);
        else backwardRow<Off>(sequence, a + row * gateBytes, c + at, t + at, dCells + at, dh, d);
      }
      if (!step && !dInitialState) continue;
      const dh = dStates + from * sumRow;
      multiply(rows, units, units * GATES, a + from * gateBytes, gateBytes, panels, packed, constants, dh, sumRow);
      if (!mask) continue;
      for (let i: usize = 0; i < rows; i++) {
        if (isMasked(sequence, mask, first + from + i, step)) memory.copy(dh + i * sumRow, saved + i * rowBytes, rowBytes);
      }
    }
    a -= gateStep;
    t -= slot;
    c -= slot;
    if (sequence.everyStep) dy -= outputStep;
  }
  if (dInitialState) {
    for (let i: usize = 0; i < count; i++) {
      memory.copy(dInitialState + (first + i) * rowBytes, dStates + i * sumRow, rowBytes);
    }
  }
  if (dInitialCell) memory.copy(dInitialCell + first * rowBytes, dCells, count * rowBytes);
}

/** Writes da over the gates of a row, and dc for the step before; `dh` is without `dy`. */
function backwardRow<Usual>(
  sequence: Sequence, a: usize, c: usize, t: usize, dc: usize, dh: usize, dy: usize,
): void {
  const block: usize = sequence.units << 2;
  let n: usize = sequence.units;
  for (; n >= 8; n -= 8) {
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
