// A worker never computes in the operands of a call. What it writes, and words that decide where it writes, it copies into
// a block that only it knows, and computes there; the results are copied back when the kernel has ended and the caller
// still wants them. So a worker that stalls or dies in a kernel has changed nothing, and never will.

/** What is done with an operand: the bits COPY_IN and COPY_BACK; none for scratch. */
export const SCRATCH = 0;
/** Copied before the kernel runs. */
export const COPY_IN = 1;
/** Copied back afterwards. */
export const COPY_BACK = 2;
/** A step table, whose kind is in the higher bits (src/abi/copies.ts): its arrays are what is copied, both ways. */
export const TABLE = 4;
export const TABLE_KIND = 3;

// An operand in a row of the job queue: float64 words.

/** Index of the argument that is its address. */
const ARGUMENT = 0;
const USE = 1;
/** Bytes from that address to where the chunk's part begins. */
const OFFSET = 2;
const BLOCKS = 3;
const BLOCK_STRIDE = 4;
/** Rows of a block; segments of a table. */
const ROWS = 5;
const STRIDE = 6;
/** Bytes of a row. */
const BYTES = 7;
/** Bytes that it takes in the worker's block. */
const SIZE = 8;
export const OPERAND_WORDS = 9;
/** Operands of a call at most. */
export const MAX_OPERANDS = 10;

/** The binary that copies: assembly/threads/copies.ts. */
export interface Copies {
  copy_blocks(
    blocks: number,
    blockStride: number,
    rows: number,
    stride: number,
    bytes: number,
    from: number,
    to: number,
  ): void;
  copy_table(table: number, segments: number, kind: number, to: number): void;
  copy_table_back(table: number, segments: number, kind: number, from: number): void;
  begin_cut(table: number, segments: number, skipped: number): void;
  cut(elements: number, isWhole: number, to: number): number;
}

/** What the caller needs of the binary with the pieces: assembly/threads/pieces.ts. */
export interface Pieces {
  copy_piece(control: number): number;
}

export const CACHE_LINE = 64;

/** Whole cache lines. */
export function wholeLines(bytes: number): number {
  return Math.ceil(bytes / CACHE_LINE) * CACHE_LINE;
}

/** Notes the operands of a chunk: a count, then each of them, from `at` on in the queue's rows. */
export class OperandWriter {
  readonly #rows: Float64Array;
  #at = 0;
  /** Bytes of a worker's block that the chunk needs. */
  #size = 0;
  /** The most of a job. */
  #most = 0;

  constructor(rows: Float64Array) {
    this.#rows = rows;
  }

  /** Begins a job. */
  begin(): void {
    this.#most = 0;
  }

  /** Bytes of a worker's block that the chunks of the job need. */
  get bytes(): number {
    return this.#most;
  }

  /** Begins a chunk, whose operands are from `at` on. */
  chunk(at: number): void {
    this.#at = at;
    this.#size = 0;
    this.#rows[at] = 0;
  }

  scratch(argument: number, bytes: number): void {
    this.#add(argument, SCRATCH, 0, 1, 0, 1, 0, bytes, bytes);
  }

  /** `bytes`: what the copies of the segments, groups and arrays take at most. */
  table(argument: number, kind: number, segments: number, bytes: number): void {
    this.#add(argument, TABLE | (kind << TABLE_KIND), 0, 1, 0, segments, 0, 0, bytes);
  }

  /** `use`: COPY_IN, COPY_BACK or both. */
  blocks(
    argument: number,
    use: number,
    offset: number,
    blocks: number,
    blockStride: number,
    rows: number,
    stride: number,
    bytes: number,
  ): void {
    if (blocks === 0 || rows === 0 || bytes === 0) return;
    const size = (blocks - 1) * blockStride + (rows - 1) * stride + bytes;
    this.#add(argument, use, offset, blocks, blockStride, rows, stride, bytes, size);
  }

  #add(
    argument: number,
    use: number,
    offset: number,
    blocks: number,
    blockStride: number,
    rows: number,
    stride: number,
    bytes: number,
    size: number,
  ): void {
    const words = this.#rows;
    const at = this.#at + 1 + words[this.#at]!++ * OPERAND_WORDS;
    words[at + ARGUMENT] = argument;
    words[at + USE] = use;
    words[at + OFFSET] = offset;
    words[at + BLOCKS] = blocks;
    words[at + BLOCK_STRIDE] = blockStride;
    words[at + ROWS] = rows;
    words[at + STRIDE] = stride;
    words[at + BYTES] = bytes;
    words[at + SIZE] = wholeLines(size);
    this.#size += words[at + SIZE]!;
    if (this.#size > this.#most) this.#most = this.#size;
  }
}

/**
 * Copies what a chunk reads and writes into a block, and lets its arguments name the copies.
 *
 * @param at where the operands are in `rows`
 */
export function copyIn(copies: Copies, rows: Float64Array, at: number, args: Float64Array, block: number): void {
  for (let i = 0; i < rows[at]!; i++) {
    const o = at + 1 + i * OPERAND_WORDS;
    const argument = rows[o + ARGUMENT]!;
    const use = rows[o + USE]!;
    if (use & TABLE) copies.copy_table(args[argument]!, rows[o + ROWS]!, use >> TABLE_KIND, block);
    else if (use & COPY_IN) copyBlocks(copies, rows, o, args[argument]! + rows[o + OFFSET]!, block);
    args[argument] = block - rows[o + OFFSET]!;
    block += rows[o + SIZE]!;
  }
}

/** Copies what a chunk has written back to where its arguments, which are in `rows` from `row` on, say. */
export function copyBack(copies: Copies, rows: Float64Array, row: number, at: number, block: number): void {
  for (let i = 0; i < rows[at]!; i++) {
    const o = at + 1 + i * OPERAND_WORDS;
    const original = rows[row + rows[o + ARGUMENT]!]!;
    const use = rows[o + USE]!;
    if (use & TABLE) copies.copy_table_back(original, rows[o + ROWS]!, use >> TABLE_KIND, block);
    else if (use & COPY_BACK) copyBlocks(copies, rows, o, block, original + rows[o + OFFSET]!);
    block += rows[o + SIZE]!;
  }
}

function copyBlocks(copies: Copies, rows: Float64Array, o: number, from: number, to: number): void {
  copies.copy_blocks(
    rows[o + BLOCKS]!,
    rows[o + BLOCK_STRIDE]!,
    rows[o + ROWS]!,
    rows[o + STRIDE]!,
    rows[o + BYTES]!,
    from,
    to,
  );
}
