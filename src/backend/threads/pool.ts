import { BackendError } from "../../errors.js";
import {
  CALLER_SLEEPS,
  claim,
  compute,
  DONE,
  FINISHED,
  JOB_QUEUE_BYTES,
  type JobQueue,
  jobQueueOver,
  KERNEL,
  type Kernel,
  MESSAGES,
  markFinished,
  SLEEPERS,
  TICKET,
  TRAPPED,
  unclaimed,
  watch,
} from "./job-queue.js";
import type { WorkerMessage } from "./messages.js";
import { type Spawn, spawnWorker, type WorkerHandle } from "./spawn.js";

/** What tests change. */
export interface PoolOptions {
  spawn?: Spawn;
  /** Share even what is too small to gain by it. Default false. */
  eager?: boolean;
  /** How long workers may take to start. Default 10,000. */
  startMilliseconds?: number;
  /** How long the last chunks of a job may take at least before their workers are given up. Default 10,000. */
  patienceMilliseconds?: number;
}

/** How long the caller looks out for the last chunks before it sleeps; see decision 0007. */
const SPIN_MILLISECONDS = 0.2;
/** Jobs closer to each other are a burst: about the spin of a worker and a job that is too small to wake it. */
const BURST_MILLISECONDS = 0.2;
/** Jobs of a burst without waking anybody, after one that nobody came to. */
const UNDISTURBED_JOBS = 100;
/** A worker is given up after this many times what the caller needed for its own share. */
const PATIENCE_FACTOR = 100;
/** Patience is spent piece by piece: a machine that was suspended meanwhile has lost one piece, not all. */
const PATIENCE_SLICES = 10;
const GENERATIONS = 1 << 24;

const ENDED = "a worker thread ended";

/** Names a job and what it has lost, given the numbers of the chunks that were not finished. */
export type Lost = (unfinished: readonly number[]) => string;

/** Ranges of numbers as a message lists them. */
export function rangesOf(ranges: readonly (readonly [first: number, end: number])[]): string {
  const joined: [number, number][] = [];
  for (const [first, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last !== undefined && last[1] === first) last[1] = end;
    else joined.push([first, end]);
  }
  return joined.map(([first, end]) => (end - first === 1 ? `${first}` : `${first} to ${end - 1}`)).join(", ");
}

/** A worker, as the caller knows it. */
interface Member {
  handle: WorkerHandle | undefined;
  /** Has taken its first binary in. */
  ready: boolean;
  settle: () => void;
}

/**
 * Workers that compute the chunks of a job together with the caller. The caller claims chunks like everybody else, so a
 * job ends whether workers come or not: one that has not started, is asleep, or has died between two jobs costs
 * nothing.
 *
 * What remains: a worker that stalls or dies inside a chunk, after it has claimed it. Nobody but the runtime could do
 * that: nothing else holds the worker, a trap is caught, and a chunk allocates nothing. The caller then waits in vain
 * and gives all workers up after a long while. It cannot know that a worker which it has ended is no longer running: the
 * chunk may be written to later. So `run` throws, and from then on the pool is `broken`: its memory is not computed in
 * again.
 */
export class Pool {
  readonly queue: JobQueue;
  readonly #buffer = new SharedArrayBuffer(JOB_QUEUE_BYTES);
  readonly eager: boolean;
  readonly #memory: WebAssembly.Memory;
  #words: Int32Array;
  readonly #members: Member[] = [];
  readonly #binaries: Kernel[][] = [];
  readonly #patience: number;
  readonly #startMilliseconds: number;
  /** A browser's main thread may not wait. */
  readonly #maySleep: boolean;
  /** What became of workers that are gone, and of how many. */
  readonly #failures = new Map<string, number>();
  #generation = 0;
  #asked = Number.NEGATIVE_INFINITY;
  /** Small jobs of a burst that are still to go by before sleeping workers are woken for one again. */
  #undisturbed = 0;
  #done = 0;
  #broken: string | undefined;
  #disposed = false;

  /** The memory's words, for what a call's arguments are the addresses of. */
  get words(): Int32Array {
    const { buffer } = this.#memory;
    if (this.#words.buffer !== buffer) this.#words = new Int32Array(buffer);
    return this.#words;
  }

  /** Starts the workers, as far as they can be started. */
  constructor(workers: number, memory: WebAssembly.Memory, options: PoolOptions = {}) {
    const { spawn = spawnWorker, eager = false } = options;
    const { startMilliseconds = 10_000, patienceMilliseconds = 10_000 } = options;
    this.eager = eager;
    this.#memory = memory;
    this.#words = new Int32Array(memory.buffer);
    this.#startMilliseconds = startMilliseconds;
    this.#patience = patienceMilliseconds;
    this.queue = jobQueueOver(this.#buffer);
    this.#maySleep = maySleep(this.queue.words);
    for (let thread = 1; thread <= workers; thread++) {
      const member: Member = { handle: undefined, ready: false, settle: () => {} };
      this.#members.push(member);
      const answered = (answer: string) => {
        if (answer === "") member.ready = true;
        else if (!member.ready) this.#remove(member, answer);
        member.settle();
      };
      try {
        member.handle = spawn({ answered, ended: (reason) => this.#remove(member, reason) });
      } catch (error) {
        this.#remove(member, error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** The caller and all workers there have ever been: their numbers stay below. */
  get size(): number {
    return this.#members.length + 1;
  }

  /** Threads that compute, the caller among them. */
  get threads(): number {
    let count = 1;
    for (let i = 0; i < this.#members.length; i++) if (this.#members[i]!.handle !== undefined) count++;
    return count;
  }

  /** How many threads compute, and what became of the others. */
  get reason(): string {
    const { threads } = this;
    const failures = Array.from(
      this.#failures,
      ([what, count]) => `${count} of ${this.#members.length} workers ${what}`,
    );
    return [threads === 1 ? "one thread" : `${threads} threads`, ...failures].join("; ");
  }

  /**
   * Makes the kernels of another binary known to all threads, and returns its number for `run`. Nobody has to wait: a
   * worker leaves the jobs of a binary that it does not have yet to the others.
   */
  learn(module: WebAssembly.Module, exports: WebAssembly.Exports, kernels: readonly string[]): number {
    const number = this.#binaries.push(kernels.map((name) => exports[name] as Kernel)) - 1;
    this.#members.forEach((member, index) => {
      const greeting = number === 0 ? { memory: this.#memory, queue: this.#buffer, thread: index + 1 } : undefined;
      const message: WorkerMessage = greeting ? { module, kernels, greeting } : { module, kernels };
      try {
        member.handle?.post(message);
      } catch (error) {
        this.#remove(member, error instanceof Error ? error.message : String(error));
      }
    });
    this.#callToEventLoop();
    return number;
  }

  /** Waits until every worker has the first binary; those that have not in time, or cannot, are ended. */
  async start(): Promise<void> {
    const settled = this.#members.map(async (member) => {
      while (member.handle !== undefined && !member.ready) await new Promise<void>((done) => (member.settle = done));
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<void>((done) => (timer = setTimeout(done, this.#startMilliseconds)));
    await Promise.race([Promise.all(settled), limit]);
    clearTimeout(timer);
    for (const member of this.#members) {
      if (!member.ready) this.#remove(member, `it was not ready after ${this.#startMilliseconds} ms`);
      member.handle?.release();
    }
  }

  /**
   * Computes `chunks` chunks of a job, whose arguments are in the queue's rows, on all threads.
   *
   * @param lost what a job that failed has lost, given the chunks that were not finished
   * @throws BackendError if a chunk was not finished: a kernel trapped, or workers were given up
   */
  run(binary: number, kernelIndex: number, chunks: number, lost: Lost): void {
    this.assertWhole();
    const { words } = this.queue;
    const kernel = this.#binaries[binary]![kernelIndex]!;
    if (this.threads === 1) {
      for (let chunk = chunks - 1; chunk >= 0; chunk--) compute(kernel, this.queue, chunk, 0);
      return;
    }
    const trapped = Atomics.load(words, TRAPPED);
    Atomics.store(words, KERNEL, (binary << 8) | kernelIndex);
    this.#publish(chunks);
    const generation = this.#generation;
    const start = performance.now();
    let own = 0;
    try {
      for (let ticket = Atomics.load(words, TICKET); unclaimed(ticket) > 0; ticket = Atomics.load(words, TICKET)) {
        const chunk = claim(this.queue, ticket);
        if (chunk < 0) continue;
        own++;
        compute(kernel, this.queue, chunk, 0);
        markFinished(this.queue, chunk, generation);
      }
    } catch (cause) {
      const withdrawn = unclaimed(this.#publish(0));
      const isOver = this.#wait(chunks - withdrawn - own, start);
      throw this.#break(isOver ? "a kernel failed" : ENDED, lost(this.#unfinished(chunks, generation)), cause);
    }
    if (own === chunks) this.#undisturbed = UNDISTURBED_JOBS;
    const isOver = this.#wait(chunks - own, start);
    if (isOver && Atomics.load(words, TRAPPED) === trapped) return;
    throw this.#break(isOver ? "a kernel failed" : ENDED, lost(this.#unfinished(chunks, generation)));
  }

  /** What was lost, once a job could not be completed: from then on every job is refused. */
  get broken(): string | undefined {
    return this.#broken;
  }

  /** Throws BackendError if the pool is broken. */
  assertWhole(): void {
    if (this.#broken !== undefined) throw new BackendError(`the core cannot be used any more: ${this.#broken}`);
  }

  /** Chunks of the job that not everything is known of. */
  #unfinished(chunks: number, generation: number): number[] {
    const { words } = this.queue;
    const numbers = Array.from({ length: chunks }, (_, chunk) => chunk);
    return numbers.filter((chunk) => Atomics.load(words, FINISHED + chunk) !== generation);
  }

  /** Refuses every later job; what to throw for this one. */
  #break(why: string, what: string, cause?: unknown): BackendError {
    this.#broken = `${why} in the middle of ${what} (${this.reason}); \`data\` and \`toArray()\` still read the tensors`;
    return new BackendError(this.#broken, { cause });
  }

  /**
   * Whether work of this size is to be shared: it gains even if workers must be woken first, or it gains if they are
   * awake, and they are. Throws BackendError if the pool is broken.
   */
  isWorthwhile(size: number, gainsAwake: number, gainsAsleep: number): boolean {
    this.assertWhole();
    if (size < gainsAwake && !this.eager) return false;
    return this.threads > 1 && (size >= gainsAsleep || this.eager || this.#isAwake());
  }

  /**
   * Also true if it was asked just before: where jobs follow each other, waking the workers pays for those to come. Not
   * too often, though: on a busy machine they come late, or in the caller's place.
   */
  #isAwake(): boolean {
    if (Atomics.load(this.queue.words, SLEEPERS) === 0) return true;
    const now = performance.now();
    const isBurst = now - this.#asked < BURST_MILLISECONDS;
    this.#asked = now;
    if (!isBurst) return false;
    this.#undisturbed--;
    return this.#undisturbed < 0;
  }

  /** Ends the workers; jobs are then the caller's alone. */
  dispose(): void {
    this.#disposed = true;
    this.#callToEventLoop();
    for (const member of this.#members) this.#end(member);
  }

  /** Shows the workers a new ticket, and returns the one before. */
  #publish(chunks: number): number {
    const { words } = this.queue;
    this.#generation = (this.#generation + 1) % GENERATIONS;
    const before = Atomics.exchange(words, TICKET, (this.#generation << 8) | chunks);
    if (Atomics.load(words, SLEEPERS) > 0) Atomics.notify(words, TICKET);
    return before;
  }

  /** Calls all workers out of their loop, to read a message or to end: not every runtime can end one that sleeps. */
  #callToEventLoop(): void {
    Atomics.add(this.queue.words, MESSAGES, 1);
    this.#publish(0);
  }

  /** Waits for this number of chunks of workers; false if they were given up. */
  #wait(chunks: number, start: number): boolean {
    const { words } = this.queue;
    this.#done = (this.#done + chunks) | 0;
    let done = Atomics.load(words, DONE);
    if (done === this.#done) return true;
    const slice = Math.max(this.#patience, (performance.now() - start) * PATIENCE_FACTOR) / PATIENCE_SLICES;
    let inVain = 0;
    while (done !== this.#done) {
      const before = done;
      done = watch(words, DONE, before, SPIN_MILLISECONDS);
      if (done === before) done = this.#maySleep ? this.#sleep(before, slice) : watch(words, DONE, before, slice);
      inVain = done === before ? inVain + 1 : 0;
      if (inVain === PATIENCE_SLICES) return this.#giveUp();
    }
    return true;
  }

  /** Sleeps until DONE is no longer `done`, or for this number of milliseconds; returns what it is then. */
  #sleep(done: number, milliseconds: number): number {
    const { words } = this.queue;
    Atomics.store(words, CALLER_SLEEPS, 1);
    Atomics.wait(words, DONE, done, milliseconds);
    Atomics.store(words, CALLER_SLEEPS, 0);
    return Atomics.load(words, DONE);
  }

  #giveUp(): false {
    this.#callToEventLoop();
    for (const member of this.#members) this.#remove(member, "it did not finish its share of a job");
    return false;
  }

  /** Takes a worker that failed or ended out of the pool. */
  #remove(member: Member, reason: string): void {
    if (this.#disposed || (member.handle === undefined && member.ready)) return;
    const what = `${member.ready ? "ended" : "did not start"}: ${reason}`;
    this.#failures.set(what, (this.#failures.get(what) ?? 0) + 1);
    member.ready = true;
    this.#end(member);
    member.settle();
  }

  #end(member: Member): void {
    const { handle } = member;
    if (handle === undefined) return;
    member.handle = undefined;
    handle.terminate();
  }
}

/** Whether this thread may sleep on shared memory; found by asking for a wait that would end at once. */
function maySleep(words: Int32Array): boolean {
  try {
    Atomics.wait(words, DONE, -1, 0);
    return true;
  } catch {
    return false;
  }
}
