// What is left to the caller when a step cannot be cut, and how what was lost is named.

import { expect, it } from "vitest";
import { Arena } from "../../../src/backend/arena.js";
import { coreFamily } from "../../../src/backend/families/core.js";
import { Views } from "../../../src/backend/js/views.js";
import { Pool, rangesOf } from "../../../src/backend/threads/pool.js";
import { StepSplitter } from "../../../src/backend/threads/step.js";
import { binary as copies } from "../../../src/backend/wasm/binaries/copies.js";
import { compileBinary } from "../../../src/backend/wasm/instantiate.js";
import { WasmMemory } from "../../../src/backend/wasm/memory.js";

it("leaves a step to the caller when there is no room for its tables", () => {
  const memory = WasmMemory.create(2 ** 20, 2 ** 20, true);
  const one = coreFamily.js(new Views(memory));
  const full = new Arena({ buffer: new ArrayBuffer(64), grow: () => false });
  const pool = new Pool(1, memory.handle, full, compileBinary(copies, memory.handle), {
    eager: true,
    spawn: () => ({ post() {}, release() {}, terminate() {} }),
  });
  const words = new Uint32Array(memory.buffer);
  words.set([4096, 8192, 64, 65536], 512); // parameter, gradient, count, group
  let runs = 0;
  const step = new StepSplitter(pool, memory, one.measure_f32).threaded(
    () => 42,
    { cut: "elements" },
    () => runs++,
  );
  expect(step(512 * 4, 1, 0)).toBe(42);
  expect(runs).toBe(0);
});

it("lists ranges, joined where they meet", () => {
  expect(rangesOf([])).toBe("");
  expect(
    rangesOf([
      [8, 9],
      [0, 4],
      [4, 6],
      [20, 30],
    ]),
  ).toBe("0 to 5, 8, 20 to 29");
});
