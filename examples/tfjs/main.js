// A classifier of handwritten digits in TensorFlow.js, trained by its own RMSProp and then by Lanewise's. Everything
// else stays: one line is another.
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { rmsprop } from "lanewise/tfjs";
import { PIXELS, take } from "./digits.js";

const TRAIN = 4000;
const TEST = 1000;

const { images, labels } = take(0, TRAIN + TEST);

await tf.setBackend("wasm");
const x = tf.tensor2d(images.subarray(0, TRAIN * PIXELS), [TRAIN, PIXELS]);
const y = tf.tensor1d(labels.subarray(0, TRAIN));
const testX = tf.tensor2d(images.subarray(TRAIN * PIXELS), [TEST, PIXELS]);
const testY = tf.tensor1d(labels.subarray(TRAIN));

/** Trains from the same start, in the same order; returns the weights. */
async function train(name, optimizer) {
  const kernelInitializer = tf.initializers.heUniform({ seed: 1 });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 128, activation: "relu", inputShape: [PIXELS], kernelInitializer }),
      tf.layers.dense({ units: 10, activation: "softmax", kernelInitializer }),
    ],
  });
  model.compile({ optimizer, loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });

  let inSteps = 0;
  const applyGradients = optimizer.applyGradients.bind(optimizer);
  optimizer.applyGradients = (gradients) => {
    const start = performance.now();
    applyGradients(gradients);
    inSteps += performance.now() - start;
  };

  const start = performance.now();
  await model.fit(x, y, { epochs: 3, batchSize: 32, shuffle: false, verbose: 0 });
  const total = performance.now() - start;
  const [, accuracy] = model.evaluate(testX, testY);
  console.log(
    `${name}: accuracy ${accuracy.dataSync()[0].toFixed(3)}, fit ${total.toFixed(0)} ms, of which ${inSteps.toFixed(0)} in the optimizer`,
  );
  return model.getWeights().map((weight) => weight.dataSync());
}

const theirs = await train("tf.train.rmsprop", tf.train.rmsprop(1e-3));
const optimizer = rmsprop(1e-3);
const ours = await train("lanewise/tfjs   ", optimizer);
const isSame = ours.every((values, i) => values.every((value, k) => Object.is(value, theirs[i][k])));
console.log(`${optimizer.path}; ${isSame ? "every weight has the same bits" : "weights differ"}`);
if (!isSame) process.exitCode = 1;
