// Where a step's results go: in place, but in the binary of the threads' workers, for which asconfig.json sets `COPIES` to 1.
// There they go into copies, and the inputs stay as they are (assembly/threads/pieces.ts).

import { SEGMENT_BYTES } from "../../src/abi/step-table";
import { Segment } from "./step-table";

/** Elements of a piece at most. */
export const PIECE_ELEMENTS = 512;
/** Segments of a piece at most. */
export const PIECE_SEGMENTS = 32;
/** Bytes from one array's results to the next's: no multiple of 4096, so that they are in different sets of a cache. */
export const PIECE_ARRAY_BYTES = 4 * PIECE_ELEMENTS + 320;

/** Bytes from a segment of a piece to the one that names its copies. */
export const TO_COPY: usize = PIECE_SEGMENTS * SEGMENT_BYTES;

// The arrays that steps write, in the order of their copies.

export const PARAM: usize = 0;
export const STATE_0: usize = 1;
export const STATE_1: usize = 2;
export const STATE_2: usize = 3;

/** The segment that names the arrays where results go. */
// @ts-ignore: decorator
@inline export function resultOf(segment: Segment): Segment {
  return COPIES ? changetype<Segment>(changetype<usize>(segment) + TO_COPY) : segment;
}

/** Where the results of a segment's parameter go in its copies; not used where they go in place. */
// @ts-ignore: decorator
@inline export function copiesOf(segment: Segment): usize {
  return COPIES ? resultOf(segment).paramPtr : 0;
}

/** Stores four elements of an array at `ptr`; `copies` is where those of the parameter's copy are. */
// @ts-ignore: decorator
@inline export function put(array: usize, ptr: usize, copies: usize, x: v128, offset: usize): void {
  if (COPIES) v128.store(copies + array * PIECE_ARRAY_BYTES + offset, x);
  else v128.store(ptr + offset, x);
}
