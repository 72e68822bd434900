// What a worker needs to compute a chunk in a block of its own: copies of what the chunk writes, before and after the
// kernel. docs/decisions/0020-lost-workers.md says why.

import { LINE_ELEMENTS, TABLE_ACCUMULATE, TABLE_FACTORED } from "../../src/abi/copies";
import {
  GROUP_BYTES, SEGMENT_ACCUMULATOR, SEGMENT_AVERAGE, SEGMENT_BYTES, SEGMENT_GRAD, SEGMENT_PARAM, SEGMENT_STATE,
} from "../../src/abi/step-table";
import { Segment, segmentAt } from "../optim/step-table";
import { arrayAfter, copyArray, copySegment } from "./copy";

/** Each array begins on a cache line. */
const LINE: usize = 64;

/**
 * Copies `blocks` blocks of `rows` rows of `bytes` bytes. Rows and blocks are as far apart in the copy as in the original,
 * in bytes; what is between them is not touched.
 *
 * Requires: the two do not overlap.
 */
export function copy_blocks(
  blocks: u32, blockStride: usize, rows: u32, stride: usize, bytes: usize, from: usize, to: usize,
): void {
  if (stride == bytes || rows == 1) {
    bytes *= rows;
    rows = 1;
  }
  if (rows == 1 && (blockStride == bytes || blocks == 1)) {
    bytes *= blocks;
    blocks = 1;
  }
  for (; blocks; blocks--, from += blockStride, to += blockStride) {
    for (let row: usize = 0; row < rows; row++) memory.copy(to + row * stride, from + row * stride, bytes);
  }
}

/** The word of the first array that a kind of table writes. */
// @ts-ignore: decorator
@inline function firstArray(kind: u32): u32 {
  return kind == TABLE_ACCUMULATE ? SEGMENT_ACCUMULATOR : SEGMENT_PARAM;
}

/** Bytes of an array of a segment; Adafactor's first two state arrays have a number for each row and each column. */
function bytesOf(segment: Segment, word: u32, kind: u32): usize {
  let count = segment.count;
  if (kind == TABLE_FACTORED) {
    if (word == SEGMENT_STATE) count /= segment.columns;
    else if (word == SEGMENT_STATE + 1) count /= segment.rows;
  }
  return count << 2;
}

/**
 * Copies the segments of a table to `to`, each with its group and with the arrays that a step (or, of another kind, an
 * accumulation) writes, and lets the copies of the segments name those of the arrays. Gradients stay where they are.
 *
 * Memory: | segments | group, arrays of the first segment | … |, everything on cache lines.
 * Requires: every segment has a gradient.
 */
export function copy_table(table: usize, segments: u32, kind: u32, to: usize): void {
  let at = to + segments * SEGMENT_BYTES;
  copyArray(to, table, segments * SEGMENT_BYTES);
  for (let i: u32 = 0; i < segments; i++) {
    const segment = segmentAt(to, i);
    at = (at + LINE - 1) & ~(LINE - 1);
    copyArray(at, segment.groupPtr, GROUP_BYTES);
    segment.groupPtr = <u32>at;
    at += GROUP_BYTES;
    let word = firstArray(kind);
    do {
      const ptr = changetype<usize>(segment) + (word << 2);
      const array = load<u32>(ptr);
      if (array) {
        const bytes = bytesOf(segment, word, kind);
        copyArray(at, array, bytes);
        if (segment.gradPtr == array) segment.gradPtr = <u32>at;
        store<u32>(ptr, <u32>at);
        at = (at + bytes + LINE - 1) & ~(LINE - 1);
      }
      word = arrayAfter(word);
    } while (word);
  }
}

/** Copies the arrays of a table that `copy_table` has copied to `from` back to where they are from. */
export function copy_table_back(table: usize, segments: u32, kind: u32, from: usize): void {
  for (let i: u32 = 0; i < segments; i++) {
    const original = segmentAt(table, i);
    const copy = segmentAt(from, i);
    let word = firstArray(kind);
    do {
      const array = load<u32>(changetype<usize>(original) + (word << 2));
      if (array) copyArray(array, load<u32>(changetype<usize>(copy) + (word << 2)), bytesOf(original, word, kind));
      word = arrayAfter(word);
    } while (word);
  }
}

// A table that is being cut into chunks: where the next chunk begins. Only the caller cuts.

let next: usize = 0;
let end: usize = 0;
/** Elements of the segment at `next` that are cut off already. */
let taken: u32 = 0;

/** Begins to cut a table, behind its first `skipped` elements. */
export function begin_cut(table: usize, segments: u32, skipped: u32): void {
  next = table;
  end = table + segments * SEGMENT_BYTES;
  taken = skipped;
}

/**
 * Cuts the next chunk off: a table of its own at `to`, of about `elements` elements, and only whole segments if `isWhole`.
 * Segments without a gradient are left out, pieces of segments are segments with other addresses and counts. Cuts fall
 * between cache lines, so that no two threads write to the same one. Returns how many segments the chunk has.
 */
export function cut(elements: i32, isWhole: bool, to: usize): u32 {
  let segments: u32 = 0;
  while (elements > 0 && next < end) {
    const segment = segmentAt(next, 0);
    const count = segment.gradPtr ? segment.count : 0;
    if (taken >= count) {
      taken -= count;
      next += SEGMENT_BYTES;
      continue;
    }
    const rest = count - taken;
    const part = isWhole ? rest : min(rest, (elements + LINE_ELEMENTS - 1) & -LINE_ELEMENTS);
    const piece = to + segments++ * SEGMENT_BYTES;
    copySegment(piece, next);
    segmentAt(piece, 0).count = part;
    for (let word: u32 = SEGMENT_PARAM; word <= <u32>SEGMENT_ACCUMULATOR; word++) {
      if (word > <u32>SEGMENT_GRAD && word < <u32>SEGMENT_STATE) continue;
      const place = piece + (word << 2);
      if (load<u32>(place)) store<u32>(place, load<u32>(place) + (taken << 2));
    }
    elements -= part;
    taken += part;
  }
  return segments;
}
