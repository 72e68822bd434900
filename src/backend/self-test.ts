import type { Allocator } from "./arena.js";
import { ACTIVATION, type LinearMemory } from "./backend.js";
import type { CoreKernels } from "./families/core.js";

/** Odd sizes, so that full tiles and remainders both run. */
const M = 5;
const N = 19;
const K = 7;

/**
 * Runs a small product on `kernels` and throws unless it is right. The numbers are small integers: every sum is exact,
 * so no rounding, fused or not, excuses a difference.
 */
export function selfTest(kernels: CoreKernels, memory: LinearMemory, allocator: Allocator): void {
  const words = M * K + K * N + M * N;
  const ptr = allocator.allocate(words * 4 + kernels.gemm_scratch_bytes(M, N, K, 0, 0, 0));
  const x = new Float32Array(memory.buffer, ptr, words);
  for (let i = 0; i < words; i++) x[i] = ((i * 37) % 64) - 31;
  const [b, c] = [M * K, M * K + K * N];
  const expected = Array.from({ length: M * N }, (_, at) => {
    let sum = 0;
    for (let p = 0; p < K; p++) sum += x[Math.floor(at / N) * K + p]! * x[b + p * N + (at % N)]!;
    return Math.max(sum, 0);
  });
  const scratch = ptr + words * 4;
  try {
    kernels.gemm_f32(
      1,
      M,
      N,
      K,
      1,
      ptr,
      0,
      K,
      0,
      ptr + b * 4,
      0,
      N,
      0,
      0,
      ptr + c * 4,
      0,
      N,
      0,
      ACTIVATION.relu,
      scratch,
    );
    if (expected.some((value, at) => x[c + at] !== value)) throw new Error("it failed its self-test");
  } finally {
    allocator.free(ptr);
  }
}
