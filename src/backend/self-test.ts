import type { Allocator } from "./arena.js";
import { ACTIVATION, type Kernels, type LinearMemory } from "./backend.js";
import { createJsKernels } from "./js/kernels.js";
import { JsMemory } from "./js/memory.js";

/** Odd sizes, so that full tiles and remainders both run. */
const M = 5;
const N = 19;
const K = 7;
const OUTPUTS = M * N;
const WORDS = M * K + K * N + N + OUTPUTS;

/**
 * Runs a small product with every part of its epilogue on `kernels` and on the JavaScript twin, and throws unless the
 * bits are equal (for relaxed arithmetic: unless they are close).
 */
export function selfTest(kernels: Kernels, memory: LinearMemory, allocator: Allocator, relaxed: boolean): void {
  const scratchBytes = kernels.gemm_scratch_bytes(M, N, K, 0, 0, 0);
  const ptr = allocator.allocate(WORDS * 4 + scratchBytes);
  const actual = product(kernels, memory, ptr);
  allocator.free(ptr);
  const twin = new JsMemory(WORDS * 4 + 64, WORDS * 4 + 64);
  const expected = product(createJsKernels(twin), twin, 64);
  const tolerance = relaxed ? 2 ** -20 : 0;
  for (let i = 0; i < OUTPUTS; i++) {
    if (!(Math.abs(actual[i]! - expected[i]!) <= tolerance)) {
      throw new Error(`self-test: element ${i} is ${actual[i]}, expected ${expected[i]}`);
    }
  }
}

function product(kernels: Kernels, memory: LinearMemory, ptr: number): Float32Array {
  const words = new Float32Array(memory.buffer, ptr, WORDS);
  for (let i = 0; i < WORDS; i++) words[i] = ((i * 37) % 64) / 64 - 0.5;
  const b = ptr + M * K * 4;
  const bias = b + K * N * 4;
  const c = bias + N * 4;
  const scratch = c + OUTPUTS * 4;
  kernels.gemm_f32(1, M, N, K, 1.5, ptr, 0, K, 0, b, 0, N, 0, 0, c, 0, N, bias, ACTIVATION.tanh, scratch);
  return words.slice(WORDS - OUTPUTS);
}
