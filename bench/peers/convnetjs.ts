import convnet from "convnetjs";
import type { Task } from "../../measure/task.js";
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
 * Only training steps, and those on classes only if they end in a dense layer, which is its softmax layer.
 */
export const convnetjs: Contestant = {
  name: "ConvNetJS",
  slow: true,
  network({ widths, activation, batch, byRow }, { layers, x, y }) {
    if (byRow) return undefined;
    const [inputs, outputs] = [widths[0]!, widths.at(-1)!];
    const hidden = widths.slice(1, -1).map((width) => ({ type: "fc", num_neurons: width, activation }));
    const net = makeNet([1, 1, inputs], [...hidden, { type: "regression", num_neurons: outputs }]);
    setWeights(
      net,
      layers.map(({ weight, bias }) => [weight, bias]),
    );
    // Its gradient is that of half the sum of squares where the others' is that of their mean, so outputs / 2 times as long:
    // steps are the same with an eps that is scaled. Its loss is twice the sum.
    const trainer = makeTrainer(net, batch, TRAINING.eps * (outputs / 2) ** 2);
    const volumes = volumesOf([1, 1, inputs], batch, x);
    const targets = volumes.map((_, row) => Array.from(y.subarray(row * outputs, (row + 1) * outputs)));
    return trainOn(trainer, volumes, targets, 0.5 / outputs);
  },
  deep(network, data) {
    const { batch, input, layers, mode } = network;
    if (mode !== "training" || input.length !== 3) return undefined;
    if (outputOf(network).length !== 1) return undefined;
    const shape = input as readonly [number, number, number];
    const definitions = layers.flatMap((layer, i) => definitionOf(layer, i === layers.length - 1));
    const net = makeNet(shape, definitions);
    setWeights(
      net,
      data.weights.filter(({ length }) => length > 0),
    );
    const trainer = makeTrainer(net, batch, TRAINING.eps);
    return trainOn(trainer, volumesOf(shape, batch, data.x), [...data.y], 1);
  },
};

type Shape = readonly [height: number, width: number, depth: number];
type Net = InstanceType<typeof convnet.Net>;
type Trainer = InstanceType<typeof convnet.Trainer>;

function makeNet([height, width, depth]: Shape, definitions: readonly object[]): Net {
  const net = new convnet.Net();
  net.makeLayers([{ type: "input", out_sx: width, out_sy: height, out_depth: depth }, ...definitions]);
  return net;
}

/** Writes a weight [taps, filters] and a bias into each layer that has them. */
function setWeights(net: Net, weights: readonly (readonly Float32Array[])[]): void {
  const filtered = (net.layers as Filters[]).filter(({ filters }) => filters !== undefined);
  for (const [i, [weight, bias]] of weights.entries()) {
    const { filters, biases } = filtered[i]!;
    const count = filters!.length;
    for (const [f, { w }] of filters!.entries()) {
      for (let j = 0; j < w.length; j++) w[j] = weight![j * count + f]!;
      biases!.w[f] = bias![f]!;
    }
  }
}

function makeTrainer(net: Net, batch: number, eps: number): Trainer {
  const { learningRate, decay } = TRAINING;
  return new convnet.Trainer(net, {
    method: "windowgrad",
    learning_rate: learningRate,
    ro: decay,
    eps,
    batch_size: batch,
    momentum: 0,
  });
}

function volumesOf([height, width, depth]: Shape, batch: number, x: Float32Array): Volume[] {
  const size = height * width * depth;
  return Array.from({ length: batch }, (_, row) => {
    const volume = new convnet.Vol(width, height, depth, 0) as Volume;
    volume.w.set(x.subarray(row * size, (row + 1) * size));
    return volume;
  });
}

/** A step on a batch; the loss is the mean of the trainer's, times `scale`. */
function trainOn(trainer: Trainer, volumes: readonly Volume[], targets: readonly unknown[], scale: number): Task {
  let loss = Number.NaN;
  return {
    run: () => {
      loss = 0;
      for (const [row, volume] of volumes.entries()) loss += trainer.train(volume, targets[row]).loss;
    },
    read: () => Float32Array.of((loss * scale) / volumes.length),
    dispose: () => {},
  };
}

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
