// LSTM, GRU and simple RNN of TensorFlow.js on its CPU backend, forward and gradients, in float32. As in recurrent.py,
// whose layouts these are; its gates' default activation is hardSigmoid with slope 0.2, its GRU resets before the product.
import "@tensorflow/tfjs-backend-cpu";
import { writeFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";

const [batch, steps, inputs, units] = [3, 5, 4, 3];
const GATES = { lstm: 4, gru: 3, simpleRnn: 1 };
const MAKE = { lstm: layers.layers.lstm, gru: layers.layers.gru, simpleRnn: layers.layers.simpleRNN };

/** mulberry32, multiples of 2⁻⁸ in [−1, 1]. */
function source(seed) {
  let state = seed >>> 0;
  return (count) =>
    Array.from({ length: count }, () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let z = Math.imul(state ^ (state >>> 15), state | 1);
      z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
      return Math.round((((z ^ (z >>> 14)) >>> 0) / 2 ** 31 - 1) * 256) / 256;
    });
}

function run(name, cell, options, seed) {
  const n = GATES[cell] * units;
  const next = source(seed);
  const everyStep = options.returnSequences === true;
  const x = next(batch * steps * inputs);
  const weights = { kernel: next(inputs * n), recurrent: next(units * n), bias: next(n) };
  const dy = next(batch * (everyStep ? steps : 1) * units);
  // The weights are set below: the default start values take operations that are not loaded here.
  const layer = MAKE[cell]({ units, recurrentInitializer: "glorotUniform", ...options });
  const input = tf.tensor3d(x, [batch, steps, inputs]);
  layer.apply(input);
  const shapes = { kernel: [inputs, n], recurrent: [units, n], bias: [n] };
  layer.setWeights(Object.entries(weights).map(([key, values]) => tf.tensor(values, shapes[key])));
  const variables = layer.trainableWeights.map((weight) => weight.read());
  const y = layer.apply(input);
  const scalar = (value) => tf.sum(tf.mul(value, tf.tensor(dy, y.shape)));
  const [dx] = tf.grads((value) => scalar(layer.apply(value)))([input]);
  const { grads } = tf.variableGrads(() => scalar(layer.apply(input)), variables);
  const gradients = Object.keys(weights).map((key, i) => [key, Array.from(grads[variables[i].name].dataSync())]);
  return {
    name,
    cell,
    options: { ...(cell === "gru" && { resetAfter: false }), ...options },
    ...{ batch, steps, inputs, units, x, weights, dy },
    y: Array.from(y.dataSync()),
    dx: Array.from(dx.dataSync()),
    gradients: Object.fromEntries(gradients),
  };
}

await tf.setBackend("cpu");
const cases = [];
for (const cell of Object.keys(GATES)) {
  const add = (name, options) => cases.push(run(`${cell} ${name}`, cell, options, cases.length + 500));
  const gates = cell === "simpleRnn" ? {} : { recurrentActivation: "hardSigmoid" };
  add("every step", { returnSequences: true, ...gates });
  add("last step", gates);
  add("backwards", { returnSequences: true, goBackwards: true, ...gates });
  if (cell !== "simpleRnn") add("sigmoid", { returnSequences: true, recurrentActivation: "sigmoid" });
}
const text = JSON.stringify({ framework: "TensorFlow.js", version: tf.version_core, cases });
const folder = process.env.GOLDEN_VECTORS ?? new URL("../vectors", import.meta.url).pathname;
writeFileSync(`${folder}/recurrent-tfjs.json`, `${text.replaceAll('{"name"', '\n{"name"')}\n`);
console.log(`${folder}/recurrent-tfjs.json`, cases.length, "cases");
