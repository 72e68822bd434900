import { Off, On } from "../simd";
import { remainder, vectors } from "./moments";
import { resultOf } from "./result";
import { Group, Segment } from "./step-table";
import { walk } from "./walk";

// The formula, element by element, every operation rounded to float32:
//   m ← m + (1−β₁)·(g − m)        v ← β₂·v + ((1−β₂)·g)·g        s = v, or with AMSGrad s ← max(s, v)
//   p ← p − (scalar1·m) / (√s / scalar0 + eps)
// β₁ is the group's meanDecay, β₂ its decay, eps its epsOutside. Decoupled decay is p ← p·(1 − lr·wd).

@unmanaged
export class Adam {
  // @ts-ignore: decorator
  @inline update(segment: Segment, group: Group): void {
    assert(segment.state0Ptr != 0 && segment.state1Ptr != 0);
    if (segment.state2Ptr) vectors<On, Off>(segment, group);
    else vectors<Off, Off>(segment, group);
    remainder<Off>(resultOf(segment), group);
  }
}

/**
 * One step of Adam, or of AMSGrad where a segment has its third state array, of every segment of a table; the formula
 * is at the top of this file. A negative `checkFinite`: the segments are measured already.
 *
 * Requires: pointers are multiples of 4; the arrays of a segment do not overlap; the first two state arrays.
 * Returns 0, or 1 + the index of a segment whose gradient is not finite, and has then changed no array.
 * Touches: segments with a gradient: reads it, reads and writes parameter and state; writes `gradScale`.
 * Remainder: the last count mod 8 elements by the same formulas over f32.
 * Source: PyTorch's torch/optim/adam.py, in the order of its operations; Kingma and Ba (2015), Reddi et al. (2018).
 */
export function adam_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  return walk<Adam>(segmentsPtr, segmentCount, checkFinite);
}
