/**
 * What the pool sends to a worker: a binary to instantiate over the linear memory. The answer is "", or what failed.
 */
export interface WorkerMessage {
  readonly module: WebAssembly.Module;
  /** Names of its exports that are kernels; jobs name them by index. */
  readonly kernels: readonly string[];
  /** Comes with the first message. */
  readonly greeting?: {
    readonly memory: WebAssembly.Memory;
    readonly queue: SharedArrayBuffer;
    /** The binary that copies operands. */
    readonly copies: WebAssembly.Module;
    /** Kernels of the first binary that a worker computes in pieces, under the same names. */
    readonly pieces?: WebAssembly.Module | undefined;
    /** The worker's number; the caller is 0. */
    readonly thread: number;
  };
}
