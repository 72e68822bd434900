import type { Layer } from "../../src/nn/index.js";
import { ActivationLayer } from "../../src/nn/layers/activation.js";
import { DenseLayer } from "../../src/nn/layers/dense.js";

/** A network in float64, written for clarity alone: what the float32 one is held against. */
export function forward64(
  layers: readonly Layer[],
  parameters: Record<string, ArrayLike<number>>,
  x: number[],
): number[] {
  let values = x;
  layers.forEach((layer, index) => {
    if (layer instanceof DenseLayer) {
      const weight = parameters[`${index}.weight`]!;
      const bias = parameters[`${index}.bias`];
      const input = values;
      values = Array.from({ length: layer.outputs }, (_, j) =>
        input.reduce((sum, value, i) => sum + value * weight[i * layer.outputs + j]!, bias?.[j] ?? 0),
      );
    } else if (layer instanceof ActivationLayer)
      values = values.map(ACTIVATIONS[layer.function as keyof typeof ACTIVATIONS]);
  });
  return values;
}

const ACTIVATIONS = {
  identity: (x: number) => x,
  relu: (x: number) => Math.max(x, 0),
  tanh: Math.tanh,
  sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
};

/** Mean losses over rows of outputs and targets. */
export const losses64: Record<string, (outputs: number[][], targets: number[][]) => number> = {
  meanSquaredError: elementwise((y, t) => (y - t) ** 2),
  binaryCrossEntropy: elementwise((y, t) => -t * Math.log(y) - (1 - t) * Math.log1p(-y)),
  huber: elementwise((y, t) => (Math.abs(y - t) <= 1 ? (y - t) ** 2 / 2 : Math.abs(y - t) - 0.5)),
  softmaxCrossEntropy: (outputs, targets) => {
    const rows = outputs.map((y, row) => {
      const logSum = Math.log(y.reduce((sum, value) => sum + Math.exp(value), 0));
      return targets[row]!.reduce((sum, t, j) => sum - t * (y[j]! - logSum), 0);
    });
    return rows.reduce((a, b) => a + b) / rows.length;
  },
};

function elementwise(loss: (y: number, t: number) => number) {
  return (outputs: number[][], targets: number[][]) => {
    const all = outputs.flatMap((row, i) => row.map((y, j) => loss(y, targets[i]![j]!)));
    return all.reduce((a, b) => a + b) / all.length;
  };
}
