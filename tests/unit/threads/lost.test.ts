// What the kernels do when a worker was lost in the middle of a job: `run` says false.

import { expect, it } from "vitest";
import { Arena } from "../../../src/backend/arena.js";
import { ACTIVATION } from "../../../src/backend/backend.js";
import { coreFamily } from "../../../src/backend/families/core.js";
import { Views } from "../../../src/backend/js/views.js";
import { threadedGemm } from "../../../src/backend/threads/gemm.js";
import { Pool } from "../../../src/backend/threads/pool.js";
import { StepSplitter } from "../../../src/backend/threads/step.js";
import { WasmMemory } from "../../../src/backend/wasm/memory.js";
import { BackendError } from "../../../src/index.js";

const memory = WasmMemory.create(2 ** 20, 2 ** 20, true);
const one = coreFamily.js(new Views(memory));
const pool = new Pool(1, memory.handle, {
  eager: true,
  spawn: () => ({ post() {}, release() {}, terminate() {} }),
});
let runs = 0;
const lost = () => {
  runs++;
  return false;
};

it("makes a product again if nothing that it reads has changed, and else throws BackendError", () => {
  const { gemm_f32 } = threadedGemm(pool, one, lost);
  const f32 = new Float32Array(memory.buffer);
  const [n, a, c] = [32, 1024, 2048];
  for (let i = 0; i < n * n; i++) f32[a + i] = +(i % (n + 1) === 0); // the unit matrix
  const product = (beta: number) => {
    f32.fill(7, c, c + n * n);
    const { identity } = ACTIVATION;
    gemm_f32(1, n, n, n, 3, a * 4, 0, n, 0, a * 4, 0, n, 0, beta, c * 4, 0, n, 0, identity, 65536);
  };
  product(0);
  expect(runs).toBe(1);
  expect([...f32.subarray(c, c + 3)]).toEqual([3, 0, 0]);
  expect(() => product(1)).toThrow(BackendError);
  expect(() => product(1)).toThrow(/in the middle of a product with beta, which is now done in part/);
});

it("throws BackendError for a step", () => {
  const count = 64;
  const words = new Uint32Array(memory.buffer);
  words.set([4096, 8192, count, 65536], 512); // parameter, gradient, group
  const split = (allocator: Arena) => new StepSplitter(pool, memory, allocator, one.measure_f32);
  const step = split(new Arena(memory)).threaded(one.sgd_f32, { cut: "elements" }, lost);
  expect(() => step(512 * 4, 1, 0)).toThrow(BackendError);
  expect(() => step(512 * 4, 1, 0)).toThrow(/in the middle of a step/);
});

it("leaves a step to the caller when there is no room for its tables", () => {
  const full = new Arena({ buffer: new ArrayBuffer(64), grow: () => false });
  const step = new StepSplitter(pool, memory, full, one.measure_f32).threaded(() => 42, { cut: "elements" }, lost);
  const before = runs;
  expect(step(512 * 4, 1, 0)).toBe(42);
  expect(runs).toBe(before);
});
