// Packing. An operand is a set of lines: rows of op(A), or columns of op(B). A panel is `width` neighbouring lines, laid
// out in the order in which the micro-kernel reads them:
//
//   | p = 0: line 0 … width−1 | p = 1: line 0 … width−1 | … | p = k−1: line 0 … width−1 |
//
// A panel wider than the lines left is padded with zeros: a tile computes them, nobody reads them.

/**
 * Packs `lines` ≤ `width` lines of depth `k` into one panel; `width` is 4 or 8. Strides in bytes, one of them is 4.
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
        if (width == 8) v128.store(dst, v128.load(src, 16), 16);
        src += stepStride;
        dst += dstStep;
      }
    } else {
      for (; p + 4 <= k; p += 4) {
        transpose4(src, lineStride, dst, dstStep);
        if (width == 8) transpose4(src + lineStride * 4, lineStride, dst + 16, dstStep);
        src += 16;
        dst += dstStep << 2;
      }
    }
  }
  for (; p < k; p++) {
    for (let line: usize = 0; line < width; line++) {
      store<f32>(dst + (line << 2), line < lines ? load<f32>(src + line * lineStride) : 0);
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
