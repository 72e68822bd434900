// What both binaries of the threads copy, and in which order.

import { SEGMENT_ACCUMULATOR, SEGMENT_AVERAGE, SEGMENT_PARAM, SEGMENT_STATE } from "../../src/abi/step-table";

/** The word of the next array that a table names: after the parameter the state arrays, then the average; 0 after the last. */
// @ts-ignore: decorator
@inline export function arrayAfter(word: u32): u32 {
  return word == SEGMENT_PARAM ? SEGMENT_STATE : word == SEGMENT_AVERAGE || word == SEGMENT_ACCUMULATOR ? 0 : word + 1;
}

/** Copies a few bytes here, where a call into the engine takes longer. */
export function copyArray(to: usize, from: usize, bytes: usize): void {
  if (bytes > 256) memory.copy(to, from, bytes);
  else {
    for (; bytes >= 16; bytes -= 16, to += 16, from += 16) v128.store(to, v128.load(from));
    for (; bytes; bytes -= 4, to += 4, from += 4) store<u32>(to, load<u32>(from));
  }
}

/** Copies a segment of a step table. */
export function copySegment(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
  v128.store(to, v128.load(from, 64), 64);
  v128.store(to, v128.load(from, 80), 80);
}
