// What both sides of the threads know of copies: the caller and the binaries in assembly/threads.

// Kinds of step tables, by the arrays that a call writes: what threads keep copies of (assembly/threads/copies.ts).

/** A step: the parameter, its state arrays and its average. */
export const TABLE_STEP = 0;
/** A step whose first two state arrays have a number for each row and for each column of the parameter's matrices. */
export const TABLE_FACTORED = 1;
/** An accumulation: the sum of the gradients. */
export const TABLE_ACCUMULATE = 2;

/** Elements of a cache line: what a chunk of a step has at least, and where cuts between chunks fall. */
export const LINE_ELEMENTS = 16;

// Pieces (assembly/threads/pieces.ts): a worker computes a chunk of a step piece by piece.

/** Bytes of a worker's block: two tables of segments, a group, five arrays. */
export const PIECE_BLOCK_BYTES = 18_112;

// A chunk's control block: 32-bit words of linear memory, of which the caller knows the first.

/**
 * Elements whose results are there << 1 | whether the worker copies the results of a piece. The worker moves from one to
 * the next by compare-and-exchange, so it can write nothing more once the caller has stored `CONTROL_CLOSED`.
 */
export const CONTROL_STATE = 0;
/** A cache line. */
export const CONTROL_BYTES = 64;
export const CONTROL_CLOSED = -1;
