import { add, div, mul, sub } from "../simd";
import { Segment, segmentAt } from "./step-table";

/** acc + (g − acc)·weight. */
// @ts-ignore: decorator
@inline function moveMean<T>(acc: T, g: T, weight: T): T {
  return add<T>(acc, mul<T>(sub<T>(g, acc), weight));
}

/** The elements of a segment; both branches go the same way for all of them. */
function accumulate(segment: Segment, divisor: f32): void {
  let acc: usize = segment.accumulatorPtr;
  let g: usize = segment.gradPtr;
  const adds = g != acc;
  const end = acc + (segment.count << 2);
  for (const vectorsEnd = acc + ((segment.count >> 3) << 5); acc != vectorsEnd; acc += 32) {
    let s0 = v128.load(acc);
    let s1 = v128.load(acc, 16);
    if (divisor < 0) {
      const weight = f32x4.splat(-divisor);
      s0 = moveMean<v128>(s0, adds ? v128.load(g) : f32x4.splat(0), weight);
      s1 = moveMean<v128>(s1, adds ? v128.load(g, 16) : f32x4.splat(0), weight);
    } else if (adds) {
      s0 = add<v128>(s0, v128.load(g));
      s1 = add<v128>(s1, v128.load(g, 16));
    }
    if (divisor > 0) {
      s0 = div<v128>(s0, f32x4.splat(divisor));
      s1 = div<v128>(s1, f32x4.splat(divisor));
    }
    v128.store(acc, s0);
    v128.store(acc, s1, 16);
    g += 32;
  }
  for (; acc != end; acc += 4) {
    let s = load<f32>(acc);
    if (divisor < 0) s = moveMean<f32>(s, adds ? load<f32>(g) : 0, -divisor);
    else if (adds) s += load<f32>(g);
    if (divisor > 0) s /= divisor;
    store<f32>(acc, s);
    g += 4;
  }
}

/**
 * Adds the gradients of a table to its accumulators, acc ← acc + g; with a divisor > 0, in the last turn of a cycle,
 * acc ← (acc + g) / divisor. With a divisor < 0 the accumulator is the mean so far, acc ← acc + (g − acc)·|divisor|. A
 * segment whose gradient is its accumulator itself has none to add: it is divided only, or moves by a gradient of 0.
 *
 * Requires: pointers are multiples of 4; a segment with a gradient has an accumulator, which is its gradient or does
 * not overlap it. Touches: segments with a gradient: reads it, reads and writes the accumulator.
 * Numerics: each operation rounds once. Source: Keras 3's BaseOptimizer, which adds and divides in this order; Optax's
 * MultiSteps for the mean so far.
 */
export function accumulate_f32(segmentsPtr: usize, segmentCount: u32, divisor: f32): void {
  for (let i: u32 = 0; i < segmentCount; i++) {
    const segment = segmentAt(segmentsPtr, i);
    if (!segment.gradPtr) continue;
    assert(segment.accumulatorPtr != 0 && ((segment.gradPtr | segment.accumulatorPtr) & 3) == 0);
    accumulate(segment, divisor);
  }
}
