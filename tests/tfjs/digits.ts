import * as tf from "@tensorflow/tfjs";

/** Images of 28 × 28 gray values in [0, 1], and the digit of each. */
export interface Digits {
  images: Float32Array;
  labels: Int32Array;
}

const layers = {
  dense: () => [
    tf.layers.flatten({ inputShape: [28, 28, 1] }),
    tf.layers.dense({ units: 64, activation: "relu", kernelInitializer: tf.initializers.heUniform({ seed: 1 }) }),
    tf.layers.dense({ units: 10, activation: "softmax", kernelInitializer: tf.initializers.heUniform({ seed: 2 }) }),
  ],
  convolutional: () => [
    tf.layers.averagePooling2d({ inputShape: [28, 28, 1], poolSize: 2 }),
    tf.layers.conv2d({
      filters: 6,
      kernelSize: 3,
      strides: 2,
      activation: "relu",
      kernelInitializer: tf.initializers.heUniform({ seed: 3 }),
    }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 10, activation: "softmax", kernelInitializer: tf.initializers.heUniform({ seed: 4 }) }),
  ],
};

export type ModelName = keyof typeof layers;

/** Trains a classifier, from the same weights and in the same order each time; how it does with digits it has not seen. */
export async function classify(
  name: ModelName,
  optimizer: tf.Optimizer,
  train: Digits,
  test: Digits,
  epochs: number,
): Promise<{ accuracy: number; loss: number; weights: Float32Array; milliseconds: number }> {
  const model = tf.sequential({ layers: layers[name]() });
  model.compile({ optimizer, loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
  const tensors = [train, test].flatMap(({ images, labels }) => [
    tf.tensor4d(images, [labels.length, 28, 28, 1]),
    tf.tensor1d(Float32Array.from(labels)),
  ]);
  const [x, y, testX, testY] = tensors as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const start = performance.now();
  const { history } = await model.fit(x, y, { epochs, batchSize: 32, shuffle: false, verbose: 0 });
  const milliseconds = performance.now() - start;
  const [loss, accuracy] = (model.evaluate(testX, testY) as tf.Scalar[]).map((scalar) => scalar.dataSync()[0]!);
  const weights = Float32Array.from(model.getWeights().flatMap((weight) => Array.from(weight.dataSync())));
  tf.dispose(tensors);
  model.dispose();
  optimizer.dispose();
  if (history.loss!.length !== epochs) throw new Error("fit ended early");
  return { accuracy: accuracy!, loss: loss!, weights, milliseconds };
}

/** The first `count` digits of a set in which they take turns, from `from` on. */
export function take(sets: readonly { raw: readonly number[] }[], from: number, count: number): Digits {
  const pixels = 28 * 28;
  const images = new Float32Array(count * pixels);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const at = Math.floor((from + i) / sets.length) * pixels;
    labels[i] = (from + i) % sets.length;
    images.set(sets[labels[i]!]!.raw.slice(at, at + pixels), i * pixels);
  }
  return { images, labels };
}
