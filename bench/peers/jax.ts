import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defaultDevice, init, jit, nn, numpy as np } from "@jax-js/jax";
import { type Contestant, storedShapes } from "../contestant.js";

await init("wasm");
defaultDevice("wasm");

const manifest = new URL("../package.json", import.meta.resolve("@jax-js/jax"));
const { version } = JSON.parse(readFileSync(fileURLToPath(manifest), "utf8"));

/**
 * jax-js on its Wasm backend, the product compiled by `jit`. It is lazy, and its asynchronous way to wait hands the work
 * to a pool of threads; `dataSync` computes on the calling thread, so every run copies its result out.
 */
export const jax: Contestant = {
  name: `jax-js ${version}`,
  prepare() {
    // jax-js asks whether there is a Worker each time it compiles, and onnxruntime-web brings one to Node.
    Reflect.deleteProperty(globalThis, "Worker");
  },
  product(product, operands) {
    const { transposeA, transposeB, fused } = product;
    const shapes = storedShapes(product);
    const a = np.array(operands.a, { shape: shapes.a });
    const b = np.array(operands.b, { shape: shapes.b });
    const bias = np.array(operands.bias, { shape: [product.n] });
    const flip = (x: np.Array) => np.swapaxes(x, -2, -1);
    const multiply = (x: np.Array, y: np.Array) => np.matmul(transposeA ? flip(x) : x, transposeB ? flip(y) : y);
    const plain = jit(multiply);
    const layer = jit((x: np.Array, y: np.Array, z: np.Array) => nn.relu(multiply(x, y).add(z)));
    let out: Float32Array = operands.bias;
    return {
      run: () => {
        // A call uses its operands up, so it gets references of its own.
        out = (fused ? layer(a.ref, b.ref, bias.ref) : plain(a.ref, b.ref)).dataSync() as Float32Array;
      },
      read: () => out,
      dispose: () => {
        for (const held of [plain, layer, a, b, bias]) held.dispose();
      },
    };
  },
};
