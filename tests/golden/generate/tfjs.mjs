// Drives tf.train.rmsprop for tfjs_.py: a request a line in, an answer a line out. Arrays are hexadecimal bit patterns.
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import { createInterface } from "node:readline";
import * as tf from "@tensorflow/tfjs-core";

let optimizer;
let variables = {};

const requests = {
  version: () => tf.version_core,

  async start({ backend, options, values }) {
    await tf.setBackend(backend);
    tf.disposeVariables();
    const { learningRate, decay, momentum, epsilon, centered } = options;
    optimizer = tf.train.rmsprop(learningRate, decay, momentum, epsilon, centered);
    variables = mapValues(values, (hex, name) => tf.variable(tensorFrom(hex), true, name));
  },

  step({ gradients, learningRate }) {
    if (learningRate !== null) optimizer.learningRate = learningRate;
    optimizer.applyGradients(mapValues(gradients, (hex) => hex && tensorFrom(hex)));
  },

  read() {
    const { accumulatedMeanSquares, accumulatedMoments, accumulatedMeanGrads } = optimizer;
    return Object.values(
      mapValues(variables, (variable, _, index) => ({
        parameter: hexOf(variable),
        squareAverage: hexOf(accumulatedMeanSquares[index].variable),
        momentumBuffer: hexOf(accumulatedMoments[index].variable),
        ...(optimizer.centered && { gradientAverage: hexOf(accumulatedMeanGrads[index].variable) }),
      })),
    );
  },

  async save() {
    const weights = await optimizer.getWeights();
    return weights.map(({ name, tensor }) => ({
      name,
      dtype: tensor.dtype,
      shape: tensor.shape,
      data: tensor.dtype === "float32" ? hexOf(tensor) : Array.from(tensor.dataSync()),
    }));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { request, ...argument } = JSON.parse(line);
  console.log(JSON.stringify((await requests[request](argument)) ?? null));
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value], index) => [key, change(value, key, index)]));
}

function tensorFrom(hex) {
  const bits = Uint32Array.from(hex.match(/.{8}/g), (digits) => Number.parseInt(digits, 16));
  return tf.tensor1d(new Float32Array(bits.buffer));
}

function hexOf(tensor) {
  const bits = new Uint32Array(Float32Array.from(tensor.dataSync()).buffer);
  return Array.from(bits, (word) => word.toString(16).padStart(8, "0")).join("");
}
