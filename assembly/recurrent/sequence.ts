// What the recurrent kernels have in common: the description of a sequence, and the walk over its steps and rows.
//
// x, y and the mask are [batch, steps, features], as users have them. What a layer keeps between forward and backward is
// time-major, so that the rows of a step are neighbors: gates [steps, batch, n], states [steps + 1, batch, units], where
// slot t is the state before step t and slot t + 1 the one after it. In reverse the walk begins at the last step, reads
// slot t + 1 and writes slot t. "Step" in code counts steps in the order of computation, "time" in that of x.

/** The description of a sequence, written once, when a plan is made; SEQUENCE in src/backend/families/recurrent.ts. */
@unmanaged
export class Sequence {
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
  /** 1: the output of a step that the mask leaves out is 0, not the previous one. */
  zeroMasked!: u32;
}

// @ts-ignore: decorator
@inline export function sequenceAt(ptr: usize, first: usize, count: usize): Sequence {
  assert(!(ptr & 3), "the description is 4-byte aligned");
  const sequence = changetype<Sequence>(ptr);
  assert(first + count <= sequence.batch, "the rows are rows of the batch");
  return sequence;
}

/** Bytes from step to step of a time-major block whose rows have `rowBytes`; wraps around where the walk goes down. */
// @ts-ignore: decorator
@inline export function stepBytes(sequence: Sequence, rowBytes: usize): usize {
  const bytes = <usize>sequence.batch * rowBytes;
  return sequence.reverse ? 0 - bytes : bytes;
}

/** Where step 0 of a block [steps, batch, …] is, from row `first` on. */
// @ts-ignore: decorator
@inline export function firstStep(sequence: Sequence, block: usize, rowBytes: usize, first: usize, steps: usize): usize {
  const time: usize = sequence.reverse ? steps - 1 : 0;
  return block + (time * sequence.batch + first) * rowBytes;
}

/** The slot of a block [steps + 1, batch, …] that step 0 reads, from row `first` on. */
// @ts-ignore: decorator
@inline export function firstSlot(sequence: Sequence, block: usize, rowBytes: usize, first: usize, steps: usize): usize {
  const slot: usize = sequence.reverse ? steps : 0;
  return block + (slot * sequence.batch + first) * rowBytes;
}

/** Bytes of the output from step to step; wraps around as `stepBytes` does. */
// @ts-ignore: decorator
@inline export function outputBytes(sequence: Sequence): usize {
  return <usize>sequence.outputStep << 2;
}

/** Whether a step has an output. */
// @ts-ignore: decorator
@inline export function hasOutput(sequence: Sequence, output: usize, step: usize, steps: usize): bool {
  return output != 0 && (sequence.everyStep != 0 || step + 1 == steps);
}

/** Whether the mask leaves a step of a row out; without one (0) it never does. */
// @ts-ignore: decorator
@inline export function isMasked(sequence: Sequence, mask: usize, row: usize, step: usize, steps: usize): bool {
  if (!mask) return false;
  const time = sequence.reverse ? steps - 1 - step : step;
  return load<f32>(mask + ((row * steps + time) << 2)) == 0;
}

/** Writes for each row the first step that the mask keeps, the number of steps if it keeps none. */
export function findKept(
  sequence: Sequence, mask: usize, first: usize, count: usize, steps: usize, kept: usize,
): void {
  if (!mask) return;
  for (; count; count--) {
    let step: usize = 0;
    while (step < steps && isMasked(sequence, mask, first, step, steps)) step++;
    store<u32>(kept, step);
    first++;
    kept += 4;
  }
}

/**
 * Whether a step that the mask leaves out puts out the previous output, which is the state, instead of 0: if a step before
 * it was kept. `row` is counted from the first of the call.
 */
// @ts-ignore: decorator
@inline export function putsOut(sequence: Sequence, kept: usize, row: usize, step: usize): bool {
  return !sequence.zeroMasked && step > load<u32>(kept + (row << 2));
}

/** Copies `bytes`, or writes zeros where there is nothing (0) to copy. */
export function copyOrClear(to: usize, from: usize, bytes: usize): void {
  if (from) memory.copy(to, from, bytes);
  else memory.fill(to, 0, bytes);
}

/** A row is often a few elements: copied here, it costs no call into the engine. */
export function copyRow(count: usize, from: usize, to: usize): void {
  for (; count >= 4; count -= 4, from += 16, to += 16) v128.store(to, v128.load(from));
  for (; count; count--, from += 4, to += 4) store<f32>(to, load<f32>(from));
}

/** out = a + b; `out` equals `a` or `b`, or overlaps neither. */
export function addRow(count: usize, a: usize, b: usize, out: usize): void {
  for (; count >= 4; count -= 4, a += 16, b += 16, out += 16) {
    v128.store(out, f32x4.add(v128.load(a), v128.load(b)));
  }
  for (; count; count--, a += 4, b += 4, out += 4) store<f32>(out, load<f32>(a) + load<f32>(b));
}

/** `count` ≤ 4 neighbors in the lanes of a vector, 0 in the others. */
export function lanesAt(ptr: usize, count: usize): v128 {
  if (count == 4) return v128.load(ptr);
  let lanes = v128.load32_zero(ptr);
  if (count > 1) lanes = v128.load_lane<f32>(ptr + 4, lanes, 1);
  if (count > 2) lanes = v128.load_lane<f32>(ptr + 8, lanes, 2);
  return lanes;
}

/** Stores the first `count` ≤ 4 lanes. */
export function putLanes(ptr: usize, lanes: v128, count: usize): void {
  if (count == 4) {
    v128.store(ptr, lanes);
    return;
  }
  v128.store_lane<f32>(ptr, lanes, 0);
  if (count > 1) v128.store_lane<f32>(ptr + 4, lanes, 1);
  if (count > 2) v128.store_lane<f32>(ptr + 8, lanes, 2);
}

/** The same two where a count of 4 is a constant: no call, no choice. */
// @ts-ignore: decorator
@inline export function fewAt(ptr: usize, count: usize): v128 {
  return count == 4 ? v128.load(ptr) : lanesAt(ptr, count);
}

// @ts-ignore: decorator
@inline export function putFew(ptr: usize, lanes: v128, count: usize): void {
  if (count == 4) v128.store(ptr, lanes);
  else putLanes(ptr, lanes, count);
}
