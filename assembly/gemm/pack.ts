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
  for (let j: usize = 0; j < n; j += NR) {
    const columns = min(n - j, NR);
    packPanel(widthOf(columns), columns, k, b + j * line, line, step, to + j * k * 4);
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
  let p: usize = 0;
  if (lines == width) {
    if (lineStride == 4) {
      for (; p < k; p++) {
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
    } else {
      for (; p + 4 <= k; p += 4) {
        let line = src;
        let to = dst;
        for (let quads = width >> 2; quads; quads--) {
          transpose4(line, lineStride, to, dstStep);
          line += lineStride << 2;
          to += 16;
        }
        if (MR == 6 && width == 6) transpose2(line, lineStride, to, dstStep);
        src += 16;
        dst += dstStep << 2;
      }
    }
  }
  for (; p < k; p++) {
    for (let line: usize = 0; line < width; line++) {
      store<f32>(dst + (line << 2), load<f32>(src + min(line, lines - 1) * lineStride));
    }
    src += stepStride;
    dst += dstStep;
  }
}

/** Transposes a 4 × 4 block in registers; row strides in bytes. */
// @ts-ignore: decorator
@inline function transpose4(src: usize, srcRow: usize, dst: usize, dstRow: usize): void {
  const a = v128.load(src);
  const b = v128.load(src + srcRow);
  const c = v128.load(src + srcRow * 2);
  const d = v128.load(src + srcRow * 3);
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<f64>(ab0, cd0, 0, 2));
  v128.store(dst + dstRow, v128.shuffle<f64>(ab0, cd0, 1, 3));
  v128.store(dst + dstRow * 2, v128.shuffle<f64>(ab1, cd1, 0, 2));
  v128.store(dst + dstRow * 3, v128.shuffle<f64>(ab1, cd1, 1, 3));
}

/** The same for two lines of four steps. */
// @ts-ignore: decorator
@inline function transpose2(src: usize, srcRow: usize, dst: usize, dstRow: usize): void {
  const a = v128.load(src);
  const b = v128.load(src + srcRow);
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  v128.store_lane<u64>(dst, ab0, 0);
  v128.store_lane<u64>(dst + dstRow, ab0, 1);
  v128.store_lane<u64>(dst + dstRow * 2, ab1, 0);
  v128.store_lane<u64>(dst + dstRow * 3, ab1, 1);
}
