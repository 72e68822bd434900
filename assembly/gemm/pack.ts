// Packing. An operand is a set of lines: rows of op(A), or columns of op(B). A panel is `width` neighboring lines, laid
// out in the order in which the micro-kernel reads them:
//
//   | p = 0: line 0 … width−1 | p = 1: line 0 … width−1 | … | p = k−1: line 0 … width−1 |
//
// A panel wider than the lines left repeats the last one.

import { MR, NR } from "./config";

/** Columns of the panel that has the next `columns` ≤ NR ones: those of a strip. */
// @ts-ignore: decorator
@inline export function widthOf(columns: usize): usize {
  return columns <= 4 ? 4 : NR == 16 && columns <= 8 ? 8 : NR;
}

/**
 * Packs all of op(B), k × n, for the products that take it as `PACKED`: panels of NR columns and all k steps, one after
 * the other, so that column j, a multiple of NR, begins at `to + 4·j·k`. The last panel is as wide as its strip. A single
 * column is copied: it is its own panel.
 *
 * Touches: reads k × n elements, writes k × (n rounded up to 4, 8 or 16 columns). Numerics: copies bits.
 */
export function pack_f32(n: usize, k: usize, b: usize, ldb: usize, transposeB: bool, to: usize): void {
  const line: usize = transposeB ? ldb << 2 : 4;
  const step: usize = transposeB ? 4 : ldb << 2;
  if (n == 1) {
    for (const end = to + k * 4; to != end; to += 4) {
      store<f32>(to, load<f32>(b));
      b += step;
    }
    return;
  }
  let columns: usize = 0;
  for (let j: usize = 0; j < n; j += columns) {
    const panel = to + j * k * 4;
    columns = n - j;
    if (columns < NR || transposeB) {
      columns = min(columns, NR);
      packPanel(widthOf(columns), columns, k, b + j * line, line, step, panel);
    } else {
      columns = min(columns, 4 * NR) & ~(NR - 1);
      packRows(columns, k, b + j * 4, step, panel, k * (NR * 4));
    }
  }
}

/** Bytes from one panel of op(B) to the next: a cache line more than it has, or many panels would share a set of the cache. */
// @ts-ignore: decorator
@inline export function panelBytes(k: usize): usize {
  return k * (NR * 4) + 64;
}

/**
 * Packs the strips of NR columns that a k × n matrix is full of; rows `rowStride` bytes apart, panels `panelBytes`. It goes
 * along the rows, since strip by strip each line of the cache would be fetched twice, from pages far apart.
 *
 * Touches: reads and writes k × (n rounded down) elements. Numerics: copies bits.
 */
export function packRows(n: usize, k: usize, src: usize, rowStride: usize, dst: usize, panelBytes: usize): void {
  for (; k; k--) {
    let at = src;
    let to = dst;
    for (const end = src + n / NR * (NR * 4); at != end; at += NR * 4) {
      v128.store(to, v128.load(at));
      v128.store(to, v128.load(at, 16), 16);
      if (NR == 16) {
        v128.store(to, v128.load(at, 32), 32);
        v128.store(to, v128.load(at, 48), 48);
      }
      to += panelBytes;
    }
    src += rowStride;
    dst += NR * 4;
  }
}

/**
 * Packs `lines` ≤ `width` lines of depth `k` into one panel; `width` is MR, NR, 8 or 4. Strides in bytes, one of them
 * is 4.
 *
 * Touches: reads lines × k elements, writes width × k. Numerics: copies bits.
 */
export function packPanel(
  width: usize, lines: usize, k: usize, src: usize, lineStride: usize, stepStride: usize, dst: usize,
): void {
  const dstStep = width << 2;
  if (lines == width && lineStride == 4) {
    for (; k; k--) {
      v128.store(dst, v128.load(src));
      if (width >= 8) v128.store(dst, v128.load(src, 16), 16);
      if (NR == 16 && width == 16) {
        v128.store(dst, v128.load(src, 32), 32);
        v128.store(dst, v128.load(src, 48), 48);
      }
      if (MR == 6 && width == 6) store<u64>(dst, load<u64>(src, 16), 16);
      src += stepStride;
      dst += dstStep;
    }
    return;
  }
  const last = lines - 1;
  for (let line: usize = 0; line < width; line += 4) {
    const first = src + min(line, last) * lineStride;
    const second = src + min(line + 1, last) * lineStride;
    const to = dst + line * 4;
    if (MR == 6 && width == 6 && line == 4) packPair(k, first, second, stepStride, to);
    else {
      const third = src + min(line + 2, last) * lineStride;
      packQuad(k, first, second, third, src + min(line + 3, last) * lineStride, stepStride, to, dstStep);
    }
  }
}

/** Packs four lines, the first at `a`, into a panel with `dstStep` bytes a step. */
function packQuad(
  k: usize, a: usize, b: usize, c: usize, d: usize, stepStride: usize, dst: usize, dstStep: usize,
): void {
  if (stepStride == 4) {
    for (; k >= 4; k -= 4) {
      transpose4(a, b, c, d, dst, dstStep);
      a += 16;
      b += 16;
      c += 16;
      d += 16;
      dst += dstStep << 2;
    }
  }
  for (; k; k--) {
    store<f32>(dst, load<f32>(a));
    store<f32>(dst, load<f32>(b), 4);
    store<f32>(dst, load<f32>(c), 8);
    store<f32>(dst, load<f32>(d), 12);
    a += stepStride;
    b += stepStride;
    c += stepStride;
    d += stepStride;
    dst += dstStep;
  }
}

/** Transposes a 4 × 4 block in registers. */
// @ts-ignore: decorator
@inline function transpose4(first: usize, second: usize, third: usize, fourth: usize, dst: usize, dstRow: usize): void {
  const a = v128.load(first);
  const b = v128.load(second);
  const c = v128.load(third);
  const d = v128.load(fourth);
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<f64>(ab0, cd0, 0, 2));
  v128.store(dst + dstRow, v128.shuffle<f64>(ab0, cd0, 1, 3));
  v128.store(dst + dstRow * 2, v128.shuffle<f64>(ab1, cd1, 0, 2));
  v128.store(dst + dstRow * 3, v128.shuffle<f64>(ab1, cd1, 1, 3));
}

/** The same for two lines of a panel of six. */
function packPair(k: usize, a: usize, b: usize, stepStride: usize, dst: usize): void {
  for (; k; k--) {
    store<f32>(dst, load<f32>(a));
    store<f32>(dst, load<f32>(b), 4);
    a += stepStride;
    b += stepStride;
    dst += MR * 4;
  }
}
