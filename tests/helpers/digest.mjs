// Trains a small network for 200 steps with the built package and prints what computed it and a hash of all that came
// out. Plain JavaScript on the built files, so that any runtime can be told to run it:
//   node digest.mjs [wasm|js|auto] [threads]
import { createHash } from "node:crypto";
import { createCore, matmul, RMSProp } from "../../dist/default/index.js";
import {
  dense,
  dropout,
  relu,
  Sequential,
  sigmoid,
  softmaxCrossEntropy,
  Trainer,
  tanh,
} from "../../dist/default/nn.js";

const core = await createCore({ backend: process.argv[2] ?? "auto", threads: Number(process.argv[3] ?? 1) });
const hash = createHash("sha256");
const add = (values) => hash.update(new Uint8Array(Float32Array.from(values).buffer));

const model = new Sequential(
  core,
  [dense(13, 21), tanh(), dropout(0.2), dense(21, 17), relu(), dense(17, 9), sigmoid(), dense(9, 5)],
  { seed: 7 },
);
const options = {
  learningRate: 3e-3,
  momentum: 0.5,
  nesterov: true,
  centered: true,
  eps: 1e-6,
  weightDecay: 1e-3,
  globalClipNorm: 1,
};
const trainer = new Trainer(model, {
  loss: softmaxCrossEntropy(),
  optimizer: (parameters) => new RMSProp(core, parameters, options),
  seed: 3,
});
const x = core.tensor([37, 13], (i) => Math.fround(((i * 7919) % 2003) / 1001 - 1));
const y = Uint8Array.from({ length: 37 }, (_, i) => (i * i) % 5);
const losses = [];
for (let step = 0; step < 200; step++) losses.push(trainer.step(x, y));
add(losses);
for (const { data } of Object.values(model.parameters)) add(data);
add(matmul(x, x, { transposeB: true, activation: "tanh" }).data);
console.log(
  JSON.stringify({ backend: core.backend, reason: core.reason, loss: losses.at(-1), digest: hash.digest("hex") }),
);
