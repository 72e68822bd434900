import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { accelerate, rmsprop } from "lanewise/tfjs";
import { expect, it } from "vitest";
import { PAIRS, runMatrix } from "./matrix.js";

it("a wasm backend whose heap is out of reach: copies, and the path says so", async () => {
  await tf.setBackend("wasm");
  const { wasm } = tf.backend() as unknown as { wasm: { asm: Record<string, unknown> } };
  wasm.asm = Object.fromEntries(Object.entries(wasm.asm).filter(([name]) => name !== "memory"));
  expect(rmsprop(1).path).toBe("wasm: simd kernels, gradients and variables are copied; its heap is not to be found");
  const { compared, failures } = await runMatrix(20);
  expect(failures).toEqual([]);
  expect(compared).toBeGreaterThan(5 * PAIRS.length);
  const before = tf.getKernelsForBackend("wasm");
  const { replaced, added, left, restore } = await accelerate();
  expect([...replaced, ...added]).toEqual([]);
  expect(left.Conv2D).toBe("its heap is not to be found");
  expect(tf.getKernelsForBackend("wasm")).toEqual(before);
  restore();
});
