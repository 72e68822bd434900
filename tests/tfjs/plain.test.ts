import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs";
import { setWasmPath } from "@tensorflow/tfjs-backend-wasm";
import { accelerate, rmsprop } from "lanewise/tfjs";
import { expect, it } from "vitest";
import { compareLayers, FEW_LAYERS } from "./layers.js";
import { PAIRS, runMatrix } from "./matrix.js";

it("the build of the wasm backend without SIMD: the same bits, in its heap", async () => {
  setWasmPath(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm"));
  expect(await tf.setBackend("wasm")).toBe(true);
  expect(rmsprop(1).path).toBe("wasm: simd kernels in TensorFlow.js's own heap, nothing is copied");
  const { compared, failures } = await runMatrix(20);
  expect(failures).toEqual([]);
  expect(compared).toBeGreaterThan(5 * PAIRS.length);
  const { restore } = await accelerate();
  expect(await compareLayers(FEW_LAYERS)).toEqual({ compared: FEW_LAYERS.length, failures: [] });
  restore();
});
