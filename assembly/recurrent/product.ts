// Products with a matrix that is packed once for all steps of a sequence.
//
// Memory of a packed matrix of n columns: panels of NR columns, one after the other, each as pack.ts lays it out; the
// last one repeats its last column.

import { MC, MR, NR, NV } from "../gemm/config";
import { microkernel, Strided } from "../gemm/microkernel";
import { packPanel } from "../gemm/pack";
import { addProduct, product } from "../schedule";

/** Rows that are multiplied at a time. */
export const ROWS: usize = MC;
const STEP_BYTES: usize = NR * 4;
/** Vectors of a row that are summed at once: as many sums as a tile has. */
const PANELS: usize = 8 / NV;
/** A row of +0 that sums start from, and one of −0 that a tile adds as its bias. */
export const CONSTANT_BYTES: usize = 2 * STEP_BYTES;

/** `n` columns as panels have them. */
// @ts-ignore: decorator
@inline export function padded(n: usize): usize {
  return ((n + NR - 1) / NR) * NR;
}

/** Bytes of the packed rows of A. */
// @ts-ignore: decorator
@inline export function packedRowBytes(rows: usize, k: usize): usize {
  return ((min(rows, ROWS) + MR - 1) / MR) * MR * k * 4;
}

export function writeConstants(constants: usize): void {
  for (let at: usize = 0; at < STEP_BYTES; at += 16) {
    v128.store(constants + at, f32x4.splat(0));
    v128.store(constants + at, f32x4.splat(-0.0), STEP_BYTES);
  }
}

/** Packs n columns of depth k, `line` and `step` bytes apart; writes padded(n)·k elements and returns their end. */
export function packMatrix(n: usize, k: usize, b: usize, line: usize, step: usize, panels: usize): usize {
  while (n) {
    const columns = min(n, NR);
    packPanel(NR, columns, k, b, line, step, panels);
    n -= columns;
    b += columns * line;
    panels += k * STEP_BYTES;
  }
  return panels;
}

/**
 * C = A·B for `rows` ≤ ROWS rows of A, `aRow` bytes apart, and a packed B.
 *
 * Requires: `packed` has room for packedRowBytes. Touches: writes padded(n) columns of C.
 * Numerics: every element starts at +0 and adds its products in ascending p, as in gemm.
 * Remainder: rows that do not fill a tile are computed one by one.
 */
export function multiply(
  rows: usize, n: usize, k: usize, a: usize, aRow: usize, panels: usize,
  packed: usize, constants: usize, c: usize, cRow: usize,
): void {
  const tiles = rows / MR;
  for (let tile: usize = 0; tile < tiles; tile++) {
    packPanel(MR, MR, k, a, aRow, 4, packed + tile * k * (MR * 4));
    a += aRow * MR;
  }
  const panelBytes = k * STEP_BYTES;
  const end = panels + (padded(n) / NR) * panelBytes;
  if (tiles) {
    let to = c;
    for (let panel = panels; panel != end; panel += panelBytes) {
      let from = packed;
      let row = to;
      for (let tile = tiles; tile; tile--) {
        tileOf(k, from, panel, constants, row, cRow);
        from += k * (MR * 4);
        row += cRow * MR;
      }
      to += STEP_BYTES;
    }
    c += tiles * MR * cRow;
  }
  for (let row = rows - tiles * MR; row; row--) {
    let to = c;
    let panel = panels;
    for (; end - panel >= PANELS * panelBytes; panel += PANELS * panelBytes) {
      wideRow(k, a, panel, panelBytes, to);
      to += PANELS * STEP_BYTES;
    }
    for (; panel != end; panel += panelBytes) {
      narrowRow(k, a, panel, to);
      to += STEP_BYTES;
    }
    a += aRow;
    c += cRow;
  }
}

/** In a function of its own: the registers of the loops around it would have V8 spill in the innermost loop. */
export function tileOf(k: usize, a: usize, b: usize, constants: usize, c: usize, cRow: usize): void {
  const bias = constants + STEP_BYTES;
  microkernel<Strided>(
    MR, NV, true, MR - 1, k, a, 4, MR * 4, 0, 0, b, STEP_BYTES, constants, 0, bias, -Infinity, c, cRow,
  );
}

/** One row times PANELS panels. */
export function wideRow(k: usize, a: usize, b: usize, panelBytes: usize, c: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  let b1 = b + panelBytes;
  let b2 = b1 + panelBytes;
  let b3 = b2 + panelBytes;
  for (; k; k--, a += 4, b += STEP_BYTES, b1 += STEP_BYTES) {
    const x = v128.load32_splat(a);
    if (NV == 2) {
      s0 = plus(s0, x, v128.load(b));
      s1 = plus(s1, x, v128.load(b, 16));
      s2 = plus(s2, x, v128.load(b1));
      s3 = plus(s3, x, v128.load(b1, 16));
      s4 = plus(s4, x, v128.load(b2));
      s5 = plus(s5, x, v128.load(b2, 16));
      s6 = plus(s6, x, v128.load(b3));
      s7 = plus(s7, x, v128.load(b3, 16));
      b2 += STEP_BYTES;
      b3 += STEP_BYTES;
    } else {
      s0 = plus(s0, x, v128.load(b));
      s1 = plus(s1, x, v128.load(b, 16));
      s2 = plus(s2, x, v128.load(b, 32));
      s3 = plus(s3, x, v128.load(b, 48));
      s4 = plus(s4, x, v128.load(b1));
      s5 = plus(s5, x, v128.load(b1, 16));
      s6 = plus(s6, x, v128.load(b1, 32));
      s7 = plus(s7, x, v128.load(b1, 48));
    }
  }
  v128.store(c, s0);
  v128.store(c, s1, 16);
  v128.store(c, s2, 32);
  v128.store(c, s3, 48);
  v128.store(c, s4, 64);
  v128.store(c, s5, 80);
  v128.store(c, s6, 96);
  v128.store(c, s7, 112);
}

/** One row times one panel. */
export function narrowRow(k: usize, a: usize, b: usize, c: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = s0, s2 = s0, s3 = s0;
  for (; k; k--, a += 4, b += STEP_BYTES) {
    const x = v128.load32_splat(a);
    s0 = plus(s0, x, v128.load(b));
    s1 = plus(s1, x, v128.load(b, 16));
    if (NV == 4) s2 = plus(s2, x, v128.load(b, 32));
    if (NV == 4) s3 = plus(s3, x, v128.load(b, 48));
  }
  v128.store(c, s0);
  v128.store(c, s1, 16);
  if (NV == 4) v128.store(c, s2, 32);
  if (NV == 4) v128.store(c, s3, 48);
}

// @ts-ignore: decorator
@inline function plus(sum: v128, x: v128, b: v128): v128 {
  return addProduct(sum, x, product(x, b));
}
