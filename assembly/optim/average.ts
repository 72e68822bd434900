import { average, lerp } from "./transform";
import { resultOf } from "./result";
import { Segment } from "./step-table";

/** a of one element or four. */
// @ts-ignore: decorator
@inline function next<T>(a: T, p: T, decay: T, complement: T, isLerp: bool): T {
  return isLerp ? lerp<T>(a, p, complement) : average<T>(a, p, decay, complement);
}

/**
 * The moving average of a segment's parameter, a ← averageDecay·a + averageComplement·p, or with a negative averageDecay
 * a ← a + averageComplement·(p − a), each operation rounded once; nothing for a segment without one. Every optimizer's
 * kernel calls it for a segment whose elements it has updated.
 *
 * Requires: in a first step, whose decay is 0, an average of finite numbers: 0·∞ would be NaN.
 * Touches: reads the parameter, reads and writes state3.
 */
export function averageParameters(segment: Segment): void {
  let a: usize = segment.averagePtr;
  if (!a) return;
  let to: usize = resultOf(segment).averagePtr;
  const segmentPtr = changetype<usize>(segment);
  const decay = v128.load32_splat(segmentPtr, offsetof<Segment>("averageDecay"));
  const complement = v128.load32_splat(segmentPtr, offsetof<Segment>("averageComplement"));
  const isLerp = segment.averageDecay < 0;
  let p: usize = resultOf(segment).paramPtr;
  const end = p + (segment.count << 2);
  for (const vectorsEnd = p + ((segment.count >> 3) << 5); p != vectorsEnd; p += 32) {
    const a0 = next<v128>(v128.load(a), v128.load(p), decay, complement, isLerp);
    const a1 = next<v128>(v128.load(a, 16), v128.load(p, 16), decay, complement, isLerp);
    v128.store(to, a0);
    v128.store(to, a1, 16);
    a += 32;
    to += 32;
  }
  for (; p != end; p += 4) {
    store<f32>(to, next<f32>(load<f32>(a), load<f32>(p), segment.averageDecay, segment.averageComplement, isLerp));
    a += 4;
    to += 4;
  }
}
