// What the caller and its workers share besides the linear memory: one block of int32 words, then a row of float64
// arguments for each chunk of a job. A job is one kernel, and as many chunks as it was cut into.

/**
 * generation << 8 | chunks that nobody has claimed yet. The caller writes the rows, then publishes a ticket of the next
 * generation; claiming a chunk is a compare-and-exchange of the ticket with ticket − 1. One word holds both, so a claim
 * can only succeed on the job that was looked at. Workers sleep on this word.
 */
export const TICKET = 0;
/** binary << 8 | kernel of the job. */
export const KERNEL = 1;
/** Messages sent to the workers: one that has read fewer goes back to its event loop for the next. */
export const MESSAGES = 2;
/** Chunks that workers have finished since the beginning, modulo 2³². The caller sleeps on this word. */
export const DONE = 16;
/** Of these, chunks whose kernel trapped. */
export const TRAPPED = 17;
/** Workers that sleep, or are about to: only then a ticket needs a notification. */
export const SLEEPERS = 32;
/** Whether the caller sleeps, or is about to. */
export const CALLER_SLEEPS = 33;
/** For each chunk, the generation of the last job whose chunk of that number was finished. */
export const FINISHED = 64;

export const MAX_CHUNKS = 64;
const WORDS = FINISHED + MAX_CHUNKS;
/** float64 words of a row: the arguments of any kernel, then what each thread adds to the last of them. */
export const ROW = 24;
export const ARGUMENTS = 20;
/** The argument that may be the address of scratch, and its step from thread to thread. */
export const SCRATCH = ARGUMENTS - 1;
export const SCRATCH_STEP = SCRATCH + 1;

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

/** Notes that a chunk of this job has all of its results; nobody writes to them any more. */
export function markFinished({ words }: JobQueue, chunk: number, generation: number): void {
  Atomics.store(words, FINISHED + chunk, generation);
}

/** A kernel, whichever: those with fewer parameters ignore the rest. */
export type Kernel = (...args: number[]) => unknown;

/**
 * Computes a claimed chunk. Its row is safe to read: the caller writes rows again only after every chunk is done, and
 * never after it has given a worker up. The arguments are written out because a spread would allocate.
 */
export function compute(kernel: Kernel, { rows: r }: JobQueue, chunk: number, thread: number): void {
  const i = chunk * ROW;
  // biome-ignore format: one argument after the other
  kernel(
    r[i]!, r[i + 1]!, r[i + 2]!, r[i + 3]!, r[i + 4]!, r[i + 5]!, r[i + 6]!, r[i + 7]!, r[i + 8]!, r[i + 9]!,
    r[i + 10]!, r[i + 11]!, r[i + 12]!, r[i + 13]!, r[i + 14]!, r[i + 15]!, r[i + 16]!, r[i + 17]!, r[i + 18]!,
    r[i + SCRATCH]! + thread * r[i + SCRATCH_STEP]!,
  );
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
