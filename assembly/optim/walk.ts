import { averageParameters } from "./average";
import { measure_f32 } from "./condition";
import { groupOf, segmentAt } from "./segments";

/**
 * One step of every row of a table by the method `M`, a class without fields whose `update` is called directly. A
 * negative `checkFinite`: the rows are measured already. Returns 0, or 1 + the index of a row whose gradient is not
 * finite, and has then changed no array. Rows without a gradient are passed over.
 */
export function walk<M>(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  const refused = measure_f32(segmentsPtr, segmentCount, checkFinite);
  if (refused) return refused;
  for (let i: u32 = 0; i < segmentCount; i++) {
    const row = segmentAt(segmentsPtr, i);
    if (!row.gradPtr) continue;
    assert(((row.paramPtr | row.gradPtr | row.state0Ptr | row.state1Ptr | row.state2Ptr) & 3) == 0);
    changetype<M>(<usize>0).update(row, groupOf(row));
    averageParameters(row);
  }
  return 0;
}
