// What the recurrent kernels have in common: the description of a sequence, and the walk over its steps and rows.
//
// x, y and the mask are [batch, time, features], as users have them. What a layer keeps between forward and backward is
// time-major, so that a step's rows are neighbours: gates [time, batch, n], states [time + 1, batch, units], where slot t
// is the state before step t and slot t + 1 the one after it. In reverse the walk starts at the last step, reads slot
// t + 1 and writes slot t.

/** The description of a sequence: written once, when a plan is made. src/backend/families/recurrent.ts has the same. */
@unmanaged
export class Sequence {
  units!: u32;
  steps!: u32;
  /** Rows of the whole batch; a call may compute some of them. */
  batch!: u32;
  /** Kinds in activation.ts: of the candidate and the cell, and of the gates. */
  activation!: u32;
  recurrentActivation!: u32;
  /** Slope of hardSigmoid. */
  slope!: f32;
  /** 1: from the last step to the first. */
  reverse!: u32;
  /** 1: the output has every step; 0: the last computed one alone. */
  everyStep!: u32;
  /** Elements of the output from row to row of the batch, and from step to step in the order of computation. */
  outputRow!: u32;
  outputStep!: i32;
  /** GRU: 1 where the reset gate is applied after the product. */
  resetAfter!: u32;
}

// @ts-ignore: decorator
@inline export function sequenceAt(ptr: usize): Sequence {
  assert(!(ptr & 3), "the description is 4-byte aligned");
  return changetype<Sequence>(ptr);
}

/** Bytes from step to step of a time-major block whose rows have `rowBytes`; wraps around where the walk goes down. */
// @ts-ignore: decorator
@inline export function stepBytes(sequence: Sequence, rowBytes: usize): usize {
  const bytes = <usize>sequence.batch * rowBytes;
  return sequence.reverse ? 0 - bytes : bytes;
}

/** The first computed step of a time-major block, from row `first` on. */
// @ts-ignore: decorator
@inline export function firstStep(sequence: Sequence, block: usize, rowBytes: usize, first: usize): usize {
  const steps: usize = sequence.reverse ? sequence.steps - 1 : 0;
  return block + (steps * sequence.batch + first) * rowBytes;
}

/** The slot of `states` that the first computed step reads, from row `first` on. */
// @ts-ignore: decorator
@inline export function firstSlot(sequence: Sequence, states: usize, rowBytes: usize, first: usize): usize {
  const steps: usize = sequence.reverse ? sequence.steps : 0;
  return states + (steps * sequence.batch + first) * rowBytes;
}

/** Whether the mask leaves step `step`, in the order of computation, of row `row` out. */
// @ts-ignore: decorator
@inline export function isMasked(sequence: Sequence, mask: usize, row: usize, step: usize): bool {
  if (!mask) return false;
  const time = sequence.reverse ? sequence.steps - 1 - step : step;
  return load<f32>(mask + ((row * sequence.steps + time) << 2)) == 0;
}

/**
 * Writes for each of `count` rows from `first` on the first step that the mask keeps, in the order of computation; the
 * number of steps if it keeps none. A step before it puts out 0.
 */
export function findKept(sequence: Sequence, mask: usize, first: usize, count: usize, kept: usize): void {
  for (; count; count--, first++, kept += 4) {
    let step: u32 = 0;
    while (step < sequence.steps && isMasked(sequence, mask, first, step)) step++;
    store<u32>(kept, step);
  }
}

/** Copies `bytes`, or writes zeros where there is nothing to copy. */
export function copyOrClear(to: usize, from: usize, bytes: usize): void {
  if (from) memory.copy(to, from, bytes);
  else memory.fill(to, 0, bytes);
}

/** `count` ≤ 4 neighbours in the lanes of a vector, 0 in the others. */
export function lanesAt(ptr: usize, count: usize): v128 {
  if (count >= 4) return v128.load(ptr);
  let lanes = v128.load32_zero(ptr);
  if (count > 1) lanes = v128.load_lane<f32>(ptr + 4, lanes, 1);
  if (count > 2) lanes = v128.load_lane<f32>(ptr + 8, lanes, 2);
  return lanes;
}

/** Stores the first `count` ≤ 4 lanes. */
export function putLanes(ptr: usize, lanes: v128, count: usize): void {
  if (count >= 4) {
    v128.store(ptr, lanes);
    return;
  }
  v128.store_lane<f32>(ptr, lanes, 0);
  if (count > 1) v128.store_lane<f32>(ptr + 4, lanes, 1);
  if (count > 2) v128.store_lane<f32>(ptr + 8, lanes, 2);
}

/** out = a + b, `count` elements; `out` equals `a` or `b`, or overlaps neither. */
export function addArrays(count: usize, a: usize, b: usize, out: usize): void {
  for (; count >= 4; count -= 4, a += 16, b += 16, out += 16) {
    v128.store(out, f32x4.add(v128.load(a), v128.load(b)));
  }
  for (; count; count--, a += 4, b += 4, out += 4) store<f32>(out, load<f32>(a) + load<f32>(b));
}

/** Swaps the two leading axes: x [outer, inner, width] to y [inner, outer, width], for `count` of outer from `first` on. */
export function swap_axes_f32(
  first: usize, count: usize, outer: usize, inner: usize, width: usize, xPtr: usize, yPtr: usize,
): void {
  assert(first + count <= outer, "outer indices exist");
  const rowBytes = width << 2;
  xPtr += first * inner * rowBytes;
  yPtr += first * rowBytes;
  for (; count; count--, yPtr += rowBytes) {
    let y = yPtr;
    for (let i = inner; i; i--, xPtr += rowBytes, y += outer * rowBytes) copyRow(width, xPtr, y);
  }
}

/** A row is often a few elements: copied here, it costs no call into the engine. */
// @ts-ignore: decorator
@inline function copyRow(count: usize, from: usize, to: usize): void {
  for (; count >= 4; count -= 4, from += 16, to += 16) v128.store(to, v128.load(from));
  for (; count; count--, from += 4, to += 4) store<f32>(to, load<f32>(from));
}
