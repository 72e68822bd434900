// What the caller and its workers share besides the linear memory: one block of int32 words, then a row of float64
// words for each chunk of a job: arguments and operands. A job is one kernel, and as many chunks as it was cut into.

import { type Copies, copyBack, copyIn, MAX_OPERANDS, OPERAND_WORDS } from "./operands.js";

/**
 * generation << 8 | chunks that nobody has claimed yet. The caller writes the rows, then publishes a ticket of the next
 * generation; claiming a chunk is a compare-and-exchange of the ticket with ticket − 1. Both are in one word, so a claim
 * can only succeed on the job that was looked at. Workers sleep on this word.
 */
export const TICKET = 0;
/** binary << 8 | kernel of the job. */
export const KERNEL = 1;
/** Messages sent to the workers: one that has read fewer goes back to its event loop for the next. */
export const MESSAGES = 2;
/** Address of the first worker's block, and bytes from one worker's to the next. */
export const BLOCKS = 3;
export const BLOCK_BYTES = 4;
/** Chunks that workers are done with since the beginning, modulo 2³². The caller sleeps on this word. */
export const DONE = 16;
/** Workers that sleep, or are about to: only then a ticket needs a notification. */
export const SLEEPERS = 32;
/** Whether the caller sleeps, or is about to. */
export const CALLER_SLEEPS = 33;

export const MAX_CHUNKS = 64;
/** For each chunk generation << 2 | what has become of it. */
export const STATE = 64;
/** For each chunk the thread that copies its results back. */
export const OWNER: number = STATE + MAX_CHUNKS;
const WORDS = OWNER + MAX_CHUNKS;

// What becomes of a chunk. From OPEN only one thread can take it further: the worker that has computed it in copies, or
// the caller, who does not want it from that worker any more.

export const OPEN = 0;
/** Its worker copies the results back. */
export const COPYING = 1;
/** All its results are there; nobody writes to them any more. */
export const FINISHED = 2;
/** No worker may write its results any more. */
export const WITHDRAWN = 3;

/** float64 words of a row: the arguments of any kernel, then the operands. */
export const ARGUMENTS = 20;
export const ROW: number = ARGUMENTS + 2 + MAX_OPERANDS * OPERAND_WORDS;

/** Where the operands of the chunk at `row` are: behind its arguments. */
export const operandsOf = (row: number): number => row + ARGUMENTS;

export const JOB_QUEUE_BYTES: number = WORDS * 4 + MAX_CHUNKS * ROW * 8;

/** Views of a job queue. */
export interface JobQueue {
  readonly words: Int32Array;
  readonly rows: Float64Array;
}

export function jobQueueOver(buffer: SharedArrayBuffer): JobQueue {
  return { words: new Int32Array(buffer, 0, WORDS), rows: new Float64Array(buffer, WORDS * 4) };
}

/** Chunks of a ticket that nobody has claimed yet. */
export function unclaimed(ticket: number): number {
  return ticket & 255;
}

/** Claims the last unclaimed chunk of this ticket; its number, or −1 if the ticket has changed meanwhile. */
export function claim({ words }: JobQueue, ticket: number): number {
  const isOurs = Atomics.compareExchange(words, TICKET, ticket, ticket - 1) === ticket;
  return isOurs ? unclaimed(ticket) - 1 : -1;
}

/** The job of a ticket. */
export function generationOf(ticket: number): number {
  return ticket >>> 8;
}

/** The word of a chunk of this job in this state. */
export function stateOf(generation: number, state: number): number {
  return (generation << 2) | state;
}

/** A kernel, whichever: those with fewer parameters ignore the rest. */
export type Kernel = (...args: number[]) => unknown;

/** Computes a chunk where its operands are. The arguments are written out because a spread would allocate. */
export function compute(kernel: Kernel, r: Float64Array, i: number): void {
  // biome-ignore format: one argument after the other
  kernel(
    r[i]!, r[i + 1]!, r[i + 2]!, r[i + 3]!, r[i + 4]!, r[i + 5]!, r[i + 6]!, r[i + 7]!, r[i + 8]!, r[i + 9]!,
    r[i + 10]!, r[i + 11]!, r[i + 12]!, r[i + 13]!, r[i + 14]!, r[i + 15]!, r[i + 16]!, r[i + 17]!, r[i + 18]!,
    r[i + 19]!,
  );
}

/** Where a worker's block is. */
function blockOf(words: Int32Array, thread: number): number {
  return (words[BLOCKS]! >>> 0) + (thread - 1) * (words[BLOCK_BYTES]! >>> 0);
}

/**
 * Computes a claimed chunk in copies of its operands. Its row is safe to read: the caller writes rows again only after
 * every chunk is done, and never after it has given a worker up.
 *
 * @param args room for the arguments
 */
export function computeInCopies(
  kernel: Kernel,
  { words, rows }: JobQueue,
  copies: Copies,
  chunk: number,
  thread: number,
  args: Float64Array,
): void {
  const row = chunk * ROW;
  for (let i = 0; i < ARGUMENTS; i++) args[i] = rows[row + i]!;
  copyIn(copies, rows, operandsOf(row), args, blockOf(words, thread));
  compute(kernel, args, 0);
}

/** Copies the results of a chunk out of the block of the thread that has computed it. */
export function copyResults({ words, rows }: JobQueue, copies: Copies, chunk: number, thread: number): void {
  const row = chunk * ROW;
  copyBack(copies, rows, row, operandsOf(row), blockOf(words, thread));
}

const pause: () => void = (Atomics as { pause?: () => void }).pause ?? (() => {});
/** Looks between two looks at the clock. */
const LOOKS = 64;

/** Watches a word until it is no longer `value`, or for about this number of milliseconds; returns what it was last. */
export function watch(words: Int32Array, index: number, value: number, milliseconds: number): number {
  const end = performance.now() + milliseconds;
  do {
    for (let i = 0; i < LOOKS; i++) {
      const now = Atomics.load(words, index);
      if (now !== value) return now;
      pause();
    }
  } while (performance.now() < end);
  return value;
}
