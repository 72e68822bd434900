import { Off, On } from "../simd";
import { remainder, vectors } from "./moments";
import { Group, Segment } from "./step-table";
import { walk } from "./walk";

// The formula, element by element, every operation rounded to float32:
//   m ← m + (1−β₁)·(g − m)        v ← β₂·v + ((1−β₂)·g)·g        d = √(v / scalar0) + eps
//   p ← p − (scalar1·g) / d       p ← p − (scalar2·m) / d
// β₁ is the group's meanDecay, β₂ its decay, eps its epsOutside; the scalars are 1 − β₂ᵗ and the two learning rates.
// Decoupled decay is p ← p·(1 − lr·wd).

@unmanaged
class NAdam {
  // @ts-ignore: decorator
  @inline update(segment: Segment, group: Group): void {
    assert(segment.state0Ptr != 0 && segment.state1Ptr != 0);
    vectors<Off, On>(segment, group);
    remainder<On>(segment, group);
  }
}

/**
 * One step of NAdam of every segment of a table; the formula is at the top of this file. A negative `checkFinite`: the
 * segments are measured already.
 *
 * Requires: pointers are multiples of 4; the arrays of a segment do not overlap; the first two state arrays; decoupled
 * decay comes as a factor. Returns 0, or 1 + the index of a segment whose gradient is not finite, and has then changed no
 * array. Touches: segments with a gradient: reads it, reads and writes parameter and state; writes `gradScale`.
 * Remainder: the last count mod 8 elements by the same formulas over f32.
 * Source: PyTorch's torch/optim/nadam.py, in the order of its operations; Dozat, Incorporating Nesterov Momentum into Adam
 * (2016).
 */
export function nadam_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  return walk<NAdam>(segmentsPtr, segmentCount, checkFinite);
}
