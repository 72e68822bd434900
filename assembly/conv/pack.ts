// Packing of pixels, as gemm/pack.ts packs rows of a matrix: a panel is four pixels beside each other, step by step.

import { TABLE_ROW } from "../gemm/microkernel";

const MR: usize = 4;

/** Lays the pixels of a block out, four beside each other, in the order in which a tile reads them. */
export function packPixels(
  table: usize, count: usize, a: usize, segments: usize, segmentsEnd: usize, run: usize, to: usize,
): void {
  for (let i: usize = 0; i < count; i += MR) {
    const last = min(count - i, MR) - 1;
    const row = table + i * TABLE_ROW;
    const a0 = a + load<u32>(row);
    const a1 = a + load<u32>(row + min(1, last) * TABLE_ROW);
    const a2 = a + load<u32>(row + min(2, last) * TABLE_ROW);
    const a3 = a + load<u32>(row + min(3, last) * TABLE_ROW);
    for (let segment = segments; segment != segmentsEnd; segment += 4) {
      const at = <usize>load<u32>(segment);
      to = packLines(a0 + at, a1 + at, a2 + at, a3 + at, run, to);
    }
  }
}

/** Transposes four lines of k floats. */
function packLines(a0: usize, a1: usize, a2: usize, a3: usize, k: usize, to: usize): usize {
  for (; k >= 4; k -= 4, to += 64) {
    const a = v128.load(a0);
    const b = v128.load(a1);
    const c = v128.load(a2);
    const d = v128.load(a3);
    const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
    const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
    const cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f64>(ab0, cd0, 0, 2));
    v128.store(to, v128.shuffle<f64>(ab0, cd0, 1, 3), 16);
    v128.store(to, v128.shuffle<f64>(ab1, cd1, 0, 2), 32);
    v128.store(to, v128.shuffle<f64>(ab1, cd1, 1, 3), 48);
    a0 += 16;
    a1 += 16;
    a2 += 16;
    a3 += 16;
  }
  for (; k; k--, to += 16) {
    store<f32>(to, load<f32>(a0));
    store<f32>(to, load<f32>(a1), 4);
    store<f32>(to, load<f32>(a2), 8);
    store<f32>(to, load<f32>(a3), 12);
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
  }
  return to;
}
