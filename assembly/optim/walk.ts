import { averageParameters } from "./average";
import { measure_f32 } from "./transform";
import { resultOf } from "./result";
import { groupOf, segmentAt } from "./step-table";

/**
 * One step of every segment of a table by the method `M`, a class without fields whose `update` is called directly. A
 * negative `checkFinite`: the segments are measured already. Returns 0, or 1 + the index of a segment whose gradient is
 * not finite, and has then changed no array. Segments without a gradient are passed over.
 */
export function walk<M>(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  const refused = measure_f32(segmentsPtr, segmentCount, checkFinite);
  if (refused) return refused;
  for (let i: u32 = 0; i < segmentCount; i++) {
    const segment = segmentAt(segmentsPtr, i);
    if (!segment.gradPtr) continue;
    assert(((segment.paramPtr | segment.gradPtr | segment.state0Ptr | segment.state1Ptr | segment.state2Ptr) & 3) == 0);
    changetype<M>(<usize>0).update(segment, groupOf(segment));
    averageParameters(resultOf(segment));
  }
  return 0;
}

/** The same for a method whose `update` needs scratch. */
export function walkWithScratch<M>(segmentsPtr: usize, segmentCount: u32, checkFinite: i32, scratch: usize): u32 {
  assert((scratch & 3) == 0);
  const refused = measure_f32(segmentsPtr, segmentCount, checkFinite);
  if (refused) return refused;
  for (let i: u32 = 0; i < segmentCount; i++) {
    const segment = segmentAt(segmentsPtr, i);
    if (!segment.gradPtr || !segment.count) continue;
    assert(((segment.paramPtr | segment.gradPtr | segment.state0Ptr | segment.state1Ptr | segment.state2Ptr) & 3) == 0);
    changetype<M>(<usize>0).update(segment, groupOf(segment), scratch);
    averageParameters(segment);
  }
  return 0;
}
