import { average } from "./transform";
import { Segment } from "./step-table";

/**
 * The moving average of a segment's parameter, a ← averageDecay·a + averageComplement·p, each operation rounded once;
 * nothing for a segment without one. Every optimizer's kernel calls it for a segment whose elements it has updated.
 *
 * Requires: in a first step, whose decay is 0, an average that holds finite numbers: 0·∞ would be NaN.
 * Touches: reads the parameter, reads and writes state3.
 */
export function averageParameters(segment: Segment): void {
  let a: usize = segment.averagePtr;
  if (!a) return;
  const segmentPtr = changetype<usize>(segment);
  const decay = v128.load32_splat(segmentPtr, offsetof<Segment>("averageDecay"));
  const complement = v128.load32_splat(segmentPtr, offsetof<Segment>("averageComplement"));
  let p: usize = segment.paramPtr;
  const end = p + (segment.count << 2);
  for (const vectorsEnd = p + ((segment.count >> 3) << 5); p != vectorsEnd; p += 32) {
    const a0 = average<v128>(v128.load(a), v128.load(p), decay, complement);
    const a1 = average<v128>(v128.load(a, 16), v128.load(p, 16), decay, complement);
    v128.store(a, a0);
    v128.store(a, a1, 16);
    a += 32;
  }
  for (; p != end; p += 4) {
    store<f32>(a, average<f32>(load<f32>(a), load<f32>(p), segment.averageDecay, segment.averageComplement));
    a += 4;
  }
}
