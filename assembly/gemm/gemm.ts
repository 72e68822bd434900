import { activation_f32 } from "../nn/activation";
import { add, loadLanes, mul, pmax, splat, storeLanes } from "../simd";
import { KC, MC, MR, NC, NR } from "./config";
import { microkernel } from "./microkernel";
import { packPanel } from "./pack";

const RELU: i32 = 1;
const ROW_BYTES: usize = NR * 4;
const TILE_BYTES: usize = MR * ROW_BYTES;
/** A row of +0 that sums start from, and one of −0 that stands for no bias. */
const ZEROS_BYTES: usize = 2 * ROW_BYTES;

/**
 * C = activation(alpha·op(A)·op(B) + beta·C + bias), for each of `batch` row-major matrices; op transposes or not.
 *
 * Numerics: each element of op(A)·op(B) starts at +0 and adds its products in ascending p, every product and every sum
 * rounded to float32. Blocks, tiles and packing leave that order alone, so an element's bits depend on its own row and
 * column only: not on m, n, the batch or the position. |error| ≤ γ·Σ|a·b| with γ = k·u / (1 − k·u), u = 2⁻²⁴.
 *
 * Requires: C overlaps neither A, B nor bias; `scratch` holds `gemm_scratch_bytes`. `bias` (n) may be 0: absent.
 * Touches: the m×k, k×n and m×n elements; C is read only if beta ≠ 0.
 * Memory: scratch = | packed B block | packed A block | one tile | a row of +0, one of −0 | sums, if beta ≠ 0 and k > KC |.
 * Source: the five loops are those of GotoBLAS and BLIS (Van Zee & van de Geijn, ACM TOMS 41(3), 2015).
 */
export function gemm_f32(
  batch: usize, m: usize, n: usize, k: usize, alpha: f32,
  a: usize, strideA: usize, lda: usize, transposeA: bool,
  b: usize, strideB: usize, ldb: usize, transposeB: bool,
  beta: f32, c: usize, strideC: usize, ldc: usize,
  bias: usize, activation: i32, scratch: usize,
): void {
  assert(!((a | b | c | bias | scratch) & 3), "operands are 4-byte aligned");
  assert(lda >= (transposeA ? m : k) && ldb >= (transposeB ? k : n) && ldc >= n, "leading dimensions hold a row");
  const aLine: usize = transposeA ? 4 : lda << 2;
  const aStep: usize = transposeA ? lda << 2 : 4;
  const bLine: usize = transposeB ? ldb << 2 : 4;
  const bStep: usize = transposeB ? 4 : ldb << 2;
  for (; batch; batch--) {
    product(m, n, k, alpha, a, aLine, aStep, b, bLine, bStep, beta, c, ldc << 2, bias, activation, scratch);
    a += strideA << 2;
    b += strideB << 2;
    c += strideC << 2;
  }
}

/** Bytes of `scratch` for one product; see the memory map of `gemm_f32`. */
export function gemm_scratch_bytes(m: usize, n: usize, k: usize, transposeA: bool, transposeB: bool, beta: f32): usize {
  return bBlockBytes(n, k) + aBlockBytes(m, k) + TILE_BYTES + ZEROS_BYTES + (beta != 0 && k > KC ? m * min(n, NC) * 4 : 0);
}

// @ts-ignore: decorator
@inline function bBlockBytes(n: usize, k: usize): usize {
  return ((min(n, NC) + NR - 1) / NR) * NR * min(k, KC) * 4;
}

// @ts-ignore: decorator
@inline function aBlockBytes(m: usize, k: usize): usize {
  return ((min(m, MC) + MR - 1) / MR) * MR * min(k, KC) * 4;
}

/** One product; line and step strides in bytes. */
function product(
  m: usize, n: usize, k: usize, alpha: f32,
  a: usize, aLine: usize, aStep: usize, b: usize, bLine: usize, bStep: usize,
  beta: f32, c: usize, cRow: usize, bias: usize, activation: i32, scratch: usize,
): void {
  const bBlock = scratch;
  const aBlock = bBlock + bBlockBytes(n, k);
  const tile = aBlock + aBlockBytes(m, k);
  const zeros = tile + TILE_BYTES;
  for (let at: usize = 0; at < ROW_BYTES; at += 4) {
    store<f32>(zeros + at, 0);
    store<f32>(zeros + ROW_BYTES + at, -0.0);
  }
  const packA = worthPackingA(m, n, k);
  const packB = bLine != 4 || worthPackingB(m, n, k);
  // Unfinished sums wait in C itself, unless beta still needs what C holds.
  const keepSums = beta != 0 && k > KC;
  for (let jc: usize = 0; jc < n; jc += NC) {
    const nc = min(n - jc, NC);
    const cj = c + jc * 4;
    const sums = keepSums ? zeros + ZEROS_BYTES : cj;
    const sumsRow = keepSums ? nc * 4 : cRow;
    let pc: usize = 0;
    do {
      const kc = min(k - pc, KC);
      const isLast = pc + kc == k;
      for (let ic: usize = 0; ic < m; ic += MC) {
        const mc = min(m - ic, MC);
        block(
          mc, nc, kc,
          a + ic * aLine + pc * aStep, aLine, aStep, aBlock, packA,
          b + jc * bLine + pc * bStep, bLine, bStep, bBlock, packB, ic > 0,
          sums + ic * sumsRow, sumsRow, pc > 0, tile,
          isLast, cj + ic * cRow, cRow, alpha, beta, bias ? bias + jc * 4 : 0, activation == RELU,
        );
      }
      pc += kc;
    } while (pc < k);
    if (activation > RELU) {
      for (let i: usize = 0; i < m; i++) activation_f32(activation, nc, cj + i * cRow, cj + i * cRow);
    }
  }
}

/** Whether A's rows are read often enough to be laid out anew; measured. */
// @ts-ignore: decorator
@inline function worthPackingA(m: usize, n: usize, k: usize): bool {
  return n > 64 && m * n * k > 65536;
}

/** The same for B's rows; its columns are always packed. */
// @ts-ignore: decorator
@inline function worthPackingB(m: usize, n: usize, k: usize): bool {
  return m > 16 && n * k > 4096;
}

/** The two inner loops: a block of A times a block of B, tile by tile. Panels are packed when they are first met. */
function block(
  mc: usize, nc: usize, kc: usize,
  a: usize, aLine: usize, aStep: usize, aBlock: usize, packA: bool,
  b: usize, bLine: usize, bStep: usize, bBlock: usize, packB: bool, bIsPacked: bool,
  sums: usize, sumsRow: usize, resume: bool, tile: usize,
  isLast: bool, c: usize, cRow: usize, alpha: f32, beta: f32, bias: usize, relu: bool,
): void {
  if (packA) {
    for (let i: usize = 0; i < mc; i += MR) {
      packPanel(MR, min(mc - i, MR), kc, a + i * aLine, aLine, aStep, aBlock + i * kc * 4);
    }
  }
  const scales = isLast && (alpha != 1 || beta != 0);
  const zeros = tile + TILE_BYTES;
  const noBias = zeros + ROW_BYTES;
  const floor: f32 = isLast && relu && !scales ? 0 : -Infinity;
  for (let j: usize = 0; j < nc; j += NR) {
    const nr = min(nc - j, NR);
    const width: usize = nr > 4 ? 8 : 4;
    let panel = b + j * bLine;
    let step = bStep;
    if (packB || nr < width) {
      panel = bBlock + j * kc * 4;
      step = width * 4;
      if (!bIsPacked) packPanel(width, nr, kc, b + j * bLine, bLine, bStep, panel);
    }
    const biasj = isLast && bias ? bias + j * 4 : 0;
    for (let i: usize = 0; i < mc; i += MR) {
      const mr = min(mc - i, MR);
      const ai = packA ? aBlock + i * kc * 4 : a + i * aLine;
      const aRow: usize = packA ? 4 : aLine;
      const aNext: usize = packA ? MR * 4 : aStep;
      const s = sums + i * sumsRow + j * 4;
      const at = c + i * cRow + j * 4;
      const isWhole = nr == width && (mr == MR || (mr == 1 && width == 8));
      // In place, unless the tile has elements that do not count, or C still holds what beta needs.
      if (isWhole && (s != at || beta == 0)) {
        const added = biasj && !scales ? biasj : noBias;
        wholeTile(
          width, mr, kc, ai, aRow, aNext, panel, step, resume ? s : zeros, resume ? sumsRow : 0, added, floor, s, sumsRow,
        );
        if (scales) finish(mr, nr, s, sumsRow, at, cRow, alpha, beta, biasj, relu);
      } else {
        if (resume) copyRows(mr, nr, s, sumsRow, tile, ROW_BYTES);
        partialTile(
          width, mr, kc, ai, aRow, aNext, panel, step, resume ? tile : zeros, resume ? ROW_BYTES : 0, noBias, tile,
        );
        if (isLast) finish(mr, nr, tile, ROW_BYTES, at, cRow, alpha, beta, biasj, relu);
        else copyRows(mr, nr, tile, ROW_BYTES, s, sumsRow);
      }
    }
  }
}

/** The micro-kernel that fits the tile and A's layout. */
// @ts-ignore: decorator
@inline function wholeTile(
  width: usize, mr: usize, kc: usize, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize,
  start: usize, startRow: usize, bias: usize, floor: f32, c: usize, cRow: usize,
): void {
  if (mr == 1) microkernel(1, 2, kc, a, 0, 0, 0, aStep, b, bStep, start, 0, bias, floor, c, 0);
  else if (width == 4) {
    microkernel(4, 1, kc, a, aRow, aRow * 2, aRow * 3, aStep, b, bStep, start, startRow, bias, floor, c, cRow);
  } else if (aRow == 4) {
    microkernel(4, 2, kc, a, 4, 8, 12, aStep, b, bStep, start, startRow, bias, floor, c, cRow);
  } else {
    microkernel(4, 2, kc, a, aRow, aRow * 2, aRow * 3, aStep, b, bStep, start, startRow, bias, floor, c, cRow);
  }
}

/** A whole tile in a buffer of its own, for `mr` rows of A; the rows that the tile has more repeat the last one. */
function partialTile(
  width: usize, mr: usize, kc: usize, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize,
  start: usize, startRow: usize, noBias: usize, tile: usize,
): void {
  const a1 = min(mr - 1, 1) * aRow;
  const a2 = min(mr - 1, 2) * aRow;
  const a3 = (mr - 1) * aRow;
  if (width == 8) {
    microkernel(4, 2, kc, a, a1, a2, a3, aStep, b, bStep, start, startRow, noBias, -Infinity, tile, ROW_BYTES);
  } else microkernel(4, 1, kc, a, a1, a2, a3, aStep, b, bStep, start, startRow, noBias, -Infinity, tile, ROW_BYTES);
}

/** C = relu?(alpha·sums + beta·C + bias) for a few rows, each operation rounded, left to right. */
function finish(
  rows: usize, columns: usize, sums: usize, sumsRow: usize, c: usize, cRow: usize,
  alpha: f32, beta: f32, bias: usize, relu: bool,
): void {
  for (; rows; rows--) {
    let at: usize = 0;
    for (; at + 16 <= columns * 4; at += 16) {
      finishLanes<v128>(sums + at, c + at, alpha, beta, bias ? bias + at : 0, relu);
    }
    for (; at < columns * 4; at += 4) finishLanes<f32>(sums + at, c + at, alpha, beta, bias ? bias + at : 0, relu);
    sums += sumsRow;
    c += cRow;
  }
}

// @ts-ignore: decorator
@inline function finishLanes<T>(sum: usize, c: usize, alpha: f32, beta: f32, bias: usize, relu: bool): void {
  let x = mul<T>(splat<T>(alpha), loadLanes<T>(sum));
  if (beta != 0) x = add<T>(x, mul<T>(splat<T>(beta), loadLanes<T>(c)));
  if (bias) x = add<T>(x, loadLanes<T>(bias));
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
