import { average } from "./condition";
import { Segment } from "./segments";

/**
 * The moving average of a row's parameter, a ← averageDecay·a + averageComplement·p, each operation rounded once; nothing
 * for a row without one. Every optimizer's kernel calls it for a row whose elements it has updated.
 *
 * Requires: in a first step, whose decay is 0, an average that holds finite numbers: 0·∞ would be NaN.
 * Touches: reads the parameter, reads and writes state3.
 */
export function averageParameters(row: Segment): void {
  let a: usize = row.state3Ptr;
  if (!a) return;
  const rowPtr = changetype<usize>(row);
  const decay = v128.load32_splat(rowPtr, offsetof<Segment>("averageDecay"));
  const complement = v128.load32_splat(rowPtr, offsetof<Segment>("averageComplement"));
  let p: usize = row.paramPtr;
  const end = p + (row.count << 2);
  for (const vectorsEnd = p + ((row.count >> 3) << 5); p != vectorsEnd; p += 32) {
    const a0 = average<v128>(v128.load(a), v128.load(p), decay, complement);
    const a1 = average<v128>(v128.load(a, 16), v128.load(p, 16), decay, complement);
    v128.store(a, a0);
    v128.store(a, a1, 16);
    a += 32;
  }
  for (; p != end; p += 4) {
    store<f32>(a, average<f32>(load<f32>(a), load<f32>(p), row.averageDecay, row.averageComplement));
    a += 4;
  }
}
