import { PACKED } from "../../../abi/packed.js";
import { ACTIVATION } from "../../backend.js";
import type { CoreKernels } from "../../families/core.js";
import { CORE_STEPS } from "../../families/core-steps.js";
import { A, B, C, P, SCRATCH, warmUpAccumulation, warmUpSteps } from "./warm-up-steps.js";

/** Side of the square products. */
export const SIZE = 64;

/** Behind the scratch of the largest product. */
const PACKED_B: number = SCRATCH + 65536;

/** Everything in a core binary: each path of products with whole tiles and ends of rows and columns, and each step. */
export function warmUpCore(exports: WebAssembly.Exports, memory: WebAssembly.Memory): void {
  const kernels = exports as unknown as CoreKernels;
  const { identity, relu, tanh, sigmoid } = ACTIVATION;
  product(kernels, SIZE, 2 * SIZE, SIZE); // packed
  product(kernels, SIZE, SIZE, SIZE);
  product(kernels, 37, 45, 51, 1, 0, 0, relu);
  product(kernels, 37, 45, 51, 0, 1, 0.5, identity);
  product(kernels, 24, 256, 16);
  product(kernels, 27, 259, 15, 1, 1, 0, tanh);
  product(kernels, SIZE, 12, SIZE);
  product(kernels, SIZE, 4, SIZE);
  product(kernels, 37, 2, 31);
  product(kernels, 37, 3, 31);
  product(kernels, 1, 253, 31, 0, 0, 0, sigmoid);
  product(kernels, 253, 1, 31, 0, 0, 0, relu);
  kernels.pack_f32(45, 51, B, 45, 0, PACKED_B);
  packedProduct(kernels, 3, 1, identity);
  packedProduct(kernels, 37, 0, relu);
  warmUpSteps(exports, CORE_STEPS, memory);
  warmUpAccumulation(kernels, memory);
}

/** Times the packed B. */
function packedProduct(kernels: CoreKernels, m: number, beta: number, activation: number): void {
  kernels.gemm_f32(1, m, 45, 51, 1, A, 0, 51, 0, PACKED_B, 0, 51, PACKED, beta, C, 0, 45, P, activation, SCRATCH);
}

export function product(
  kernels: CoreKernels,
  m: number,
  n: number,
  k: number,
  transposeA = 0,
  transposeB = 0,
  beta = 0,
  activation: number = ACTIVATION.identity,
): void {
  const [lda, ldb] = [transposeA ? m : k, transposeB ? k : n];
  // biome-ignore format: operand by operand
  kernels.gemm_f32(
    1, m, n, k, 1, A, 0, lda, transposeA, B, 0, ldb, transposeB, beta, C, 0, n, P, activation, SCRATCH,
  );
}
