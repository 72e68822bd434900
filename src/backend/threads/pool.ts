import { BackendError, messageOf } from "../../errors.js";
import type { Allocator } from "../arena.js";
import {
  BLOCK_BYTES,
  BLOCKS,
  CALLER_SLEEPS,
  COPYING,
  claim,
  compute,
  copyResults,
  DONE,
  FINISHED,
  JOB_QUEUE_BYTES,
  type JobQueue,
  jobQueueOver,
  KERNEL,
  type Kernel,
  MESSAGES,
  OPEN,
  OWNER,
  ROW,
  SLEEPERS,
  STATE,
  stateOf,
  TICKET,
  unclaimed,
  WITHDRAWN,
  watch,
} from "./job-queue.js";
import type { WorkerMessage } from "./messages.js";
import { type Copies, OperandWriter, type Pieces } from "./operands.js";
import { type Spawn, spawnWorker, type WorkerHandle } from "./spawn.js";

/** What tests change. */
export interface PoolOptions {
  spawn?: Spawn;
  /** Share even what is too small to gain by it, and leave it to the workers for a moment. Default false. */
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
/** What workers have in an eager pool before the caller claims chunks. */
const EAGER_MILLISECONDS = 1;

/** Names a job and what some of its chunks compute: "a product: rows 0 to 63 of its result". */
export type Describe = (chunks: readonly number[]) => string;

/** How the caller takes a chunk over that a worker computes in pieces. */
export interface TakeOver {
  /**
   * Takes the rest of the chunk away from the worker, and completes it. Returns whether a worker that may still run stalls
   * while it copies the results of a piece.
   *
   * @param haveEnded no worker is in the job any more
   */
  complete(chunk: number, haveEnded: boolean): boolean;
  /** Takes the rest of the chunk away, and leaves it: a worker that still runs then stops before its next piece. */
  close(chunk: number): void;
}

/** A block of linear memory that workers are told of; it grows. */
export interface SharedBlock {
  ptr: number;
  bytes: number;
}

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

const STILL_READ = "`data` and `toArray()` still read the tensors";

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
 * Nor does one that stalls or dies inside a chunk take anything with it. It computes in copies (operands.ts), and needs the
 * caller's leave to copy results back. The caller waits for a long while, withdraws the chunk, ends all workers and computes
 * the chunk itself. It cannot know that a worker which it has ended no longer runs; but that worker knows only its own
 * block, which nobody uses again. What remains is a worker that stalls while it copies: the caller copies the same
 * results, so the job is complete, but they may be written once more later. From then on the pool is `broken`: its
 * memory is not computed in again. So it is after a kernel that traps on the caller's thread. See decision 0020.
 */
export class Pool {
  readonly queue: JobQueue;
  /** Notes the operands of the next job. */
  readonly operands: OperandWriter;
  readonly #buffer = new SharedArrayBuffer(JOB_QUEUE_BYTES);
  readonly eager: boolean;
  readonly #memory: WebAssembly.Memory;
  readonly #allocator: Allocator;
  readonly #copies: WebAssembly.Module;
  /** The caller's instance of it. */
  readonly copy: Copies;
  readonly #pieces: WebAssembly.Module | undefined;
  readonly #shared = new Set<SharedBlock>();
  /** The workers' blocks, one after the other. */
  readonly #blocks: SharedBlock = { ptr: 0, bytes: 0 };
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

  /**
   * Starts the workers, as far as they can be started.
   *
   * @param copies the binary of operands.ts
   * @param pieces that of kernels which workers compute in pieces
   */
  constructor(
    workers: number,
    memory: WebAssembly.Memory,
    allocator: Allocator,
    copies: WebAssembly.Module,
    options: PoolOptions = {},
    pieces?: WebAssembly.Module,
  ) {
    const { spawn = spawnWorker, eager = false } = options;
    const { startMilliseconds = 10_000, patienceMilliseconds = 10_000 } = options;
    this.eager = eager;
    this.#memory = memory;
    this.#allocator = allocator;
    this.#copies = copies;
    this.#pieces = pieces;
    this.copy = new WebAssembly.Instance(copies, { env: { memory } }).exports as unknown as Copies;
    this.#words = new Int32Array(memory.buffer);
    this.#startMilliseconds = startMilliseconds;
    this.#patience = patienceMilliseconds;
    this.queue = jobQueueOver(this.#buffer);
    this.operands = new OperandWriter(this.queue.rows);
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
        this.#remove(member, messageOf(error));
      }
    }
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
      const common = { memory: this.#memory, queue: this.#buffer, copies: this.#copies, pieces: this.#pieces };
      const greeting = number === 0 ? { ...common, thread: index + 1 } : undefined;
      const message: WorkerMessage = greeting ? { module, kernels, greeting } : { module, kernels };
      try {
        member.handle?.post(message);
      } catch (error) {
        this.#remove(member, messageOf(error));
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

  /** Makes a block that workers are told of this large; false if there is no room. Its content is lost when it grows. */
  reserve(block: SharedBlock, bytes: number): boolean {
    if (bytes <= block.bytes) return true;
    try {
      const ptr = this.#allocator.allocate(bytes);
      this.#allocator.free(block.ptr);
      Object.assign(block, { ptr, bytes });
      this.#shared.add(block);
      return true;
    } catch {
      return false;
    }
  }

  /** Makes every worker's own block this large; false if there is no room. */
  reserveOperands(bytes: number): boolean {
    if (!this.reserve(this.#blocks, bytes * this.#members.length)) return false;
    const { words } = this.queue;
    words[BLOCKS] = this.#blocks.ptr;
    words[BLOCK_BYTES] = bytes;
    return true;
  }

  /**
   * Computes `chunks` chunks of a job, whose arguments and operands are in the queue's rows, on all threads.
   *
   * @param describe names chunks of the job
   * @throws BackendError if a kernel traps on the caller's thread; it says what is lost
   */
  run(binary: number, kernelIndex: number, chunks: number, describe: Describe, takeOver?: TakeOver): void {
    this.assertWhole();
    const { words, rows } = this.queue;
    const kernel = this.#binaries[binary]![kernelIndex]!;
    if (this.threads === 1) {
      for (let chunk = chunks - 1; chunk >= 0; chunk--) compute(kernel, rows, chunk * ROW);
      return;
    }
    Atomics.store(words, KERNEL, (binary << 8) | kernelIndex);
    this.#publish(chunks);
    const generation = this.#generation;
    const start = performance.now();
    if (this.eager) this.#letWorkersClaim(start + EAGER_MILLISECONDS);
    let own = 0;
    try {
      for (let ticket = Atomics.load(words, TICKET); unclaimed(ticket) > 0; ticket = Atomics.load(words, TICKET)) {
        const chunk = claim(this.queue, ticket);
        if (chunk < 0) continue;
        own++;
        compute(kernel, rows, chunk * ROW);
        words[STATE + chunk] = stateOf(generation, FINISHED);
      }
    } catch (cause) {
      const withdrawn = unclaimed(this.#publish(0));
      const isOver = this.#wait(chunks - withdrawn - own, start);
      const { missing } = this.#withdraw(chunks, generation);
      if (!isOver) this.#giveUp();
      for (const chunk of missing) takeOver?.close(chunk);
      throw this.#lose(describe(missing), cause);
    }
    if (own === chunks) this.#undisturbed = UNDISTURBED_JOBS;
    const isOver = this.#wait(chunks - own, start);
    // Not by what was counted alone: every chunk says itself that it has its results.
    if (!isOver || !this.#isComplete(chunks, generation)) {
      this.#recover(kernel, chunks, generation, describe, isOver, takeOver);
    }
  }

  #isComplete(chunks: number, generation: number): boolean {
    const { words } = this.queue;
    const finished = stateOf(generation, FINISHED);
    for (let chunk = 0; chunk < chunks; chunk++) if (Atomics.load(words, STATE + chunk) !== finished) return false;
    return true;
  }

  /** Completes a job that workers did not: some of their kernels trapped, or they did not end. */
  #recover(
    kernel: Kernel,
    chunks: number,
    generation: number,
    describe: Describe,
    isOver: boolean,
    takeOver: TakeOver | undefined,
  ): void {
    const { words, rows } = this.queue;
    const { missing, stuck: copying } = this.#withdraw(chunks, generation);
    // What was computed in pieces is complete when a worker says that it copies.
    const stuck = takeOver === undefined ? copying : [];
    this.#giveUp(isOver ? "its kernel failed" : undefined);
    for (const chunk of stuck) copyResults(this.queue, this.copy, chunk, Atomics.load(words, OWNER + chunk));
    while (missing.length > 0) {
      const chunk = missing.at(-1)!;
      try {
        if (takeOver === undefined) compute(kernel, rows, chunk * ROW);
        else if (takeOver.complete(chunk, isOver)) stuck.push(chunk);
      } catch (cause) {
        for (const other of missing) takeOver?.close(other);
        throw this.#lose(describe(missing), cause);
      }
      missing.pop();
    }
    if (stuck.length > 0) {
      this.#broken = `a worker thread stalled while it copied ${describe(stuck)}, which are complete but may be written once more (${this.reason}); ${STILL_READ}`;
    }
  }

  /** The caller's instance of the binary with the pieces. */
  pieces(): Pieces {
    return new WebAssembly.Instance(this.#pieces!, { env: { memory: this.#memory } }).exports as unknown as Pieces;
  }

  /**
   * Replaces a word, and returns what it was: when its lowest bit is 0, or, after as long as anybody waits, whatever it is.
   */
  replaceEven(words: Int32Array, index: number, value: number): number {
    const end = performance.now() + this.#patience;
    do {
      const state = Atomics.load(words, index);
      if (!(state & 1) && Atomics.compareExchange(words, index, state, value) === state) return state;
    } while (performance.now() < end);
    return Atomics.exchange(words, index, value);
  }

  /** What was lost or is in danger, once a job could not be completed: from then on every job is refused. */
  get broken(): string | undefined {
    return this.#broken;
  }

  /** Throws BackendError if the pool is broken. */
  assertWhole(): void {
    if (this.#broken !== undefined) throw new BackendError(`the core cannot be used any more: ${this.#broken}`);
  }

  /**
   * Takes every chunk of a job that is not computed yet away from its worker. Returns these, and those whose results a worker
   * has been copying for longer than anybody waits.
   */
  #withdraw(chunks: number, generation: number): { missing: number[]; stuck: number[] } {
    const { words } = this.queue;
    const [open, copying] = [stateOf(generation, OPEN), stateOf(generation, COPYING)];
    const missing: number[] = [];
    const stuck: number[] = [];
    for (let chunk = 0; chunk < chunks; chunk++) {
      const at = STATE + chunk;
      const state = Atomics.compareExchange(words, at, open, stateOf(generation, WITHDRAWN));
      if (state === open) missing.push(chunk);
      if (state === copying && watch(words, at, copying, this.#patience) === copying) stuck.push(chunk);
    }
    return { missing, stuck };
  }

  /** Refuses every later job, because a kernel trapped on the caller's thread; what to throw for this one. */
  #lose(what: string, cause: unknown): BackendError {
    this.#broken = `a kernel failed in the middle of ${what} are lost, everything else is complete (${this.reason}); ${STILL_READ}`;
    return new BackendError(this.#broken, { cause });
  }

  #letWorkersClaim(end: number): void {
    while (unclaimed(Atomics.load(this.queue.words, TICKET)) > 0 && performance.now() < end);
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
    for (let chunk = 0; chunk < chunks; chunk++) words[STATE + chunk] = stateOf(this.#generation, OPEN);
    const before = Atomics.exchange(words, TICKET, (this.#generation << 8) | chunks);
    if (Atomics.load(words, SLEEPERS) > 0) Atomics.notify(words, TICKET);
    return before;
  }

  /** Calls all workers out of their loop, to read a message or to end: not every runtime can end one that sleeps. */
  #callToEventLoop(): void {
    Atomics.add(this.queue.words, MESSAGES, 1);
    this.#publish(0);
  }

  /** Waits for this number of chunks of workers; false if they take too long. */
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
      if (inVain === PATIENCE_SLICES) return false;
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

  /** Ends all workers. They may go on for a while: what they know of is nobody else's from then on. */
  #giveUp(why = "it did not finish its share of a job"): void {
    this.#callToEventLoop();
    for (const member of this.#members) this.#remove(member, why);
    for (const { ptr } of this.#shared) this.#allocator.forget(ptr);
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
