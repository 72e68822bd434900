// Networks of convolutional and recurrent layers: what they are, and the same work for everybody.
import type { Core } from "lanewise";
import type { Task } from "../measure/task.js";
import { Random } from "../src/random.js";
import { TRAINING } from "./contestant.js";

/** A layer; convolutions have 3 × 3 kernels, padding "same" and relu, recurrent layers return every step. */
export type DeepLayer =
  | { readonly kind: "conv2d"; readonly filters: number }
  | { readonly kind: "depthwiseConv2d" | "maxPool2d" | "flatten" }
  | { readonly kind: "dense"; readonly outputs: number; readonly relu: boolean }
  | { readonly kind: "embedding"; readonly count: number; readonly width: number }
  | { readonly kind: "lstm" | "gru"; readonly units: number };

/** `forward`: y; `gradients`: y, then dx and those of the weights; `training`: a step of RMSProp on softmax cross-entropy. */
export type Mode = "forward" | "gradients" | "training";

/** A network and what is done with it. */
export interface DeepNetwork {
  readonly name: string;
  readonly mode: Mode;
  readonly batch: number;
  /** Of a row: [height, width, channels], [steps, features] or [steps]. */
  readonly input: readonly number[];
  readonly layers: readonly DeepLayer[];
}

/** What one starts from: the weights of each layer in Lanewise's layouts, the inputs, and dy or the classes. */
export interface DeepData {
  readonly weights: readonly (readonly Float32Array[])[];
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** What a layer makes of a shape: that of y, its weights', and the multiplications and additions of a row. */
interface Plan {
  readonly output: readonly number[];
  readonly weights: readonly (readonly number[])[];
  readonly flops: number;
}

function planOf(layer: DeepLayer, input: readonly number[]): Plan {
  const channels = input.at(-1)!;
  const places = input.slice(0, -1).reduce((a, b) => a * b, 1);
  switch (layer.kind) {
    case "conv2d": {
      const { filters } = layer;
      const output = [...input.slice(0, -1), filters];
      return { output, weights: [[3, 3, channels, filters], [filters]], flops: 18 * places * channels * filters };
    }
    case "depthwiseConv2d":
      return { output: input, weights: [[3, 3, channels, 1], [channels]], flops: 18 * places * channels };
    case "maxPool2d":
      return { output: [input[0]! >> 1, input[1]! >> 1, channels], weights: [], flops: 0 };
    case "flatten":
      return { output: [places * channels], weights: [], flops: 0 };
    case "dense": {
      const { outputs } = layer;
      const output = [...input.slice(0, -1), outputs];
      return { output, weights: [[channels, outputs], [outputs]], flops: 2 * places * channels * outputs };
    }
    case "embedding":
      return { output: [...input, layer.width], weights: [[layer.count, layer.width]], flops: 0 };
    default: {
      const { units, kind } = layer;
      const columns = (kind === "lstm" ? 4 : 3) * units;
      const bias = kind === "lstm" ? [columns] : [2, columns];
      const weights = [[channels, columns], [units, columns], bias];
      return { output: [...input.slice(0, -1), units], weights, flops: 2 * places * (channels + units) * columns };
    }
  }
}

function plansOf({ input, layers }: DeepNetwork): Plan[] {
  const plans: Plan[] = [];
  for (const layer of layers) plans.push(planOf(layer, plans.at(-1)?.output ?? input));
  return plans;
}

/** Shapes of the weights of each layer. */
export function weightShapes(network: DeepNetwork): (readonly (readonly number[])[])[] {
  return plansOf(network).map(({ weights }) => weights);
}

/** Shape of a row of y. */
export function outputOf(network: DeepNetwork): readonly number[] {
  return plansOf(network).at(-1)!.output;
}

/** Multiplications and additions of one run; both gradients of a product cost as much as the product each. */
export function flopsOfDeep(network: DeepNetwork): number {
  const forward = network.batch * plansOf(network).reduce((sum, { flops }) => sum + flops, 0);
  return network.mode === "forward" ? forward : 3 * forward;
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

export function makeDeepData(network: DeepNetwork): DeepData {
  const { batch, input, layers, mode } = network;
  const random = new Random(1);
  const numbers = (length: number, limit: number) =>
    Float32Array.from({ length }, () => limit * (2 * random.uniform() - 1));
  const classes = (length: number, count: number) => Float32Array.from({ length }, () => random.below(count));
  const weights = weightShapes(network).map((shapes) =>
    shapes.map((shape, i) => numbers(sizeOf(shape), i === 0 ? Math.sqrt(3 / sizeOf(shape.slice(0, -1))) : 0.1)),
  );
  const first = layers[0]!;
  const xs = batch * sizeOf(input);
  const output = outputOf(network);
  const ys = batch * sizeOf(output);
  return {
    weights,
    x: first.kind === "embedding" ? classes(xs, first.count) : numbers(xs, 1),
    y: mode === "training" ? classes(ys / output.at(-1)!, output.at(-1)!) : numbers(ys, 1),
  };
}

/** The work on a core of Lanewise. */
export function deepTask(
  library: typeof import("lanewise") & typeof import("lanewise/nn"),
  core: Core,
  network: DeepNetwork,
  data: DeepData,
): Task {
  const { RMSProp, Sequential, softmaxCrossEntropy, Trainer } = library;
  const { batch, input, mode } = network;
  const layers = network.layers.map((layer) => layerOf(library, layer));
  const model = new Sequential(core, layers, { inputShape: [...input] });
  const named = Object.entries(model.parameters);
  for (const [i, weights] of data.weights.entries()) {
    const own = named.filter(([name]) => name.startsWith(`${i}.`));
    for (const [j, weight] of weights.entries()) own[j]![1].set(weight);
  }
  const x = core.tensor([batch, ...input], data.x);
  const trainer =
    mode === "training"
      ? new Trainer(model, {
          loss: softmaxCrossEntropy(),
          optimizer: (parameters) => new RMSProp(core, parameters, TRAINING),
        })
      : undefined;
  const output = outputOf(network);
  const y = core.tensor([batch, ...(trainer ? output.slice(0, -1) : output)], data.y);
  let result = new Float32Array(1);
  const run = () => {
    if (trainer) {
      result[0] = trainer.step(x, y);
    } else {
      result = model.forward(x, { training: mode === "gradients" }).data as Float32Array<ArrayBuffer>;
      if (mode === "gradients") model.backward(y);
    }
  };
  return {
    run,
    read: () =>
      mode === "gradients" ? Float32Array.from(Object.values(model.gradients)[0]!.data) : Float32Array.from(result),
    dispose: () => {
      for (const thing of [...(trainer ? [trainer] : []), model, x, y]) thing.dispose();
    },
  };
}

function layerOf(library: typeof import("lanewise/nn"), layer: DeepLayer) {
  const relu = { activation: "relu" } as const;
  switch (layer.kind) {
    case "conv2d":
      return library.conv2d(layer.filters, { padding: "same", ...relu });
    case "depthwiseConv2d":
      return library.depthwiseConv2d({ padding: "same", ...relu });
    case "maxPool2d":
      return library.maxPool2d(2);
    case "flatten":
      return library.flatten();
    case "dense":
      return library.dense(layer.outputs, layer.relu ? relu : {});
    case "embedding":
      return library.embedding(layer.count, layer.width);
    default:
      return library[layer.kind](layer.units, { returnSequences: true });
  }
}
