import brainJs from "brain.js";
import { type Contestant, ROW_LEARNING_RATE } from "../contestant.js";

/** brain.js: a step of SGD after each row, on half the squared error, with the activation after the last layer, too. */
export const brain: Contestant = {
  name: "brain.js",
  slow: true,
  network({ widths, activation, byRow, batch }, { layers, x, y }) {
    if (!byRow) return undefined;
    const [inputs, outputs] = [widths[0]!, widths.at(-1)!];
    // The mean of squared errors has a slope 2 / outputs times as steep.
    const learningRate = (ROW_LEARNING_RATE * 2) / outputs;
    // It takes no momentum of 0.
    const network = new brainJs.NeuralNetwork({ activation, learningRate, momentum: 1e-12 });
    network.sizes = [...widths];
    network.initialize();
    for (const [i, { weight, bias }] of layers.entries()) {
      network.biases[i + 1]!.set(bias);
      for (const [node, weights] of network.weights[i + 1]!.entries()) {
        for (let k = 0; k < weights.length; k++) weights[k] = weight[k * bias.length + node]!;
      }
    }
    const rows = Array.from({ length: batch }, (_, i) => ({
      input: x.subarray(i * inputs, (i + 1) * inputs),
      output: y.subarray(i * outputs, (i + 1) * outputs),
    }));
    let loss = Number.NaN;
    return {
      run: () => {
        loss = rows.reduce((sum, row) => sum + network.trainPattern(row, true), 0) / batch;
      },
      read: () => Float32Array.of(loss),
      dispose: () => {},
    };
  },
};
