import { parentPort, workerData } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { accelerate, rmsprop } from "lanewise/tfjs";
import { take } from "./digits.js";

const [train, test] = [take(0, 2000), take(2000, 500)].map(({ images, labels }) => ({
  x: [images, [labels.length, 28, 28, 1]],
  y: labels,
}));

try {
  await tf.setBackend("wasm");
  const report = workerData.accelerated ? await accelerate() : { replaced: [], added: [] };

  // From here on it is a program that knows nothing of Lanewise but its optimizer.
  const kernelInitializer = tf.initializers.heUniform({ seed: 1 });
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        filters: 8,
        kernelSize: 3,
        activation: "relu",
        inputShape: [28, 28, 1],
        kernelInitializer,
      }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: "relu", kernelInitializer }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 10, activation: "softmax", kernelInitializer }),
    ],
  });
  model.compile({ optimizer: rmsprop(1e-3), loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
  const start = performance.now();
  await model.fit(tf.tensor(...train.x), tf.tensor1d(train.y), {
    epochs: 2,
    batchSize: 32,
    shuffle: false,
    verbose: 0,
  });
  const milliseconds = (performance.now() - start) / 2;
  const [, accuracy] = model.evaluate(tf.tensor(...test.x), tf.tensor1d(test.y));
  parentPort.postMessage({
    accuracy: accuracy.dataSync()[0],
    milliseconds,
    replaced: report.replaced.length,
    added: report.added.length,
  });
} catch (error) {
  parentPort.postMessage({ error: error.message });
}
