import {
  CONTROL_BYTES,
  CONTROL_CLOSED,
  CONTROL_STATE,
  LINE_ELEMENTS,
  PIECE_BLOCK_BYTES,
  TABLE_ACCUMULATE,
  TABLE_FACTORED,
  TABLE_STEP,
} from "../../abi/copies.js";
import {
  GROUP_BYTES,
  SEGMENT_AVERAGE,
  SEGMENT_BYTES,
  SEGMENT_COLUMNS,
  SEGMENT_COUNT,
  SEGMENT_GRAD,
  SEGMENT_PARAM,
  SEGMENT_ROWS,
  SEGMENT_STATE,
} from "../../abi/step-table.js";
import type { LinearMemory } from "../backend.js";
import type { CoreKernels } from "../families/core.js";
import type { StepKernel, StepKernelInfo } from "../family.js";
import { MAX_CHUNKS, operandsOf, ROW } from "./job-queue.js";
import { CACHE_LINE, wholeLines } from "./operands.js";
import { type Describe, type Pool, rangesOf, type SharedBlock, type TakeOver } from "./pool.js";

/** Elements from which sharing gains: when workers are awake, and when they must be woken first. */
const GAINS_AWAKE = 16384;
const GAINS_ASLEEP = 262144;
/** Elements of a chunk at least. */
const CHUNK_ELEMENTS = 8192;
/** Chunks are this part of what is left for each thread: the last and small ones even out what the first left uneven. */
const CHUNKS_PER_THREAD = 2;
/** Elements of a chunk at most, where there are chunks enough: their copies stay in the cache. */
const CACHED_ELEMENTS = 65536;
const ALL = 0x7fff_ffff;

const WORDS = SEGMENT_BYTES / 4;
/** A kind of table besides those that are copied: workers compute it in pieces. */
const IN_PIECES = -1;
/** `checkFinite` of segments that are measured already. */
const MEASURED = -1;

/** Bytes of scratch for a segment. */
export type ScratchBytes = (count: number, rows: number, columns: number) => number;

/**
 * Optimizers' steps on all threads. The segments of a table are in one line, which is cut into chunks of about one
 * length: each chunk is a table of its own in a block of linear memory, with whole segments and, where the kernel works
 * element by element, pieces of segments, which are segments with other addresses and counts. So no kernel knows of
 * chunks, and an element's bits do not depend on where cuts are. Norms belong to the whole: the caller measures first,
 * and a refused step has changed nothing.
 */
export class StepSplitter {
  readonly #pool: Pool;
  readonly #memory: LinearMemory;
  readonly #measure: CoreKernels["measure_f32"];
  readonly #table: SharedBlock = { ptr: 0, bytes: 0 };
  /** The table that was cut last. */
  readonly #cutTable = { ptr: 0, segments: 0 };
  /** Elements of its chunks, from the last to the first. */
  readonly #sizes = new Uint32Array(MAX_CHUNKS);
  /** Where the rest of a chunk is written that a lost worker leaves. */
  #rest = 0;
  #u32: Uint32Array = new Uint32Array(0);

  constructor(pool: Pool, memory: LinearMemory, measure: CoreKernels["measure_f32"]) {
    this.#pool = pool;
    this.#memory = memory;
    this.#measure = measure;
  }

  /**
   * This step on all threads; `run` runs its kernel on a number of chunks.
   *
   * @param scratchBytes bytes of scratch that a thread needs for a segment
   */
  threaded(
    one: StepKernel,
    { cut, factored = false, isInPieces = false }: Pick<StepKernelInfo, "cut" | "factored"> & { isInPieces?: boolean },
    run: (chunks: number, describe: Describe, takeOver?: TakeOver) => void,
    scratchBytes?: ScratchBytes,
  ): StepKernel {
    const isWhole = cut === "parameters";
    const kind = isInPieces ? IN_PIECES : factored ? TABLE_FACTORED : TABLE_STEP;
    const takeOver: TakeOver | undefined = isInPieces
      ? {
          complete: (chunk, haveEnded) => this.#complete(one, chunk, haveEnded),
          close: (chunk) => Atomics.store(this.#pool.words, this.#stateOf(chunk), CONTROL_CLOSED),
        }
      : undefined;
    const describe: Describe = (chunks) => this.#describe("a step", "and their state", chunks);
    return (segmentsPtr, segmentCount, checkFinite, scratchPtr = 0) => {
      this.#pool.assertWhole();
      const elements = this.#elements(segmentsPtr, segmentCount);
      const chunks = this.#chunksFor(segmentCount, elements, isWhole);
      if (chunks === 0) return one(segmentsPtr, segmentCount, checkFinite, scratchPtr);
      const refused = this.#measure(segmentsPtr, segmentCount, checkFinite);
      if (refused !== 0) return refused;
      const scratch = scratchBytes === undefined ? 0 : this.#largest(segmentsPtr, segmentCount, scratchBytes);
      if (!this.#cut(segmentsPtr, segmentCount, elements, chunks, MEASURED, isWhole, kind, scratchPtr, scratch)) {
        return one(segmentsPtr, segmentCount, MEASURED, scratchPtr);
      }
      run(chunks, describe, takeOver);
      return 0;
    };
  }

  /** This accumulation on all threads. */
  accumulation(
    one: CoreKernels["accumulate_f32"],
    run: (chunks: number, describe: Describe) => void,
  ): CoreKernels["accumulate_f32"] {
    const describe: Describe = (chunks) =>
      this.#describe("an accumulation of gradients", "in the sums of gradients", chunks);
    return (segmentsPtr, segmentCount, divisor) => {
      this.#pool.assertWhole();
      const elements = this.#elements(segmentsPtr, segmentCount);
      const chunks = this.#chunksFor(segmentCount, elements, false);
      const isCut =
        chunks > 0 && this.#cut(segmentsPtr, segmentCount, elements, chunks, divisor, false, TABLE_ACCUMULATE, 0, 0);
      if (isCut) run(chunks, describe);
      else one(segmentsPtr, segmentCount, divisor);
    };
  }

  /** Which elements of each parameter are in these chunks. */
  #describe(what: string, which: string, chunks: readonly number[]): string {
    const words = this.#words();
    const { rows } = this.#pool.queue;
    const ranges = new Map<number, [number, number][]>();
    for (const chunk of chunks) {
      const table = rows[chunk * ROW]! / 4;
      for (let i = 0; i < rows[chunk * ROW + 1]!; i++) {
        const piece = table + i * WORDS;
        const ptr = words[piece + SEGMENT_PARAM]!;
        const parameter = this.#segmentOf(ptr);
        const first = (ptr - words[this.#cutTable.ptr / 4 + parameter * WORDS + SEGMENT_PARAM]!) / 4;
        const own = ranges.get(parameter) ?? [];
        ranges.set(parameter, [...own, [first, first + words[piece + SEGMENT_COUNT]!]]);
      }
    }
    const list = [...ranges].map(([parameter, own]) => `elements ${rangesOf(own)} of parameter ${parameter}`);
    return `${what}: ${list.join(", ")} ${which}`;
  }

  /** The number of the segment that this address of a parameter is in. */
  #segmentOf(ptr: number): number {
    const words = this.#words();
    const { ptr: table, segments } = this.#cutTable;
    for (let i = 0; i < segments; i++) {
      const at = table / 4 + i * WORDS;
      const start = words[at + SEGMENT_PARAM]!;
      if (ptr >= start && ptr < start + words[at + SEGMENT_COUNT]! * 4) return i;
    }
    return -1;
  }

  /**
   * Into how many chunks this number of segments and elements is cut; 0 if the caller is faster alone. Threads claim the last
   * chunk first, which is the largest.
   */
  #chunksFor(segmentCount: number, elements: number, isWhole: boolean): number {
    const pool = this.#pool;
    const { threads } = pool;
    const least = Math.max(pool.eager ? LINE_ELEMENTS : CHUNK_ELEMENTS, Math.ceil((2 * elements) / MAX_CHUNKS));
    if (isWhole ? segmentCount < 2 : elements <= least) return 0;
    if (!pool.isWorthwhile(elements, GAINS_AWAKE, GAINS_ASLEEP)) return 0;
    if (isWhole) return Math.min(threads, segmentCount, MAX_CHUNKS);
    let chunks = 0;
    for (let left = elements; left > 0; chunks++) {
      const share = Math.min(CACHED_ELEMENTS, Math.ceil(left / (threads * CHUNKS_PER_THREAD)));
      const size = Math.min(left, Math.max(least, share));
      this.#sizes[chunks] = size;
      left -= size;
    }
    return chunks;
  }

  /** Elements of all segments that have a gradient. */
  #elements(segmentsPtr: number, segmentCount: number): number {
    const words = this.#words();
    const start = segmentsPtr / 4;
    let elements = 0;
    for (let segment = start; segment < start + segmentCount * WORDS; segment += WORDS) {
      if (words[segment + SEGMENT_GRAD] !== 0) elements += words[segment + SEGMENT_COUNT]!;
    }
    return elements;
  }

  /** The linear memory as it is now. */
  #words(): Uint32Array {
    if (this.#u32.buffer !== this.#memory.buffer) this.#u32 = new Uint32Array(this.#memory.buffer);
    return this.#u32;
  }

  /**
   * Writes the tables of the chunks, and the queue's rows, which name them; false if there is no room for them.
   *
   * @param third the kernel's third argument
   * @param scratchPtr scratch of the caller, and the bytes that every thread needs
   */
  #cut(
    segmentsPtr: number,
    segmentCount: number,
    elements: number,
    chunks: number,
    third: number,
    isWhole: boolean,
    kind: number,
    scratchPtr: number,
    scratchBytes: number,
  ): boolean {
    const pool = this.#pool;
    const tables = (2 * segmentCount + chunks) * SEGMENT_BYTES;
    if (!pool.reserve(this.#table, tables + (chunks + 1) * CONTROL_BYTES)) return false;
    this.#cutTable.ptr = segmentsPtr;
    this.#cutTable.segments = segmentCount;
    const words = this.#words();
    const { operands, copy } = pool;
    const { rows } = pool.queue;
    operands.begin();
    copy.begin_cut(segmentsPtr, segmentCount, 0);
    let control = this.#table.ptr;
    this.#rest = control + chunks * CONTROL_BYTES;
    let table = this.#rest + segmentCount * SEGMENT_BYTES;
    let left = elements;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const wanted =
        chunk + 1 === chunks ? ALL : isWhole ? Math.ceil(left / (chunks - chunk)) : this.#sizes[chunks - 1 - chunk]!;
      const segments = copy.cut(wanted, Number(isWhole), table);
      const at = chunk * ROW;
      rows[at] = table;
      rows[at + 1] = segments;
      rows[at + 2] = third;
      rows[at + 3] = scratchPtr;
      operands.chunk(operandsOf(at));
      if (kind === IN_PIECES) {
        words[control / 4 + CONTROL_STATE] = 0;
        rows[at + 4] = control;
        control += CONTROL_BYTES;
        operands.scratch(3, PIECE_BLOCK_BYTES);
        table += segments * SEGMENT_BYTES;
        continue;
      }
      let bytes = 0;
      for (let i = 0; i < segments; i++, table += SEGMENT_BYTES) {
        bytes += copyBytes(words, table / 4, kind);
        left -= words[table / 4 + SEGMENT_COUNT]!;
      }
      operands.table(0, kind, segments, bytes);
      if (scratchBytes > 0) operands.scratch(3, scratchBytes);
    }
    return pool.reserveOperands(operands.bytes);
  }

  /** Where the word of linear memory is that says how much of a chunk is done. */
  #stateOf(chunk: number): number {
    return this.#pool.queue.rows[chunk * ROW + 4]! / 4 + CONTROL_STATE;
  }

  /** Computes what a lost worker has left of its chunk; see `TakeOver`. */
  #complete(one: StepKernel, chunk: number, haveEnded: boolean): boolean {
    const pool = this.#pool;
    const { rows } = pool.queue;
    const at = chunk * ROW;
    const { words } = pool;
    const index = this.#stateOf(chunk);
    const state = haveEnded
      ? Atomics.exchange(words, index, CONTROL_CLOSED)
      : pool.replaceEven(words, index, CONTROL_CLOSED);
    const isWriting = (state & 1) === 1;
    const done = (state >>> 1) + (isWriting ? pool.pieces().copy_piece(rows[at + 4]!) : 0);
    pool.copy.begin_cut(rows[at]!, rows[at + 1]!, done);
    const segments = pool.copy.cut(ALL, 0, this.#rest);
    one(this.#rest, segments, MEASURED);
    return isWriting && !haveEnded;
  }

  /** The most scratch that a segment needs. */
  #largest(segmentsPtr: number, segmentCount: number, bytesOf: ScratchBytes): number {
    const words = this.#words();
    const start = segmentsPtr / 4;
    let bytes = 0;
    for (let segment = start; segment < start + segmentCount * WORDS; segment += WORDS) {
      const count = words[segment + SEGMENT_COUNT]!;
      bytes = Math.max(bytes, bytesOf(count, words[segment + SEGMENT_ROWS]!, words[segment + SEGMENT_COLUMNS]!));
    }
    return bytes;
  }
}

/** What `copy_table` takes for a segment at most. */
function copyBytes(words: Uint32Array, segment: number, kind: number): number {
  const array = wholeLines(words[segment + SEGMENT_COUNT]! * 4);
  let bytes = SEGMENT_BYTES + CACHE_LINE + GROUP_BYTES;
  if (kind === TABLE_ACCUMULATE) return bytes + array;
  bytes += array;
  for (let i = segment + SEGMENT_STATE; i <= segment + SEGMENT_AVERAGE; i++) if (words[i] !== 0) bytes += array;
  return bytes;
}
