import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { accelerate, rmsprop } from "lanewise/tfjs";
const kind = process.argv[2] ?? "dense", backend = process.argv[3] ?? "wasm", acc = process.argv[4] === "acc";
await tf.setBackend(backend);
if (acc) console.log(await accelerate());
function model() {
  const m2 = tf.sequential();
  if (kind === "dense") {
    m2.add(tf.layers.dense({ units: 128, activation: "relu", inputShape: [784] }));
  }
  if (kind === "dense2") {
    m2.add(tf.layers.dense({ units: 256, activation: "relu", inputShape: [784] }));
    m2.add(tf.layers.dense({ units: 128, activation: "relu" }));
  }
  if (kind === "lstm") {
    m2.add(tf.layers.embedding({ inputDim: 1e3, outputDim: 32, inputLength: 20 }));
    m2.add(tf.layers.lstm({ units: 32 }));
  }
  if (kind === "embed") {
    m2.add(tf.layers.embedding({ inputDim: 5e3, outputDim: 32, inputLength: 20 }));
    m2.add(tf.layers.globalAveragePooling1d({}));
  }
  if (kind === "bn") {
    m2.add(tf.layers.dense({ units: 64, inputShape: [784] }));
    m2.add(tf.layers.batchNormalization());
    m2.add(tf.layers.layerNormalization());
  }
  m2.add(tf.layers.dense({ units: 10, activation: "softmax" }));
  m2.compile({ optimizer: rmsprop(1e-3), loss: "categoricalCrossentropy", metrics: ["accuracy"] });
  return m2;
}
const n = 2048;
const m = model();
const ids = kind === "lstm" || kind === "embed";
const x = ids ? tf.floor(tf.randomUniform([n, 20], 0, 1e3)) : tf.randomUniform([n, 784]);
const y = tf.oneHot(tf.randomUniform([n], 0, 10, "int32"), 10).toFloat();
await m.fit(x, y, { epochs: 1, batchSize: 32, verbose: 0 });
const EP = +(process.argv[5] ?? 3);
let best = Infinity;
for (let i = 0; i < EP; i++) {
  const t2 = performance.now();
  await m.fit(x, y, { epochs: 1, batchSize: 32, verbose: 0 });
  best = Math.min(best, performance.now() - t2);
}
console.log(kind, backend, acc, best.toFixed(0), "ms an epoch of 64 batches of 32");
const p = /* @__PURE__ */ new Map();
for (const k of tf.getKernelsForBackend(backend)) {
  const f = k.kernelFunc;
  k.kernelFunc = (a) => {
    const t2 = performance.now();
    const r = f(a);
    const e = p.get(k.kernelName) ?? [0, 0];
    e[0]++;
    e[1] += performance.now() - t2;
    p.set(k.kernelName, e);
    return r;
  };
}
const t = performance.now();
await m.fit(x, y, { epochs: 1, batchSize: 32, verbose: 0 });
const total = performance.now() - t;
let sum = 0;
for (const [, [, ms]] of p) sum += ms;
console.log("total", total.toFixed(0), "in kernels", sum.toFixed(0));
for (const [k, [c, ms]] of [...p].sort((a, b) => b[1][1] - a[1][1]).slice(0, 16)) console.log(k.padEnd(24), (c / 64).toFixed(1), ms.toFixed(1), (ms / c * 1e3).toFixed(1) + "us");
