import { ACTIVATION_RELU } from "../../src/abi/activation";
import { PACKED } from "../../src/abi/packed";
import { activation_f32 } from "../nn/activation";
import { add, loadLanes, mul, pmax, splat, storeLanes } from "../simd";
import { COLUMN_ROWS, sumColumns } from "./columns";
import { KC, MC, MR, NC, NR, NV } from "./config";
import { LINES, STRIP, sumLines, sumRows, sumStrip } from "./gemv";
import { microkernel, Strided } from "./microkernel";
import { packPanel, packRows, panelBytes, widthOf } from "./pack";
import { sumPairs } from "./pairs";

const ROW_BYTES: usize = NR * 4;
/** A row of +0 that sums start from, and one of −0 for no bias. */
const ZEROS_BYTES: usize = 2 * ROW_BYTES;

/**
 * C = activation(alpha·op(A)·op(B) + beta·C + bias), for each of `batch` row-major matrices; op transposes or not. With `transposeB` PACKED
 * and `ldb` k, B is what `pack_f32` has written.
 *
 * Numerics: each element of op(A)·op(B) starts at +0 and adds its products in ascending p, every product and every sum
 * rounded to float32. Blocks, tiles, packing and paths leave that order alone, so an element's bits depend on its own row
 * and column only: not on m, n, the batch or the position. |error| ≤ γ·Σ|a·b| with γ = k·u / (1 − k·u), u = 2⁻²⁴.
 *
 * Requires: C overlaps neither A, B nor bias; `scratch` has `gemm_scratch_bytes`. `bias` (n) may be 0: absent.
 * Touches: the m×k, k×n and m×n elements; C is read only if beta ≠ 0.
 * Memory: scratch = | packed B block | packed A block | a strip of C | a row of +0, one of −0 | sums, if beta ≠ 0 |.
 * Source: the five loops are those of GotoBLAS and BLIS (Van Zee & van de Geijn, ACM TOMS 41(3), 2015).
 */
export function gemm_f32(
  batch: usize, m: usize, n: usize, k: usize, alpha: f32,
  a: usize, strideA: usize, lda: usize, transposeA: bool,
  b: usize, strideB: usize, ldb: usize, transposeB: i32,
  beta: f32, c: usize, strideC: usize, ldc: usize,
  bias: usize, activation: i32, scratch: usize,
): void {
  assert(!((a | b | c | bias | scratch) & 3), "operands are 4-byte aligned");
  assert(lda >= (transposeA ? m : k) && ldb >= (transposeB ? k : n) && ldc >= n, "leading dimensions hold a row");
  const aLine: usize = transposeA ? 4 : lda << 2;
  const aStep: usize = transposeA ? lda << 2 : 4;
  const bLine: usize = transposeB ? ldb << 2 : 4;
  const bStep: usize = transposeB ? 4 : ldb << 2;
  const sums = beta != 0 ? scratch + fixedScratchBytes(m, n, k) : 0;
  // A packed column is as it was.
  const isPacked = transposeB == PACKED && n > 1;
  for (; batch; batch--) {
    if ((n == 2 || n == 3) && m >= COLUMN_ROWS && aStep == 4 && (isPacked || bLine == 4)) {
      const step: usize = isPacked ? widthOf(3) * 4 : bStep; // two columns are packed as wide
      columns(m, n, k, alpha, a, aLine, b, step, beta, c, ldc << 2, bias, activation, sums);
    } else if (isPacked) {
      rows(m, n, k, alpha, a, aLine, aStep, b, beta, c, ldc << 2, bias, activation, scratch, sums);
    } else if (bLine == 4 && worthPairs(m, n, k, bStep)) {
      pairs(m, n, k, alpha, a, aLine, aStep, b, bStep, beta, c, ldc << 2, bias, activation, sums);
    } else if (m == 1 && (bLine == 4 || (n >= LINES && aStep == 4))) {
      vector(n, k, alpha, a, aStep, b, bLine, bStep, beta, c, bias, 4, activation, sums);
    } else if (n == 1 && ldc == 1 && (transposeA || (m >= LINES && bStep == 4))) {
      vector(m, k, alpha, b, bStep, a, aLine, aStep, beta, c, bias, 0, activation, sums);
    } else {
      product(m, n, k, alpha, a, aLine, aStep, b, bLine, bStep, beta, c, ldc << 2, bias, activation, scratch, sums);
    }
    a += strideA << 2;
    b += strideB << 2;
    c += strideC << 2;
  }
}

/**
 * A product with a packed B. Up to three rows that no tile is full of, if there is one tile at most, go one by one and 32
 * columns at a time: B is read from end to end, and again from the cache. All else in tiles.
 */
function rows(
  m: usize, n: usize, k: usize, alpha: f32, a: usize, aLine: usize, aStep: usize, b: usize,
  beta: f32, c: usize, cRow: usize, bias: usize, activation: i32, scratch: usize, sums: usize,
): void {
  const column = k * 4;
  const left = m % MR;
  const single: usize = m < 2 * MR && left < 4 && k ? left : 0;
  const done = single ? n & ~(STRIP - 1) : 0;
  for (let j: usize = 0; j < done; j += STRIP) {
    for (let i = m - single; i < m; i++) {
      const y = c + i * cRow + j * 4;
      const to = beta != 0 ? scratch : y;
      sumStrip(k, a + i * aLine, aStep, b + j * column, NR * column, to);
      end(STRIP, to, y, alpha, beta, bias ? bias + j * 4 : 0, 4, activation);
    }
  }
  const whole = m - single;
  if (whole && done) {
    product(whole, done, k, alpha, a, aLine, aStep, b, 0, 0, beta, c, cRow, bias, activation, scratch, sums);
  }
  if (done == n) return;
  b += done * column;
  c += done * 4;
  if (bias) bias += done * 4;
  product(m, n - done, k, alpha, a, aLine, aStep, b, 0, 0, beta, c, cRow, bias, activation, scratch, sums);
}

/** Rows and columns of C that go through `sumPairs` at once: they stay in the first caches. */
const PAIR_ROWS: usize = 8;
const PAIR_COLUMNS: usize = 2048;
/** Rows of A that make up for packing B. */
const PACKED_ROWS: usize = 24;

/** Steps that are few whatever else a product has. */
const FEW_STEPS: usize = WIDE ? 4 : 8;

/**
 * Whether rows go in pairs: few steps, or rows that fill no tile; more of both where B's rows are so far apart that a
 * strip of them falls into few sets of the cache. Measured.
 */
// @ts-ignore: decorator
@inline function worthPairs(m: usize, n: usize, k: usize, bStep: usize): bool {
  if (m < 2 || n < 32 || !k) return false;
  return k <= FEW_STEPS || (WIDE ? m == 2 : m < 2 * MR && m % MR)
    || (!(bStep & 2047) && (m < PACKED_ROWS || k <= 2 * FEW_STEPS));
}

/** A product of few rows or few steps. The last columns are computed again together with their neighbors to the left. */
function pairs(
  m: usize, n: usize, k: usize, alpha: f32, a: usize, aLine: usize, aStep: usize, b: usize, bStep: usize,
  beta: f32, c: usize, cRow: usize, bias: usize, activation: i32, sums: usize,
): void {
  let columns: usize = 0;
  for (let j: usize = 0; j < n; j += columns) {
    columns = min(n - j, PAIR_COLUMNS);
    if (columns > 8) columns &= ~7;
    const again = -columns & 7;
    const width = columns + again;
    const at = (j - again) * 4;
    for (let i: usize = 0; i < m; i += PAIR_ROWS) {
      const rows = min(m - i, PAIR_ROWS);
      let y = c + i * cRow + at;
      let to = sums ? sums : y;
      const toRow = sums ? width * 4 : cRow;
      sumPairs(rows, width, k, a + i * aLine, aLine, aStep, b + at, bStep, to, toRow);
      if (!sums && alpha == 1 && !bias && !activation) continue;
      for (const last = y + rows * cRow; y != last; y += cRow) {
        // The values in C are needed as they were.
        const skip = sums ? again * 4 : 0;
        end(width - (skip >> 2), to + skip, y + skip, alpha, beta, bias ? bias + at + skip : 0, 4, activation);
        to += toRow;
      }
    }
  }
}

/** Bytes of `scratch` for one product; see the memory map of `gemm_f32`. */
export function gemm_scratch_bytes(m: usize, n: usize, k: usize, transposeA: bool, transposeB: bool, beta: f32): usize {
  return fixedScratchBytes(m, n, k) + (beta != 0 ? sumsBytes(m, n, k) : 0);
}

/** Sums beside C: of up to three columns, a row, the rows that go in pairs, or what waits for the next block of k. */
// @ts-ignore: decorator
@inline function sumsBytes(m: usize, n: usize, k: usize): usize {
  const pairs = min(m, PAIR_ROWS) * min(n, PAIR_COLUMNS);
  return max(max(pairs, m == 1 ? n : 0), n <= 3 || k > KC ? m * min(n, NC) : 0) * 4;
}

// @ts-ignore: decorator
@inline function fixedScratchBytes(m: usize, n: usize, k: usize): usize {
  return bBlockBytes(n, k) + aBlockBytes(m, k) + stripBytes(m) + ZEROS_BYTES;
}

// @ts-ignore: decorator
@inline function bBlockBytes(n: usize, k: usize): usize {
  return ((min(n, NC) + NR - 1) / NR) * panelBytes(min(k, KC));
}

/** Steps of a block: all, where few rows read panels that are packed from end to end. */
// @ts-ignore: decorator
@inline function depthOf(m: usize, k: usize): usize {
  return m <= 2 * MR ? k : min(k, KC);
}

// @ts-ignore: decorator
@inline function aBlockBytes(m: usize, k: usize): usize {
  return ((min(m, MC) + MR - 1) / MR) * MR * depthOf(m, k) * 4;
}

// @ts-ignore: decorator
@inline function stripBytes(m: usize): usize {
  return min(m, MC) * ROW_BYTES;
}

/** One row times a matrix, or, operands swapped, a matrix times one column: y = activation(alpha·x·B + beta·y + bias). */
function vector(
  n: usize, k: usize, alpha: f32, x: usize, xStep: usize, b: usize, bLine: usize, bStep: usize,
  beta: f32, y: usize, bias: usize, biasStep: usize, activation: i32, sums: usize,
): void {
  const to = sums ? sums : y;
  if (bLine == 4) sumRows(n, k, x, xStep, b, bStep, to);
  else sumLines(n, k, x, b, bLine, to);
  end(n, to, y, alpha, beta, bias, biasStep, activation);
}

/** y = activation(alpha·sums + beta·y + bias) for the sums of a row. */
function end(
  n: usize, sums: usize, y: usize, alpha: f32, beta: f32, bias: usize, biasStep: usize, activation: i32,
): void {
  if (sums != y || alpha != 1 || bias || activation == ACTIVATION_RELU) {
    finish(1, n, sums, 0, y, 0, alpha, beta, bias, biasStep, activation == ACTIVATION_RELU);
  }
  if (activation > ACTIVATION_RELU) activation_f32(activation, n, y, y);
}

/** A product of two or three columns. */
function columns(
  m: usize, n: usize, k: usize, alpha: f32, a: usize, aLine: usize, b: usize, bStep: usize,
  beta: f32, c: usize, cRow: usize, bias: usize, activation: i32, sums: usize,
): void {
  const to = sums ? sums : c;
  const toRow = sums ? n * 4 : cRow;
  const relu = activation == ACTIVATION_RELU;
  sumColumns(m, n, k, a, aLine, b, bStep, to, toRow);
  if (sums || alpha != 1 || bias || relu) finish(m, n, to, toRow, c, cRow, alpha, beta, bias, 4, relu);
  if (activation > ACTIVATION_RELU) activateRows(m, n, activation, c, cRow);
}

function activateRows(rows: usize, columns: usize, activation: i32, c: usize, cRow: usize): void {
  for (; rows; rows--) {
    activation_f32(activation, columns, c, c);
    c += cRow;
  }
}

/** One product; line and step strides in bytes. `bLine` is 0 where B is packed. */
function product(
  m: usize, n: usize, k: usize, alpha: f32,
  a: usize, aLine: usize, aStep: usize, b: usize, bLine: usize, bStep: usize,
  beta: f32, c: usize, cRow: usize, bias: usize, activation: i32, scratch: usize, keptSums: usize,
): void {
  const bBlock = scratch;
  const aBlock = bBlock + bBlockBytes(n, k);
  const strip = aBlock + aBlockBytes(m, k);
  const zeros = strip + stripBytes(m);
  for (let at: usize = 0; at < ROW_BYTES; at += 16) {
    v128.store(zeros + at, f32x4.splat(0));
    v128.store(zeros + at, f32x4.splat(-0.0), ROW_BYTES);
  }
  const relu = activation == ACTIVATION_RELU;
  const isPacked = !bLine;
  const packB = bLine != 4 || worthPackingB(m, n, k);
  const packA = packB && worthPackingA(n, k);
  // Unfinished sums wait in C itself, unless beta still needs the values in C.
  const keepSums = beta != 0 && k > KC;
  for (let jc: usize = 0; jc < n; jc += NC) {
    const nc = min(n - jc, NC);
    const cj = c + jc * 4;
    const biasj = bias ? bias + jc * 4 : 0;
    const sums = keepSums ? keptSums : cj;
    const sumsRow = keepSums ? nc * 4 : cRow;
    const depth = isPacked ? depthOf(m, k) : KC;
    let pc: usize = 0;
    do {
      const kc = min(k - pc, depth);
      const isLast = pc + kc == k;
      for (let ic: usize = 0; ic < m; ic += MC) {
        const mc = min(m - ic, MC);
        const ai = a + ic * aLine + pc * aStep;
        const bj = b + (isPacked ? jc * k * 4 : jc * bLine + pc * bStep);
        const si = sums + ic * sumsRow;
        const ci = cj + ic * cRow;
        block(
          mc, nc, kc, ai, aLine, aStep, aBlock, packA, bj, bLine, bStep,
          isPacked ? bj : bBlock, isPacked ? k * ROW_BYTES : panelBytes(kc), isPacked ? pc : 0, packB, ic > 0,
          si, sumsRow, pc > 0, strip, zeros, isLast, ci, cRow, alpha, beta, biasj, relu,
        );
      }
      pc += kc;
    } while (pc < k);
    if (activation > ACTIVATION_RELU) activateRows(m, nc, activation, cj, cRow);
  }
}

/** Whether A's rows are read often enough to be laid out anew; measured. */
// @ts-ignore: decorator
@inline function worthPackingA(n: usize, k: usize): bool {
  return n >= (WIDE ? 96 : 48) && k >= 48;
}

/** The same for B's rows; its columns are always packed. */
// @ts-ignore: decorator
@inline function worthPackingB(m: usize, n: usize, k: usize): bool {
  return m >= PACKED_ROWS && (n * k >= (WIDE || m < 32 ? 8192 : 6144) || n >= 256);
}

/**
 * The two inner loops: a block of A times a block of B, strip of columns by strip. Panels are packed when they are first
 * met. Those of B are `panelStride` bytes apart, and begin `skipped` steps earlier where B was packed before (`bLine` 0).
 */
function block(
  mc: usize, nc: usize, kc: usize,
  a: usize, aLine: usize, aStep: usize, aBlock: usize, packA: bool,
  b: usize, bLine: usize, bStep: usize,
  panels: usize, panelStride: usize, skipped: usize, packB: bool, bIsPacked: bool,
  sums: usize, sumsRow: usize, resume: bool, strip: usize, zeros: usize,
  isLast: bool, c: usize, cRow: usize, alpha: f32, beta: f32, bias: usize, relu: bool,
): void {
  const aTile = MR * (packA ? kc * 4 : aLine);
  const aRow: usize = packA ? 4 : aLine;
  const aNext: usize = packA ? MR * 4 : aStep;
  if (packA) {
    let panel = aBlock;
    for (let i: usize = 0; i < mc; i += MR) {
      packPanel(MR, min(mc - i, MR), kc, a + i * aLine, aLine, aStep, panel);
      panel += aTile;
    }
    a = aBlock;
  }
  if (packB && bLine == 4 && !bIsPacked) packRows(nc, kc, b, bStep, panels, panelStride);
  const scales = isLast && (alpha != 1 || beta != 0);
  const relus = isLast && relu;
  const floor: f32 = relus && !scales ? 0 : -Infinity;
  // A strip of too few columns may begin further left: what it computes again comes out the same, if it starts at 0.
  const mayOverlap = bLine && isLast && !scales && !resume;
  let nr: usize = 0;
  for (let j: usize = 0; j < nc; j += nr) {
    nr = min(nc - j, NR);
    const width = widthOf(nr);
    const missing = width - nr;
    const isWhole = !missing || (mayOverlap && j >= missing);
    const shift = isWhole ? missing : 0;
    const lines = isWhole ? width : nr;
    const source = b + (j - shift) * bLine;
    let panel = source;
    let step = bStep;
    if (packB || !isWhole) {
      step = width * 4;
      panel = panels + (j / NR) * panelStride + skipped * step;
      if (bLine && !bIsPacked && (bLine != 4 || nr < NR)) packPanel(width, lines, kc, source, bLine, bStep, panel);
    }
    const s = sums + (j - shift) * 4;
    const at = c + (j - shift) * 4;
    const biasj = isLast && bias ? bias + (j - shift) * 4 : 0;
    // In place, unless the strip has columns that do not count, or C still has what beta needs.
    const inPlace = isWhole && (s != at || beta == 0);
    const to = inPlace ? s : strip;
    const toRow = inPlace ? sumsRow : ROW_BYTES;
    if (resume && !inPlace) copyRows(mc, nr, s, sumsRow, strip, ROW_BYTES);
    const start = resume ? to : zeros;
    const startRow = resume ? toRow : 0;
    const added = inPlace && !scales && biasj ? biasj : zeros + ROW_BYTES;
    const low: f32 = inPlace ? floor : -Infinity;
    if (width == 4) quadStrip(mc, kc, a, aRow, aNext, aTile, panel, step, start, startRow, added, low, to, toRow);
    else if (NR == 16 && width == 8) {
      pairStrip(mc, kc, a, aRow, aNext, aTile, panel, step, start, startRow, added, low, to, toRow);
    } else if (packA) packedStrip(mc, kc, a, panel, start, startRow, added, low, to, toRow);
    else directStrip(mc, kc, a, aRow, aNext, aTile, panel, step, start, startRow, added, low, to, toRow);
    if (isLast && (scales || !inPlace)) finish(mc, lines, to, toRow, at, cRow, alpha, beta, biasj, 4, relu);
    else if (!inPlace) copyRows(mc, nr, to, toRow, s, sumsRow);
  }
}

// The strips that there are: each a function of its own, for the optimizer would merge them again.

/** NR columns, A and B packed. */
function packedStrip(
  rows: usize, k: usize, a: usize, b: usize,
  start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  for (; rows >= MR; rows -= MR) {
    packedTile(MR - 1, k, a, b, start, startRow, bias, floor, c, cRow);
    a += k * (MR * 4);
    start += startRow * MR;
    c += cRow * MR;
  }
  if (rows) packedTile(rows - 1, k, a, b, start, startRow, bias, floor, c, cRow);
}

/** A tile in a function of its own: the registers of the loops around it would have V8 spill in the innermost loop. */
function packedTile(
  last: usize, k: usize, a: usize, b: usize,
  start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  microkernel<Strided>(MR, NV, true, last, k, a, 4, MR * 4, 0, 0, b, NR * 4, start, startRow, bias, floor, c, cRow);
}

/** NR columns, A in place. */
function directStrip(
  rows: usize, k: usize, a: usize, aRow: usize, aStep: usize, aTile: usize, b: usize, bStep: usize,
  start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  tiles(NV, rows, k, a, aRow, aStep, aTile, b, bStep, start, startRow, bias, floor, c, cRow);
}

/** Eight columns in a binary whose tile has more. */
function pairStrip(
  rows: usize, k: usize, a: usize, aRow: usize, aStep: usize, aTile: usize, b: usize, bStep: usize,
  start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  tiles(2, rows, k, a, aRow, aStep, aTile, b, bStep, start, startRow, bias, floor, c, cRow);
}

/** Four columns. */
function quadStrip(
  rows: usize, k: usize, a: usize, aRow: usize, aStep: usize, aTile: usize, b: usize, bStep: usize,
  start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  tiles(1, rows, k, a, aRow, aStep, aTile, b, bStep, start, startRow, bias, floor, c, cRow);
}

/** The innermost loop over tiles: MR rows after MR rows, the last tile with what is left. */
// @ts-ignore: decorator
@inline function tiles(
  nv: usize, rows: usize, k: usize, a: usize, aRow: usize, aStep: usize, aTile: usize,
  b: usize, bStep: usize, start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  for (; rows >= MR; rows -= MR) {
    microkernel<Strided>(MR, nv, false, MR - 1, k, a, aRow, aStep, 0, 0, b, bStep, start, startRow, bias, floor, c, cRow);
    a += aTile;
    start += startRow * MR;
    c += cRow * MR;
  }
  if (rows) microkernel<Strided>(MR, nv, false, rows - 1, k, a, aRow, aStep, 0, 0, b, bStep, start, startRow, bias, floor, c, cRow);
}

/** C = relu?(alpha·sums + beta·C + bias) for a few rows, each operation rounded, left to right; `biasStep` is 4 or 0. */
function finish(
  rows: usize, columns: usize, sums: usize, sumsRow: usize, c: usize, cRow: usize,
  alpha: f32, beta: f32, bias: usize, biasStep: usize, relu: bool,
): void {
  if (!bias) biasStep = 0; // an absent bias stays absent
  for (; rows; rows--) {
    let at: usize = 0;
    let biasAt = bias;
    for (; at + 16 <= columns * 4; at += 16) {
      finishLanes<v128>(sums + at, c + at, alpha, beta, biasAt, biasStep, relu);
      biasAt += biasStep * 4;
    }
    for (; at < columns * 4; at += 4) {
      finishLanes<f32>(sums + at, c + at, alpha, beta, biasAt, biasStep, relu);
      biasAt += biasStep;
    }
    sums += sumsRow;
    c += cRow;
  }
}

// @ts-ignore: decorator
@inline function finishLanes<T>(
  sum: usize, c: usize, alpha: f32, beta: f32, bias: usize, biasStep: usize, relu: bool,
): void {
  let x = mul<T>(splat<T>(alpha), loadLanes<T>(sum));
  if (beta != 0) x = add<T>(x, mul<T>(splat<T>(beta), loadLanes<T>(c)));
  if (bias) x = add<T>(x, biasStep ? loadLanes<T>(bias) : splat<T>(load<f32>(bias)));
  if (relu) x = pmax<T>(x, splat<T>(0));
  storeLanes<T>(c, x);
}

function copyRows(rows: usize, columns: usize, src: usize, srcRow: usize, dst: usize, dstRow: usize): void {
  for (; rows; rows--) {
    memory.copy(dst, src, columns * 4);
    src += srcRow;
    dst += dstRow;
  }
}
