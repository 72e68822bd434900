import { add, mul, Off, On, splat, sub } from "../simd";
import { gate, gateBackward, isUsual, squash, squashBackward } from "./activation";
import { CONSTANT_BYTES, multiply, packedRowBytes, packMatrix, padded, ROWS, writeConstants } from "./product";
import {
  addRow, copyOrClear, copyRow, findKept, firstSlot, firstStep, fewAt, hasOutput, isMasked, lanesAt,
  outputBytes, putFew, putsOut, putLanes, Sequence, sequenceAt, stepBytes,
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
 * Memory: `gates` [steps, batch, 3·units] holds x·W + b, and then z, r, g where the mask leaves nothing out; `states`
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

/** z·h + (1 − z)·g. */
// @ts-ignore: decorator
@inline function mix(z: v128, h: v128, g: v128): v128 {
  return add<v128>(mul<v128>(z, h), mul<v128>(sub<v128>(splat<v128>(1), z), g));
}

/** A row with resetAfter. */
function afterRow<Usual>(
  sequence: Sequence, n: usize, a: usize, sum: usize, bias: usize, m: usize, h: usize, next: usize,
): void {
  const block = n << 2;
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    let at = a;
    let s = sum;
    let b = bias;
    const az0 = v128.load(at);
    const az1 = v128.load(at, 16);
    const sz0 = add<v128>(v128.load(s), v128.load(b));
    const sz1 = add<v128>(v128.load(s, 16), v128.load(b, 16));
    at += block;
    s += block;
    b += block;
    const ar0 = v128.load(at);
    const ar1 = v128.load(at, 16);
    const sr0 = add<v128>(v128.load(s), v128.load(b));
    const sr1 = add<v128>(v128.load(s, 16), v128.load(b, 16));
    at += block;
    s += block;
    b += block;
    const ah0 = v128.load(at);
    const ah1 = v128.load(at, 16);
    const m0 = add<v128>(v128.load(s), v128.load(b));
    const m1 = add<v128>(v128.load(s, 16), v128.load(b, 16));
    const h0 = v128.load(h);
    const h1 = v128.load(h, 16);
    const z0 = gate<Usual>(sequence, add<v128>(az0, sz0));
    const z1 = gate<Usual>(sequence, add<v128>(az1, sz1));
    const r0 = gate<Usual>(sequence, add<v128>(ar0, sr0));
    const r1 = gate<Usual>(sequence, add<v128>(ar1, sr1));
    const g0 = squash<Usual>(sequence, add<v128>(ah0, mul<v128>(r0, m0)));
    const g1 = squash<Usual>(sequence, add<v128>(ah1, mul<v128>(r1, m1)));
    const n0 = mix(z0, h0, g0);
    const n1 = mix(z1, h1, g1);
    v128.store(at, g0);
    v128.store(at, g1, 16);
    at -= block;
    v128.store(at, r0);
    v128.store(at, r1, 16);
    v128.store(a, z0);
    v128.store(a, z1, 16);
    v128.store(m, m0);
    v128.store(m, m1, 16);
    v128.store(next, n0);
    v128.store(next, n1, 16);
    a += 32;
    sum += 32;
    bias += 32;
    m += 32;
    h += 32;
    next += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    const sz = add<v128>(lanesAt(sum, few), lanesAt(bias, few));
    const sr = add<v128>(lanesAt(sum + block, few), lanesAt(bias + block, few));
    const sh = add<v128>(lanesAt(sum + block * 2, few), lanesAt(bias + block * 2, few));
    const z = gate<Usual>(sequence, add<v128>(lanesAt(a, few), sz));
    const r = gate<Usual>(sequence, add<v128>(lanesAt(a + block, few), sr));
    const g = squash<Usual>(sequence, add<v128>(lanesAt(a + block * 2, few), mul<v128>(r, sh)));
    putLanes(next, mix(z, lanesAt(h, few), g), few);
    putLanes(a, z, few);
    putLanes(a + block, r, few);
    putLanes(a + block * 2, g, few);
    putLanes(m, sh, few);
    n -= few;
    a += 16;
    sum += 16;
    bias += 16;
    m += 16;
    h += 16;
    next += 16;
  }
}

/** z, r and m = r·h of a row without resetAfter. */
function resetRow<Usual>(sequence: Sequence, n: usize, a: usize, sum: usize, h: usize, m: usize): void {
  const block = n << 2;
  for (; n >= 4; n -= 4) {
    resetLanes<Usual>(sequence, block, 4, a, sum, h, m);
    a += 16;
    sum += 16;
    h += 16;
    m += 16;
  }
  if (n) resetLanes<Usual>(sequence, block, n, a, sum, h, m);
}

// @ts-ignore: decorator
@inline function resetLanes<Usual>(
  sequence: Sequence, block: usize, few: usize, a: usize, sum: usize, h: usize, m: usize,
): void {
  const z = gate<Usual>(sequence, add<v128>(fewAt(a, few), fewAt(sum, few)));
  const r = gate<Usual>(sequence, add<v128>(fewAt(a + block, few), fewAt(sum + block, few)));
  putFew(a, z, few);
  putFew(a + block, r, few);
  putFew(m, mul<v128>(r, fewAt(h, few)), few);
}

/** g and h of a row without resetAfter, whose z is there; `sum` is m·Uₕ. */
function beforeRow<Usual>(sequence: Sequence, n: usize, a: usize, sum: usize, h: usize, next: usize): void {
  const block = n << 2;
  for (; n >= 4; n -= 4) {
    beforeLanes<Usual>(sequence, block, 4, a, sum, h, next);
    a += 16;
    sum += 16;
    h += 16;
    next += 16;
  }
  if (n) beforeLanes<Usual>(sequence, block, n, a, sum, h, next);
}

// @ts-ignore: decorator
@inline function beforeLanes<Usual>(
  sequence: Sequence, block: usize, few: usize, a: usize, sum: usize, h: usize, next: usize,
): void {
  const g = squash<Usual>(sequence, add<v128>(fewAt(a + block * 2, few), fewAt(sum, few)));
  putFew(next, mix(fewAt(a, few), fewAt(h, few), g), few);
  putFew(a + block * 2, g, few);
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

/** Writes da over the gates of a row with resetAfter, dm over m, and dh·z. */
function afterBackward<Usual>(
  sequence: Sequence, n: usize, a: usize, m: usize, h: usize, dh: usize, direct: usize,
): void {
  const block = n << 2;
  const one = splat<v128>(1);
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    let at = a;
    const z0 = v128.load(at);
    const z1 = v128.load(at, 16);
    at += block;
    const r0 = v128.load(at);
    const r1 = v128.load(at, 16);
    at += block;
    const g0 = v128.load(at);
    const g1 = v128.load(at, 16);
    const m0 = v128.load(m);
    const m1 = v128.load(m, 16);
    const h0 = v128.load(h);
    const h1 = v128.load(h, 16);
    const d0 = v128.load(dh);
    const d1 = v128.load(dh, 16);
    const dz0 = gateBackward<Usual>(sequence, z0, mul<v128>(d0, sub<v128>(h0, g0)));
    const dz1 = gateBackward<Usual>(sequence, z1, mul<v128>(d1, sub<v128>(h1, g1)));
    const dg0 = squashBackward<Usual>(sequence, g0, mul<v128>(d0, sub<v128>(one, z0)));
    const dg1 = squashBackward<Usual>(sequence, g1, mul<v128>(d1, sub<v128>(one, z1)));
    const dr0 = gateBackward<Usual>(sequence, r0, mul<v128>(dg0, m0));
    const dr1 = gateBackward<Usual>(sequence, r1, mul<v128>(dg1, m1));
    const dm0 = mul<v128>(dg0, r0);
    const dm1 = mul<v128>(dg1, r1);
    const p0 = mul<v128>(d0, z0);
    const p1 = mul<v128>(d1, z1);
    v128.store(at, dg0);
    v128.store(at, dg1, 16);
    at -= block;
    v128.store(at, dr0);
    v128.store(at, dr1, 16);
    v128.store(a, dz0);
    v128.store(a, dz1, 16);
    v128.store(m, dm0);
    v128.store(m, dm1, 16);
    v128.store(direct, p0);
    v128.store(direct, p1, 16);
    a += 32;
    m += 32;
    h += 32;
    dh += 32;
    direct += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    const z = lanesAt(a, few);
    const r = lanesAt(a + block, few);
    const g = lanesAt(a + block * 2, few);
    const d = lanesAt(dh, few);
    const dg = squashBackward<Usual>(sequence, g, mul<v128>(d, sub<v128>(one, z)));
    putLanes(a, gateBackward<Usual>(sequence, z, mul<v128>(d, sub<v128>(lanesAt(h, few), g))), few);
    putLanes(a + block, gateBackward<Usual>(sequence, r, mul<v128>(dg, lanesAt(m, few))), few);
    putLanes(a + block * 2, dg, few);
    putLanes(m, mul<v128>(dg, r), few);
    putLanes(direct, mul<v128>(d, z), few);
    n -= few;
    a += 16;
    m += 16;
    h += 16;
    dh += 16;
    direct += 16;
  }
}

/** Writes da_z and daₕ over z and g of a row without resetAfter, and dh·z. */
function beforeBackward<Usual>(sequence: Sequence, n: usize, a: usize, h: usize, dh: usize, direct: usize): void {
  const block = n << 2;
  for (; n >= 4; n -= 4) {
    beforeBackwardLanes<Usual>(sequence, block, 4, a, h, dh, direct);
    a += 16;
    h += 16;
    dh += 16;
    direct += 16;
  }
  if (n) beforeBackwardLanes<Usual>(sequence, block, n, a, h, dh, direct);
}

// @ts-ignore: decorator
@inline function beforeBackwardLanes<Usual>(
  sequence: Sequence, block: usize, few: usize, a: usize, h: usize, dh: usize, direct: usize,
): void {
  const z = fewAt(a, few);
  const g = fewAt(a + block * 2, few);
  const d = fewAt(dh, few);
  const dz = gateBackward<Usual>(sequence, z, mul<v128>(d, sub<v128>(fewAt(h, few), g)));
  putFew(a, dz, few);
  putFew(a + block * 2, squashBackward<Usual>(sequence, g, mul<v128>(d, sub<v128>(splat<v128>(1), z))), few);
  putFew(direct, mul<v128>(d, z), few);
}

/** Writes daᵣ over r of a row without resetAfter, and adds dm·r to what is passed on. */
function resetBackward<Usual>(sequence: Sequence, n: usize, a: usize, h: usize, dm: usize, direct: usize): void {
  a += n << 2;
  for (; n >= 4; n -= 4) {
    resetBackwardLanes<Usual>(sequence, 4, a, h, dm, direct);
    a += 16;
    h += 16;
    dm += 16;
    direct += 16;
  }
  if (n) resetBackwardLanes<Usual>(sequence, n, a, h, dm, direct);
}

// @ts-ignore: decorator
@inline function resetBackwardLanes<Usual>(
  sequence: Sequence, few: usize, r: usize, h: usize, dm: usize, direct: usize,
): void {
  const reset = fewAt(r, few);
  const d = fewAt(dm, few);
  putFew(r, gateBackward<Usual>(sequence, reset, mul<v128>(d, fewAt(h, few))), few);
  putFew(direct, add<v128>(fewAt(direct, few), mul<v128>(d, reset)), few);
}
