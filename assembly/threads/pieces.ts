// A worker's part of a step: the kernels of assembly/optim, compiled so that they read the originals and write copies, over
// pieces so small that the copies stay in the cache. Before it copies the results of a piece back the worker asks for
// leave, in a word that the caller can take. docs/decisions/0020-lost-workers.md says why.

import { CONTROL_STATE, PIECE_BLOCK_BYTES } from "../../src/abi/copies";
import { GROUP_BYTES, SEGMENT_BYTES, SEGMENT_PARAM, SEGMENT_STATE } from "../../src/abi/step-table";
import { Adam } from "../optim/adam";
import { PIECE_ARRAY_BYTES, PIECE_ELEMENTS, PIECE_SEGMENTS, TO_COPY, resultOf } from "../optim/result";
import { RMSProp } from "../optim/rmsprop";
import { SGD } from "../optim/sgd";
import { advance, segmentAt } from "../optim/step-table";
import { walk } from "../optim/walk";
import { arrayAfter, copyArray, copySegment } from "./copy";

// A worker's block: | segments of the piece | the same, naming the copies | group | copies: array after array |

const TO_GROUP: usize = 2 * TO_COPY;
const TO_ARRAYS: usize = TO_GROUP + GROUP_BYTES;
/** Bytes of copies in a piece at most: they and the originals are still in the first cache when they are copied back. */
const COPIED: usize = 4096;

if (TO_ARRAYS + 5 * PIECE_ARRAY_BYTES != PIECE_BLOCK_BYTES) ERROR("The block differs from src/abi/copies.ts");

/** Words of the control block: the address of the worker's block, and segments of the piece in it whose results are copied. */
const CONTROL_BLOCK: usize = 1;
const CONTROL_SEGMENTS: usize = 2;

/**
 * One step of the method `M` of every segment of a chunk's table.
 *
 * Requires: every segment has a gradient, is measured, and names no array that the method does not write: results are
 * copied back whole. Touches: of the arrays of the segments what the caller has not taken by closing the control block;
 * traps when it has. The block.
 */
// @ts-ignore: decorator
@inline function pieces<M>(table: usize, segments: u32, block: usize, control: usize): void {
  const end = table + segments * SEGMENT_BYTES;
  let from = table;
  let offset: usize = 0; // bytes of the segment at `from` that earlier pieces have
  let done: u32 = 0;
  let group: u32 = 0;
  let most: usize = 0; // bytes of an array in a piece
  store<u32>(control, <u32>block, CONTROL_BLOCK << 2);
  while (from < end) {
    if (segmentAt(from, 0).groupPtr != group) {
      group = segmentAt(from, 0).groupPtr;
      most = min<usize>(PIECE_ELEMENTS << 2, (COPIED / arraysOf(from)) & ~63);
      memory.copy(block + TO_GROUP, group, GROUP_BYTES);
      // What says where results go was right if the chunk was still this worker's after it was read.
      if (atomic.load<u32>(control, CONTROL_STATE << 2) != done << 1) unreachable();
    }
    let count: u32 = 0;
    let used: usize = 0; // bytes of each array's copies
    do {
      const segment = segmentAt(block, count++);
      const copy = resultOf(segment);
      copySegment(changetype<usize>(segment), from);
      const left = segment.count - (<u32>offset >> 2);
      const taken = min(left, <u32>(most - used) >> 2);
      const bytes = <usize>taken << 2;
      const tail = bytes & ~31; // kernels update what does not fill a pair of vectors in place
      segment.count = taken;
      segment.gradPtr += <u32>offset;
      segment.groupPtr = <u32>(block + TO_GROUP);
      copySegment(changetype<usize>(copy), changetype<usize>(segment));
      let to = block + TO_ARRAYS + used;
      let word: u32 = SEGMENT_PARAM;
      do {
        const place = changetype<usize>(segment) + (word << 2);
        const array = <usize>load<u32>(place);
        if (array) {
          store<u32>(place, <u32>(array + offset));
          store<u32>(place, <u32>to, TO_COPY);
          copyArray(to + tail, array + offset + tail, bytes - tail);
        }
        to += PIECE_ARRAY_BYTES;
        word = arrayAfter(word);
      } while (word);
      used += (bytes + 63) & ~63;
      if (taken == left) {
        from += SEGMENT_BYTES;
        offset = 0;
      } else offset += bytes;
    } while (from < end && count < <u32>PIECE_SEGMENTS && used < most && segmentAt(from, 0).groupPtr == group);
    for (;;) {
      walk<M>(block, count, -1);
      store<u32>(control, count, CONTROL_SEGMENTS << 2);
      move(control, done << 1, (done << 1) | 1);
      const next = done + copy_piece(control);
      move(control, (done << 1) | 1, next << 1);
      done = next;
      // Whole pieces of one segment differ in where its arrays are, and their copies stay where they are.
      if (count > 1 || !offset || (segmentAt(from, 0).count << 2) - <u32>offset < <u32>most) break;
      advance(segmentAt(block, 0), <u32>most);
      offset += most;
      if (offset == <usize>segmentAt(from, 0).count << 2) {
        from += SEGMENT_BYTES;
        offset = 0;
      }
    }
  }
}

/** How many arrays a step of this segment writes. */
function arraysOf(segment: usize): usize {
  let arrays: usize = 0;
  let word: u32 = SEGMENT_PARAM;
  do {
    if (load<u32>(segment + (word << 2))) arrays++;
    word = arrayAfter(word);
  } while (word);
  return arrays;
}

/** Traps if the caller has closed the control block. */
function move(control: usize, from: u32, to: u32): void {
  if (atomic.cmpxchg<u32>(control, from, to, CONTROL_STATE << 2) != from) unreachable();
}

/** Copies the results of the piece under way where they belong, and returns how many elements it has. */
export function copy_piece(control: usize): u32 {
  const block: usize = load<u32>(control, CONTROL_BLOCK << 2);
  let elements: u32 = 0;
  for (let i: u32 = 0; i < load<u32>(control, CONTROL_SEGMENTS << 2); i++) {
    const segment = segmentAt(block, i);
    elements += segment.count;
    let word: u32 = SEGMENT_PARAM;
    do {
      const place = changetype<usize>(segment) + (word << 2);
      const array = <usize>load<u32>(place);
      if (array) copyArray(array, load<u32>(place, TO_COPY), segment.count << 2);
      word = arrayAfter(word);
    } while (word);
  }
  return elements;
}

// Of the core's kernels' arguments the third is not needed, and the fourth is the worker's block.

export function adam_f32(table: usize, segments: u32, checkFinite: i32, block: usize, control: usize): void {
  pieces<Adam>(table, segments, block, control);
}

export function rmsprop_f32(table: usize, segments: u32, checkFinite: i32, block: usize, control: usize): void {
  pieces<RMSProp>(table, segments, block, control);
}

export function sgd_f32(table: usize, segments: u32, checkFinite: i32, block: usize, control: usize): void {
  pieces<SGD>(table, segments, block, control);
}
