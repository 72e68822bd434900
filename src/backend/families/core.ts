import type { KernelFamily, StepKernel } from "../family.js";
import { gemmKernels } from "../js/gemm/gemm.js";
import { accumulateKernels } from "../js/optim/accumulate.js";
import { rmspropKernels } from "../js/optim/rmsprop.js";
import { measureKernels } from "../js/optim/transform.js";
import { CORE_STEPS } from "./core-steps.js";

/**
 * Products and optimizer steps, which every core has. Pointers are byte addresses, strides (`ld…`, `stride…`) count
 * elements, matrices are row-major float32. CoreKernels never allocate and keep no state; assembly/README.md has their contract.
 */
export interface CoreKernels extends Readonly<Record<keyof typeof CORE_STEPS, StepKernel>> {
  /**
   * C = activation(alpha·op(A)·op(B) + beta·C + bias), for each of `batch` matrices. With `transposeB` PACKED and `ldb` k,
   * B is what `pack_f32` has written.
   */
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

  /** Lays out op(B), k × n, at `toPtr`: k elements for each column, n rounded up to 4 or a multiple of 16. */
  pack_f32(n: number, k: number, bPtr: number, ldb: number, transposeB: number, toPtr: number): void;

  /**
   * Writes the gradient scales of every segment of a step table (src/abi/step-table.ts). 0, or with `checkFinite` 1 + the
   * index of a segment whose gradient is not finite.
   */
  measure_f32(segmentsPtr: number, segmentCount: number, checkFinite: number): number;
  /**
   * acc ← acc + g of every segment with a gradient; with a divisor > 0 acc ← (acc + g) / divisor, with one < 0
   * acc ← acc + (g − acc)·|divisor|.
   */
  accumulate_f32(segmentsPtr: number, segmentCount: number, divisor: number): void;
}

/** The core family. Threads cut its calls by rules of their own: src/backend/threads/{gemm,step}.ts. */
export const coreFamily: KernelFamily<CoreKernels> = {
  name: "core",
  steps: CORE_STEPS,
  js: (views) => ({
    ...gemmKernels(views),
    ...accumulateKernels(views),
    ...measureKernels(views),
    ...rmspropKernels(views),
  }),
};
