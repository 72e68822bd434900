import convnet from "convnetjs";
import { type Contestant, TRAINING } from "../contestant.js";
import { type DeepLayer, outputOf } from "../deep.js";

/** Numbers of a volume, row by row with the channels last. */
interface Volume {
  readonly w: Float64Array;
}

/** The layers of ConvNetJS that have weights. */
interface Filters {
  readonly filters?: readonly Volume[];
  readonly biases?: Volume;
}

/**
 * ConvNetJS: a sample at a time, in float64. Its "windowgrad" is RMSProp, and its trainer divides by the batch size.
 * Only training steps that end in a dense layer, which is its softmax layer.
 */
export const convnetjs: Contestant = {
  name: "ConvNetJS",
  slow: true,
  deep(network, data) {
    const { batch, input, layers, mode } = network;
    if (mode !== "training" || input.length !== 3) return undefined;
    const [height, width, depth] = input as [number, number, number];
    const definitions = layers.flatMap((layer, i) => definitionOf(layer, i === layers.length - 1));
    const net = new convnet.Net();
    net.makeLayers([{ type: "input", out_sx: width, out_sy: height, out_depth: depth }, ...definitions]);
    const filtered = (net.layers as Filters[]).filter(({ filters }) => filters !== undefined);
    for (const [i, [weight, bias]] of data.weights.filter(({ length }) => length > 0).entries()) {
      const { filters, biases } = filtered[i]!;
      const count = filters!.length;
      for (const [f, { w }] of filters!.entries()) {
        for (let j = 0; j < w.length; j++) w[j] = weight![j * count + f]!;
        biases!.w[f] = bias![f]!;
      }
    }
    const { learningRate, decay, eps } = TRAINING;
    const trainer = new convnet.Trainer(net, {
      method: "windowgrad",
      learning_rate: learningRate,
      ro: decay,
      eps,
      batch_size: batch,
      momentum: 0,
    });
    const size = height * width * depth;
    const volumes = Array.from({ length: batch }, (_, row) => {
      const volume = new convnet.Vol(width, height, depth, 0) as Volume;
      volume.w.set(data.x.subarray(row * size, (row + 1) * size));
      return volume;
    });
    if (outputOf(network).length !== 1) return undefined;
    let loss = Number.NaN;
    return {
      run: () => {
        loss = 0;
        for (const [row, volume] of volumes.entries()) loss += trainer.train(volume, data.y[row]).loss / batch;
      },
      read: () => Float32Array.of(loss),
      dispose: () => {},
    };
  },
};

function definitionOf(layer: DeepLayer, isLast: boolean): object[] {
  switch (layer.kind) {
    case "conv2d":
      return [{ type: "conv", sx: 3, filters: layer.filters, stride: 1, pad: 1, activation: "relu" }];
    case "maxPool2d":
      return [{ type: "pool", sx: 2, stride: 2 }];
    case "dense":
      if (isLast) return [{ type: "softmax", num_classes: layer.outputs }];
      return [{ type: "fc", num_neurons: layer.outputs, ...(layer.relu && { activation: "relu" }) }];
    case "flatten":
      return [];
    default:
      throw new Error(`ConvNetJS has no ${layer.kind}`);
  }
}
