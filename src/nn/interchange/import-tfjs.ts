import { typeNameOf } from "../../checkpoint/dtypes.js";
import { checkRecord } from "../../checkpoint/json.js";
import type { Safetensors } from "../../checkpoint/safetensors.js";
import { checkKeys, quote, unexpected } from "../../checks.js";
import { Core } from "../../core.js";
import { CheckpointError } from "../../errors.js";
import type { Model } from "../model.js";
import { checkImportOptions, type ImportOptions, importModel, readJson } from "./import-model.js";
import { KerasGraph } from "./keras-graph.js";
import { readWeights } from "./tfjs-weights.js";

/** The files of a layers model of TensorFlow.js. */
export interface TfjsFiles {
  /** `model.json`: its text, or what was parsed from it. */
  modelJson: unknown;
  /** `group1-shard1of1.bin` and the others, in the order of `weightsManifest`, or their bytes in one piece. */
  weights: Uint8Array | readonly Uint8Array[];
}

/**
 * Makes a model from the files of a layers model of TensorFlow.js 2 to 4, sequential or functional, converted from
 * Keras 2 or not. Names of layers stay; their weights have the names that they have here.
 *
 * Layers: Dense, Conv1D, Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D, pooling, BatchNormalization,
 * LayerNormalization, Embedding, LSTM, GRU, SimpleRNN, Bidirectional, TimeDistributed, Activation and the activation
 * layers, Dropout, Flatten, Reshape, Add, Concatenate, UpSampling2D, and ZeroPadding2D before a convolution;
 * `channels_last` alone. Weights may be quantized.
 * Regularizers, constraints, initializers and what the model was compiled with are left out.
 *
 * @param core where the model's parameters are to be
 * @param files see `TfjsFiles`
 * @param options see `ImportOptions`
 * @throws CheckpointError naming what is damaged, missing or unknown here; OptionError, OutOfMemoryError
 * @example
 * const model = importTfjs(core, { modelJson: await readFile("model.json", "utf8"), weights }, { layers: nn });
 * await writeFile("model.safetensors", saveModel(model));
 * @see https://github.com/tensorflow/tfjs/tree/master/tfjs-layers
 */
export function importTfjs(core: Core, files: TfjsFiles, options: ImportOptions): Model {
  if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
  core.assertLive();
  checkKeys("files", files, ["modelJson", "weights"]);
  const layers = checkImportOptions(options);
  const { modelJson, weights } = files;
  const shards = (Array.isArray(weights) ? weights : [weights]) as readonly Uint8Array[];
  for (const [i, shard] of shards.entries()) {
    if (typeNameOf(shard) !== "Uint8Array") throw unexpected(`files.weights[${i}]`, shard, "a Uint8Array");
  }
  const json = readJson("files.modelJson", "model.json", modelJson);
  const topology = checkRecord("modelTopology", json.modelTopology);
  const graph = new KerasGraph(layers, 2);
  graph.read(checkRecord("modelTopology.model_config", topology.model_config ?? topology));
  const tensors = rename(readWeights(json.weightsManifest, shards), graph.entries);
  return importModel(core, graph.architecture(), layers, tensors);
}

type Entries = KerasGraph["entries"];

/** Weights by the names, and of the shapes, that they have here. */
function rename(weights: Safetensors["tensors"], entries: Entries): Safetensors["tensors"] {
  return new Map(
    [...weights].map(([given, tensor]) => {
      const name = nameOf(given.replace(/:\d+$/, ""), entries);
      // Axes that PReLU shares have length 1.
      const shape = name.endsWith(".alpha")
        ? tensor.shape.filter((size, i, { length }) => size !== 1 || i === length - 1)
        : tensor.shape;
      return [name, { ...tensor, shape }];
    }),
  );
}

function nameOf(given: string, entries: Entries): string {
  const parts = given.split("/");
  for (let length = parts.length - 1; length > 0; length--) {
    const layer = parts.slice(0, length).join("/");
    const entry = entries.get(layer);
    if (entry === undefined) continue;
    const own = entry.keras?.weights?.find(([keras]) => keras === parts.at(-1))?.[1];
    if (own === undefined) break;
    const direction =
      entry.className === "Bidirectional" ? /^(forward|backward)_/.exec(parts[length]!)?.[1] : undefined;
    return direction === undefined ? `${layer}.${own}` : `${layer}.${direction}.${own}`;
  }
  throw new CheckpointError(`weight ${quote(given)} is of no layer that has one of that name`);
}
