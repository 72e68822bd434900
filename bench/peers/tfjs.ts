import "@tensorflow/tfjs-backend-cpu";
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // Brings the gradients.
import { STEP } from "../../measure/task.js";
import { type Contestant, type Method, storedShapes, TRAINING } from "../contestant.js";
import { deepTask } from "./tfjs-deep.js";

setThreadsCount(1);
tf.enableProdMode();

/** TensorFlow.js on one of its backends. Results stay in the backend's heap until they are read. */
export function tfjs(backend: "wasm" | "cpu"): Contestant {
  return {
    name: `tfjs-${backend} ${tf.version_core}`,
    slow: backend === "cpu",
    async prepare() {
      if (tf.getBackend() !== backend) await tf.setBackend(backend);
    },
    product(product, operands) {
      const { transposeA, transposeB, fused } = product;
      const shapes = storedShapes(product);
      const a: tf.Tensor = tf.tensor(operands.a, shapes.a);
      const b: tf.Tensor = tf.tensor(operands.b, shapes.b);
      const bias = tf.tensor1d(operands.bias);
      let out: tf.Tensor | undefined;
      return {
        run: () => {
          out?.dispose();
          out = fused
            ? tf.fused.matMul({ a, b, transposeA, transposeB, bias, activation: "relu" })
            : tf.matMul(a, b, transposeA, transposeB);
        },
        read: () => out!.dataSync<"float32">(),
        dispose: () => tf.dispose([a, b, bias, ...(out ? [out] : [])]),
      };
    },
    step(method, parameters, gradients) {
      const optimizer = method.tensors === undefined ? optimizerOf(method) : undefined;
      if (optimizer === undefined) return undefined;
      // A variable may go on using the array it is made of.
      const p = tf.variable(tf.tensor1d(parameters.slice()));
      const g = tf.tensor1d(gradients);
      const named = { [p.name]: g };
      return {
        run: () => optimizer.applyGradients(named),
        read: () => p.dataSync<"float32">(),
        dispose: () => {
          optimizer.dispose();
          tf.dispose([p, g]);
        },
      };
    },
    deep: deepTask,
    network({ widths, activation, batch, byRow }, data) {
      if (byRow) return undefined;
      const layers = data.layers.map(({ weight, bias }, i) => ({
        weight: tf.variable(tf.tensor2d(weight.slice(), [widths[i]!, widths[i + 1]!])),
        bias: tf.variable(tf.tensor1d(bias.slice())),
      }));
      const x = tf.tensor2d(data.x, [batch, widths[0]!]);
      const y = tf.tensor2d(data.y, [batch, widths.at(-1)!]);
      const { learningRate, decay, eps } = TRAINING;
      const optimizer = tf.train.rmsprop(learningRate, decay, 0, eps);
      const variables = layers.flatMap(({ weight, bias }) => [weight, bias]);
      const meanSquaredError = (): tf.Scalar => {
        let values: tf.Tensor = x;
        layers.forEach(({ weight, bias }, i) => {
          const hidden = i < layers.length - 1;
          const relu = hidden && activation === "relu";
          values = tf.fused.matMul({ a: values, b: weight, bias, activation: relu ? "relu" : "linear" });
          if (hidden && !relu) values = tf.tanh(values);
        });
        return tf.mean(tf.squaredDifference(values, y));
      };
      let loss = Number.NaN;
      return {
        run: () => {
          const cost = optimizer.minimize(meanSquaredError, true, variables)!;
          loss = cost.dataSync()[0]!;
          cost.dispose();
        },
        read: () => Float32Array.of(loss),
        dispose: () => {
          optimizer.dispose();
          tf.dispose([x, y, ...variables]);
        },
      };
    },
  };
}

function optimizerOf({ rule, centered, momentum: hasMomentum }: Method): tf.Optimizer | undefined {
  const { learningRate, decay, momentum, eps, centeredEps } = STEP;
  switch (rule) {
    case "lanewise":
      // The centered form takes its epsilon off the variance instead of adding it.
      return tf.train.rmsprop(learningRate, decay, hasMomentum ? momentum : 0, centered ? -centeredEps : eps, centered);
    case "sgd":
      return hasMomentum ? tf.train.momentum(learningRate, momentum) : tf.train.sgd(learningRate);
    default:
      return undefined;
  }
}
