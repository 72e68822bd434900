// A small convolutional network of TensorFlow.js, trained in a worker on the wasm backend: as it is, and accelerated.
import { Worker } from "node:worker_threads";

/** Trains in a worker of its own and returns what it says. */
function train(accelerated) {
  const worker = new Worker(new URL("cnn-worker.js", import.meta.url), { workerData: { accelerated } });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

const before = await train(false);
console.log(`wasm as it is: ${before.error ?? `accuracy ${before.accuracy.toFixed(3)}`}`);
const { accuracy, milliseconds, replaced, added } = await train(true);
console.log(`accelerated:   accuracy ${accuracy.toFixed(3)} after two epochs of ${milliseconds.toFixed(0)} ms each`);
console.log(`${replaced} kernels were replaced, ${added} were added`);
if (!(accuracy > 0.85)) process.exitCode = 1;
