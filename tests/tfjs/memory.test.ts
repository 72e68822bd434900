import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { rmsprop } from "lanewise/tfjs";
import { expect, it } from "vitest";
import { randomValues } from "../helpers/random.js";

it.each(["cpu", "wasm"])(
  "%s: memory is as it was after 10,000 steps, and after optimizers come and go",
  async (backend) => {
    await tf.setBackend(backend);
    const w = tf.variable(tf.tensor2d(randomValues(600, 1), [30, 20]));
    const x = tf.tensor2d(randomValues(240, 2), [8, 30]);
    const loss = () =>
      x
        .matMul(w as tf.Tensor2D)
        .square()
        .mean() as tf.Scalar;
    const optimizer = rmsprop({ learningRate: 1e-3, momentum: 0.9, centered: true, globalClipNorm: 1 });
    const heap = (): number => {
      const { wasm } = tf.backend() as unknown as { wasm?: { HEAPU8: Uint8Array } };
      return wasm?.HEAPU8.byteLength ?? 0;
    };
    const run = (steps: number) => {
      for (let step = 0; step < steps; step++) optimizer.minimize(loss);
      return { ...tf.memory(), heap: heap() };
    };
    const before = run(100);
    expect(run(10_000)).toEqual(before);
    const made = () => {
      const other = rmsprop(1e-3);
      other.minimize(loss);
      other.dispose();
    };
    for (let i = 0; i < 1000; i++) made();
    expect({ ...tf.memory(), heap: heap() }).toEqual(before);
    // Models that come and go under one optimizer.
    for (let i = 0; i < 300; i++) {
      const v = tf.tidy(() => tf.variable(tf.tensor1d(randomValues(20_000, i))));
      optimizer.minimize(() => v.square().mean() as tf.Scalar, false, [v]);
      v.dispose();
    }
    optimizer.minimize(loss);
    const after = { ...tf.memory(), heap: heap() };
    expect(after.heap - before.heap).toBeLessThan(2_000_000);
    expect(after.numTensors - before.numTensors).toBeLessThan(5); // the last one's state goes when another comes
    optimizer.dispose();
    tf.dispose([w, x]);
  },
);
