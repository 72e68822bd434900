/**
 * The seam between the facade and what computes. Every backend offers these kernels over one linear memory,
 * with the same bits as result. Pointers are byte addresses, strides (`ld…`, `stride…`) count elements, matrices are
 * row-major float32. Kernels never allocate and keep no state; assembly/README.md holds the contract of each.
 */
export interface Kernels {
  /** C = activation(alpha·op(A)·op(B) + beta·C + bias), for each of `batch` matrices. */
  gemm_f32(
    batch: number,
    m: number,
    n: number,
    k: number,
    alpha: number,
    aPtr: number,
    strideA: number,
    lda: number,
    transposeA: number,
    bPtr: number,
    strideB: number,
    ldb: number,
    transposeB: number,
    beta: number,
    cPtr: number,
    strideC: number,
    ldc: number,
    biasPtr: number,
    activation: number,
    scratchPtr: number,
  ): void;
  /** Bytes of scratch that `gemm_f32` needs for these arguments. */
  gemm_scratch_bytes(m: number, n: number, k: number, transposeA: number, transposeB: number, beta: number): number;

  /**
   * Writes the `gradScale` of every row of a segment table (see segments.ts). 0, or with `checkFinite` 1 + the index of a
   * row whose gradient is not finite.
   */
  measure_f32(segmentsPtr: number, segmentCount: number, checkFinite: number): number;
  /**
   * Measures, then updates every row; 0, or 1 + the index of a refused one. A negative `checkFinite` takes the rows as
   * measured.
   */
  rmsprop_f32(segmentsPtr: number, segmentCount: number, checkFinite: number): number;
  adam_f32(segmentsPtr: number, segmentCount: number, checkFinite: number): number;
  sgd_f32(segmentsPtr: number, segmentCount: number, checkFinite: number): number;
  /** acc ← acc + g of every row with a gradient; with a divisor > 0 acc ← (acc + g) / divisor. */
  accumulate_f32(segmentsPtr: number, segmentCount: number, divisor: number): void;
}

/** The kernels of `lanewise/nn`, which come in a binary of their own over the same memory. */
export interface NetworkKernels {
  /** y = activation(x), element by element, for relu, tanh and sigmoid. `yPtr` may equal `xPtr`. */
  activation_f32(activation: number, count: number, xPtr: number, yPtr: number): void;
  /**
   * dx = dy · activation′, from the activation's output y, and sums[j] = Σᵢ dx[i, j], rows in ascending order, unless
   * `sumsPtr` is 0. `dxPtr` may equal `dyPtr`; for identity it must.
   */
  activation_backward_f32(
    activation: number,
    rows: number,
    columns: number,
    yPtr: number,
    dyPtr: number,
    dxPtr: number,
    sumsPtr: number,
  ): void;
  /** y = x · mask / (1 − rate); the mask is a function of seed and element index alone. */
  dropout_f32(count: number, xPtr: number, yPtr: number, seed: number, threshold: number, scale: number): void;

  /** Mean loss over the rows; writes the gradient of the mean unless `gradPtr` is 0. */
  softmax_cross_entropy_f32(
    rows: number,
    columns: number,
    logitsPtr: number,
    targetsPtr: number,
    targetsAreIndices: number,
    gradPtr: number,
  ): number;
  /** Mean loss over the elements; writes the gradient of the mean unless `gradPtr` is 0. */
  mean_squared_error_f32(count: number, yPtr: number, targetsPtr: number, gradPtr: number): number;
  binary_cross_entropy_f32(count: number, logitsPtr: number, targetsPtr: number, gradPtr: number): number;
  huber_f32(count: number, yPtr: number, targetsPtr: number, gradPtr: number, delta: number): number;
  /** Rows whose arg max (or, for one column, whose sign) agrees with the target. */
  count_correct_f32(
    rows: number,
    columns: number,
    yPtr: number,
    targetsPtr: number,
    targetsAreIndices: number,
    threshold: number,
  ): number;
}

/** Ids of the activations, shared with assembly/nn/activation.ts. */
export const ACTIVATION = { identity: 0, relu: 1, tanh: 2, sigmoid: 3 } as const;

/** @see ACTIVATION */
export type Activation = keyof typeof ACTIVATION;

/** A growable block of bytes. After `grow` returns true, `buffer` is another object and old views are stale. */
export interface LinearMemory {
  readonly buffer: ArrayBufferLike;
  /** Grows to at least `bytes` in all; false when that cannot be had, and then nothing changed. */
  grow(bytes: number): boolean;
}

/** Runs every kernel of a binary once, over a memory of half a megabyte of its own. */
export type Exercise = (exports: WebAssembly.Exports, memory: WebAssembly.Memory) => void;

/** What was chosen to compute with. */
export interface Backend {
  readonly name: "wasm" | "js";
  readonly variant: string;
  readonly reason: string;
  readonly kernels: Kernels;
  readonly memory: LinearMemory;
  /** Another binary over the same memory; absent where there is no Wasm. */
  readonly load?: (hex: string, exercise: Exercise) => WebAssembly.Exports;
}
