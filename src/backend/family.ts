import type { Views } from "./js/views.js";

/** A Wasm binary inside the JavaScript: its bytes in hexadecimal, or the module where the platform has compiled it. */
export type Binary = string | WebAssembly.Module;

/**
 * A family of kernels: one binary, and the same kernels in JavaScript. `core.kernels(family)` returns those of the
 * core's backend. A new family is a folder in assembly/, a folder in src/backend/js/ and one file in this folder's
 * `families/`; nothing else lists it. `K` is the interface of its kernels, in the names of the binary's exports.
 */
export interface KernelFamily<K> {
  /** The folder in assembly/, and the name of the binary. */
  readonly name: string;
  /** Absent for the core family, whose binary the entry point brings. */
  readonly binary?: Binary;
  /** The kernels in JavaScript: the readable reference and the fallback. */
  js(views: Views): K;
  /**
   * Calls every kernel, along every path that computes with vectors, in a memory of eight pages of its own that is
   * filled with numbers from byte 1024 on. Wide mode makes V8 widen what has run.
   */
  warmUp?(kernels: K, memory: WebAssembly.Memory): void;
  /** How threads share the kernels' calls. A kernel that is not named here runs on the caller's thread. */
  readonly shared?: { readonly [Name in keyof K]?: Cut } | undefined;
  /** Kernels that make a step of every segment of a step table (src/abi/step-table.ts): those of optimizers. */
  readonly steps?: Steps<K> | undefined;
}

/** What is to be known of a family's step kernels, by name: threads, wide mode and tests go by it. */
export type Steps<K> = { readonly [Name in keyof K]?: StepKernelInfo };

/**
 * Measures the gradients of a step table, then updates every segment that has one; 0, or 1 + the index of a segment
 * that `checkFinite` refuses. A negative `checkFinite` takes the segments as measured.
 *
 * @param scratchPtr scratch of the thread, for kernels that need it
 */
export type StepKernel = (
  segmentsPtr: number,
  segmentCount: number,
  checkFinite: number,
  scratchPtr?: number,
) => number;

/** One step kernel. */
export interface StepKernelInfo {
  /** What threads may cut a table into: pieces of parameters, or only whole ones. */
  readonly cut: "elements" | "parameters";
  /** MODE_… and FORM_… bits that between them lead into every loop; `states`: how many state arrays there are. */
  readonly variants: readonly { readonly mode?: number; readonly form?: number; readonly states?: number }[];
  /** Whether the first two state arrays have a number for each row and each column, in place of each element. */
  readonly factored?: boolean;
  /** Which of the family's kernels returns the bytes of scratch for a parameter: of (count, rows, columns). */
  readonly scratch?: string;
  /** Whether the first state array may have negative numbers. Default false. */
  readonly signedState?: boolean;
}

/** Arguments of one kernel call, in order. */
export type KernelArguments = ArrayLike<number>;

/** A number that a call's arguments say, or the words of linear memory that an argument is the address of. */
export type CallNumber = (args: KernelArguments, words: Int32Array) => number;

/**
 * What a worker has a copy of while it computes a piece: a block that the call writes, or words that decide where it
 * writes. A worker never writes to the original before its kernel has ended (docs/decisions/0020-lost-workers.md). A piece
 * of it is `blocks` blocks of `rows` rows of `bytes` bytes; all numbers are those of a piece, so `count` is the piece's.
 */
export interface Operand {
  /** Index of the argument that is its address; 0 is "absent". */
  readonly argument: number;
  /** "write": the call writes all of it; "update": it may leave numbers as they are; "read": it writes none. */
  readonly use: "read" | "write" | "update";
  /** Bytes from the address to the piece, where the argument does not move from piece to piece. Default 0. */
  readonly offset?: CallNumber;
  /** Default 1; the strides are bytes. */
  readonly blocks?: CallNumber;
  readonly blockStride?: CallNumber;
  readonly rows?: CallNumber;
  readonly stride?: CallNumber;
  readonly bytes: CallNumber;
}

/**
 * How a call is cut into calls of the same kernel, one for each thread. A kernel's units (rows, elements, channels)
 * must be independent of each other, so that the result does not depend on where cuts are.
 */
export interface Cut {
  /** Index of the argument that counts the units. */
  readonly count: number;
  /**
   * What is added to an argument for each unit that comes before a piece: bytes for an address, 1 for the number of the
   * first unit. By index of the argument. An address of 0 means "absent" and stays 0.
   */
  readonly steps: Readonly<Record<number, number | CallNumber>>;
  /** Cuts are at multiples of this number of units. Default 1. */
  readonly grain?: number | ((args: KernelArguments) => number);
  /** What a piece writes, and what decides where. */
  readonly operands: readonly Operand[];
  /** What the whole call costs, in multiply-adds; small calls are not shared. */
  readonly work: CallNumber;
  /** The argument that is the address of scratch, and the bytes that one thread needs. */
  readonly scratch?: { readonly argument: number; readonly bytes: CallNumber };
}
