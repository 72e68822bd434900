import * as tf from "@tensorflow/tfjs-core";
import type { Task } from "../../measure/task.js";
import { TRAINING } from "../contestant.js";
import { type DeepData, type DeepLayer, type DeepNetwork, outputOf, weightShapes } from "../deep.js";

/** The networks of bench/deep.ts in TensorFlow.js. */
export function deepTask(network: DeepNetwork, data: DeepData): Task {
  const { batch, input, layers, mode } = network;
  const shapes = weightShapes(network);
  const weights = data.weights.map((arrays, i) =>
    arrays.map((array, j) => tf.variable(tf.tensor(array.slice(), [...shapes[i]![j]!]))),
  );
  const variables = weights.flat();
  const isEmbedded = layers[0]!.kind === "embedding";
  const x = tf.tensor(data.x, [batch, ...input], isEmbedded ? "int32" : "float32");
  const forward = (from: tf.Tensor): tf.Tensor =>
    layers.reduce((values, layer, i) => apply(layer, values, weights[i]!), from);
  const output = outputOf(network);
  const classes = output.at(-1)!;
  const kept: { value: tf.Tensor[] } = { value: [] };
  const keep = (values: tf.Tensor[]) => {
    tf.dispose(kept.value);
    kept.value = values;
  };
  const all: tf.Tensor[] = [x, ...variables];
  const dispose = () => {
    keep([]);
    tf.dispose(all);
  };
  if (mode === "forward") {
    return { run: () => keep([tf.tidy(() => forward(x))]), read: () => kept.value[0]!.dataSync<"float32">(), dispose };
  }
  if (mode === "gradients") {
    const dy = tf.tensor(data.y, [batch, ...output]);
    all.push(dy);
    // Variables have gradients: so does x as one.
    const from = tf.variable(x);
    all.push(from);
    const sum = (): tf.Scalar => tf.sum(tf.mul(forward(from), dy));
    const run = () => {
      const { value, grads } = tf.variableGrads(sum, [from, ...variables]);
      keep([value, grads[variables[0]!.name]!, ...Object.values(grads)]);
    };
    return { run, read: () => kept.value[1]!.dataSync<"float32">(), dispose };
  }
  const { learningRate, decay, eps } = TRAINING;
  const optimizer = tf.train.rmsprop(learningRate, decay, 0, eps);
  const targets = tf.oneHot(tf.tensor1d(data.y, "int32"), classes);
  all.push(targets);
  const lossOf = (): tf.Scalar => {
    const logProbabilities = tf.logSoftmax(tf.reshape(forward(x), [-1, classes]));
    return tf.neg(tf.mean(tf.sum(tf.mul(logProbabilities, targets), -1)));
  };
  let loss = Number.NaN;
  return {
    run: () => {
      const cost = optimizer.minimize(lossOf, true, variables)!;
      loss = cost.dataSync()[0]!;
      cost.dispose();
    },
    read: () => Float32Array.of(loss),
    dispose: () => {
      optimizer.dispose();
      dispose();
    },
  };
}

function apply(layer: DeepLayer, x: tf.Tensor, weights: readonly tf.Tensor[]): tf.Tensor {
  const [kernel, second, third] = weights;
  switch (layer.kind) {
    case "conv2d":
      return tf.relu(tf.add(tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same"), second!));
    case "depthwiseConv2d":
      return tf.relu(tf.add(tf.depthwiseConv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same"), second!));
    case "maxPool2d":
      return tf.maxPool(x as tf.Tensor4D, 2, 2, "valid");
    case "flatten":
      return tf.reshape(x, [x.shape[0]!, -1]);
    case "dense": {
      const y = tf.add(tf.matMul(tf.reshape(x, [-1, x.shape.at(-1)!]), kernel!), second!);
      return tf.reshape(layer.relu ? tf.relu(y) : y, [...x.shape.slice(0, -1), layer.outputs]);
    }
    case "embedding":
      return tf.gather(kernel!, x);
    default:
      return unroll(layer.kind, layer.units, x as tf.Tensor3D, kernel!, second!, third!);
  }
}

/** As TensorFlow.js's own layers do it: the input products at once, then a step at a time. */
function unroll(
  kind: "lstm" | "gru",
  units: number,
  x: tf.Tensor3D,
  kernel: tf.Tensor,
  recurrent: tf.Tensor,
  bias: tf.Tensor,
): tf.Tensor {
  const [batch, steps, inputs] = x.shape;
  const [own, ofState] = kind === "gru" ? tf.unstack(bias) : [bias];
  const products = tf.reshape(tf.add(tf.matMul(tf.reshape(x, [-1, inputs]), kernel), own!), [batch, steps, -1]);
  let h: tf.Tensor = tf.zeros([batch, units]);
  let c: tf.Tensor = h;
  const outputs = tf.unstack(products, 1).map((product) => {
    const state = tf.matMul(h, recurrent);
    if (kind === "lstm") {
      const [i, f, g, o] = tf.split(tf.add(product, state), 4, 1);
      c = tf.add(tf.mul(tf.sigmoid(f!), c), tf.mul(tf.sigmoid(i!), tf.tanh(g!)));
      h = tf.mul(tf.sigmoid(o!), tf.tanh(c));
    } else {
      const [xz, xr, xh] = tf.split(product, 3, 1);
      const [hz, hr, hh] = tf.split(tf.add(state, ofState!), 3, 1);
      const z = tf.sigmoid(tf.add(xz!, hz!));
      const candidate = tf.tanh(tf.add(xh!, tf.mul(tf.sigmoid(tf.add(xr!, hr!)), hh!)));
      h = tf.add(tf.mul(z, h), tf.mul(tf.sub(1, z), candidate));
    }
    return h;
  });
  return tf.stack(outputs, 1);
}
