/// <reference types="vite/client" />
import * as tf from "@tensorflow/tfjs";
import { getThreadsCount, setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import plain from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm?url";
import simd from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm?url";
import threaded from "@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.wasm?url";
import { accelerate, rmsprop } from "lanewise/tfjs";
import { classify, type Digits } from "../digits.js";
import { compareLayers, FEW_LAYERS } from "../layers.js";
import { runMatrix } from "../matrix.js";

setWasmPaths({
  "tfjs-backend-wasm.wasm": plain,
  "tfjs-backend-wasm-simd.wasm": simd,
  "tfjs-backend-wasm-threaded-simd.wasm": threaded,
});

interface Wasm {
  HEAPU8: Uint8Array;
  PThread?: { unusedWorkers: { loaded?: boolean }[] };
}

/** What the test asks of a page, by what it is of TensorFlow.js's that runs. */
const page = {
  async start(backend: string, threads: boolean) {
    if (threads) setThreadsCount(2);
    else tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    const isThere = await tf.setBackend(backend).catch(() => false);
    const { wasm } = tf.backend() as { wasm?: Wasm };
    const heap = wasm?.HEAPU8.buffer;
    // A kernel that has to wait for a worker blocks the page, and a blocked page starts no workers.
    const isStarting = () => wasm?.PThread?.unusedWorkers.some(({ loaded }) => !loaded);
    while (isStarting()) await new Promise((resolve) => setTimeout(resolve, 50));
    return {
      isThere,
      path: isThere ? rmsprop(1).path : "",
      isShared: typeof SharedArrayBuffer !== "undefined" && heap instanceof SharedArrayBuffer,
      threads: backend === "wasm" ? getThreadsCount() : 1,
    };
  },
  runMatrix,
  async accelerated() {
    const { replaced, added, left } = await accelerate();
    return { kernels: replaced.length + added.length, left, ...(await compareLayers(FEW_LAYERS)) };
  },
  async classify(train: number[][], test: number[][]) {
    const digits = ([images, labels]: number[][]): Digits => ({
      images: Float32Array.from(images!),
      labels: Int32Array.from(labels!),
    });
    const run = async (optimizer: tf.Optimizer) => {
      const { accuracy, weights } = await classify("dense", optimizer, digits(train), digits(test), 2);
      return { accuracy, weights: Array.from(weights) };
    };
    return [await run(rmsprop(1e-3)), await run(tf.train.rmsprop(1e-3))];
  },
};

declare global {
  var tests: typeof page;
}
globalThis.tests = page;
