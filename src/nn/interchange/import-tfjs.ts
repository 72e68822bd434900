import { tagOf } from "../../checkpoint/dtypes.js";
import { checkList, checkRecord, checkString, parseJson } from "../../checkpoint/json.js";
import { loadCheckpoint } from "../../checkpoint/load.js";
import type { Safetensors } from "../../checkpoint/safetensors.js";
import { checkKeys, describe, quote, unexpected } from "../../checks.js";
import { Core } from "../../core.js";
import { CheckpointError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { LayerConfig } from "../layer.js";
import type { Model } from "../model.js";
import { type Architecture, checkConfig, checkShape, readArchitecture } from "../model-file/architecture.js";
import { attempt, buildModel } from "../model-file/build.js";
import { type LayerFunctions, makeLayer } from "../model-file/layers.js";
import { readActivation } from "./keras-activations.js";
import { KerasConfig } from "./keras-config.js";
import { byClass, type KerasLayer } from "./keras-layers.js";
import { readWeights } from "./tfjs-weights.js";

/** The files of a layers model of TensorFlow.js. */
export interface TfjsFiles {
  /** `model.json`: its text, or what was parsed from it. */
  modelJson: unknown;
  /** `group1-shard1of1.bin` and the others, in the order of `weightsManifest`, or their bytes in one piece. */
  weights: Uint8Array | readonly Uint8Array[];
}

/** Options of `importTfjs`. */
export interface ImportOptions {
  /** The functions that layers are made with, as in `loadModel`. */
  layers: LayerFunctions;
}

/** Values of a `model.json`. */
const VALUES = 1_000_000;
/** Layers after one another. */
const DEPTH = 2000;

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
  checkKeys("options", options, ["layers"]);
  const { layers } = options;
  if (typeof layers !== "object" || layers === null) {
    throw unexpected("options.layers", layers, "an object of functions, such as { dense, relu }");
  }
  const { modelJson, weights } = files;
  const shards = (Array.isArray(weights) ? weights : [weights]) as readonly Uint8Array[];
  for (const [i, shard] of shards.entries()) {
    if (tagOf(shard) !== "Uint8Array") throw unexpected(`files.weights[${i}]`, shard, "a Uint8Array");
  }
  const text = typeof modelJson === "string" ? modelJson : JSON.stringify(modelJson);
  const json = checkRecord("model.json", parseJson("model.json", text, VALUES));
  const topology = checkRecord("modelTopology", json.modelTopology);
  const graph = new Graph(layers);
  graph.read(checkRecord("modelTopology.model_config", topology.model_config ?? topology));
  const file: Safetensors = { tensors: graph.name(readWeights(json.weightsManifest, shards)), metadata: {} };
  const model = buildModel(core, readArchitecture("model", graph.architecture(), layers), layers, file);
  try {
    loadCheckpoint(file, { parameters: model });
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** A layer of the file. */
interface Entry {
  readonly name: string;
  readonly path: string;
  readonly className: string;
  readonly config: KerasConfig;
  readonly inbound: readonly unknown[];
  /** Its index among our layers, once it is one. */
  index?: number;
  /** Its class, and for wrappers that of the layer inside. */
  keras?: KerasLayer;
  /** Zeros that another layer puts around what it reads. */
  zeros?: Zeros | undefined;
}

/** Rows and columns of zeros around an image: `padding` of our convolutions. */
type Zeros = readonly (readonly [before: unknown, after: unknown])[];

/** What a ZeroPadding2D adds. */
function zerosOf(config: KerasConfig): Zeros {
  config.only("data_format", "channels_last", "channelsLast");
  const padding = config.get("padding") ?? 1;
  const sides: readonly unknown[] = Array.isArray(padding) ? padding : [padding, padding];
  return sides.map((side) => (Array.isArray(side) ? [side[0], side[1]] : [side, side]));
}

/** An architecture in the making: tensors are made in the order in which outputs ask for them. */
class Graph {
  readonly #functions: LayerFunctions;
  readonly #entries = new Map<string, Entry>();
  readonly #layers: Architecture["layers"][number][] = [];
  readonly #nodes: Architecture["nodes"][number][] = [];
  #inputs: readonly Shape[] = [];
  #outputs: readonly number[] = [];
  /** By number. */
  readonly #shapes: Shape[] = [];
  /** Numbers of tensors, by layer and node. */
  readonly #made = new Map<string, number>();

  constructor(functions: LayerFunctions) {
    this.#functions = functions;
  }

  architecture(): Architecture {
    return { version: 1, inputs: this.#inputs, layers: this.#layers, nodes: this.#nodes, outputs: this.#outputs };
  }

  read(model: Record<string, unknown>): void {
    const { class_name: className } = model;
    if (className === "Sequential") {
      this.#readSequential(model.config);
      return;
    }
    if (className !== "Model" && className !== "Functional") {
      throw new CheckpointError(`class_name is ${describe(className)}, expected "Sequential", "Model" or "Functional"`);
    }
    const config = checkRecord("config", model.config);
    this.#readLayers(config.layers);
    this.#setInputs(
      checkList("input_layers", config.input_layers).map((each) => this.#entryOf("input_layers", each)[0]),
    );
    const outputs = checkList("output_layers", config.output_layers);
    this.#outputs = outputs.map((each) => this.#tensorOf("output_layers", each, 0));
  }

  #readSequential(given: unknown): void {
    const config = Array.isArray(given) ? { layers: given } : checkRecord("config", given);
    const entries = this.#readLayers(config.layers);
    const [first, ...others] = entries;
    if (first === undefined) throw new CheckpointError("config.layers is empty, expected at least one layer");
    this.#setInputs([first]);
    let tensor = 0;
    let zeros: Zeros | undefined;
    for (const entry of first.className === "InputLayer" ? others : entries) {
      if (entry.className === "ZeroPadding2D" && zeros === undefined && entry !== entries.at(-1)) {
        zeros = zerosOf(entry.config);
        continue;
      }
      tensor = this.#apply(entry, [tensor], zeros);
      zeros = undefined;
    }
    this.#outputs = [tensor];
  }

  #readLayers(given: unknown): Entry[] {
    const entries = checkList("config.layers", given).map((each, i): Entry => {
      const path = `config.layers[${i}]`;
      const layer = checkRecord(path, each);
      const className = checkString(`${path}.class_name`, layer.class_name);
      const config = new KerasConfig(`${path} (${className})`, layer.config);
      const inbound = layer.inbound_nodes === undefined ? [] : checkList(`${path}.inbound_nodes`, layer.inbound_nodes);
      const name = checkString(`${path}.name`, config.get("name") ?? layer.name);
      const entry: Entry = { name, path, className, config, inbound };
      if (this.#entries.has(name)) throw new CheckpointError(`${path}.name is ${quote(name)}, as another layer's is`);
      this.#entries.set(name, entry);
      return entry;
    });
    return entries;
  }

  #setInputs(entries: readonly Entry[]): void {
    this.#inputs = entries.map(({ config }) => {
      const shape = config.get("batch_input_shape") ?? config.get("batch_shape");
      const [, ...row] = checkList(`${config.path}.batch_input_shape`, shape);
      checkShape(`${config.path}.batch_input_shape`, row);
      return row as number[];
    });
    this.#shapes.push(...this.#inputs);
    for (const [i, entry] of entries.entries()) this.#made.set(`0 ${entry.name}`, i);
  }

  /** The layer and the node that `[name, node, tensor, …]` means. */
  #entryOf(path: string, reference: unknown): [entry: Entry, node: unknown] {
    const [name, node, tensor] = checkList(path, reference);
    const entry = this.#entries.get(checkString(path, name));
    if (entry === undefined) throw new CheckpointError(`${path} has ${describe(name)}, expected the name of a layer`);
    if (tensor !== 0) throw new CheckpointError(`${path} has output ${describe(tensor)} of a layer, expected 0`);
    return [entry, node];
  }

  #tensorOf(path: string, reference: unknown, depth: number): number {
    const [entry, node] = this.#entryOf(path, reference);
    if (!Number.isInteger(node)) throw new CheckpointError(`${path} has node ${describe(node)}, expected an integer`);
    const key = `${node} ${entry.name}`;
    const made = this.#made.get(key);
    if (made === -1) throw new CheckpointError(`${path} has ${quote(entry.name)}, which depends on itself`);
    if (made !== undefined) return made;
    if (depth > DEPTH) throw new CheckpointError(`${path} has more than ${DEPTH} layers before it`);
    const at = `${entry.path}.inbound_nodes[${node}]`;
    this.#made.set(key, -1);
    const inbound = checkList(at, entry.inbound[node as number]);
    const padded = inbound.length === 1 ? this.#paddedBy(`${at}[0]`, inbound[0]) : undefined;
    const tensor = this.#apply(
      entry,
      (padded?.inbound ?? inbound).map((each, i) => this.#tensorOf(`${at}[${i}]`, each, depth + 1)),
      padded?.zeros,
    );
    this.#made.set(key, tensor);
    return tensor;
  }

  /** What a ZeroPadding2D reads, and the zeros that it adds; undefined if `[name, node, …]` is another layer. */
  #paddedBy(path: string, reference: unknown): { inbound: readonly unknown[]; zeros: Zeros } | undefined {
    const [{ className, config, inbound, path: own }, node] = this.#entryOf(path, reference);
    if (className !== "ZeroPadding2D" || !Number.isInteger(node)) return undefined;
    return { inbound: checkList(`${own}.inbound_nodes[${node}]`, inbound[node as number]), zeros: zerosOf(config) };
  }

  /** The tensor that a layer makes of others, with `zeros` around them. */
  #apply(entry: Entry, inputs: readonly number[], zeros?: Zeros): number {
    const shapes = inputs.map((tensor) => this.#shapes[tensor]!);
    if (entry.index === undefined) {
      entry.zeros = zeros;
      const config = attempt(entry.config.path, () => this.#configOf(entry, shapes));
      if (config === undefined) return inputs[0]!; // a linear activation
      checkConfig(entry.config.path, config, this.#functions);
      entry.index = this.#layers.length;
      this.#layers.push({ ...config, name: entry.name });
    } else if (JSON.stringify(zeros) !== JSON.stringify(entry.zeros)) {
      throw new CheckpointError(`${entry.path} reads images with different zeros around them, expected the same`);
    }
    const layer = this.#layers[entry.index]!;
    this.#nodes.push({ layer: entry.index, inputs });
    const shape = attempt(entry.config.path, () => makeLayer(layer, this.#functions).outputShape(...shapes));
    checkShape(`the output of ${entry.config.path}`, shape);
    this.#shapes.push(shape);
    return this.#shapes.length - 1;
  }

  #configOf(entry: Entry, shapes: readonly Shape[]): LayerConfig | undefined {
    const { config, className, path, zeros } = entry;
    const isConvolution = className === "Conv2D" || className === "DepthwiseConv2D";
    if (
      className === "ZeroPadding2D" ||
      (zeros && !(isConvolution && (config.get("padding") ?? "valid") === "valid"))
    ) {
      throw new CheckpointError(
        `${path} is ${quote(className)}${zeros ? " after ZeroPadding2D" : ""}, expected ZeroPadding2D only before a Conv2D or DepthwiseConv2D with padding "valid"`,
      );
    }
    if (className === "Activation") return readActivation(config);
    if (shapes.length === 0) throw new CheckpointError(`${path} reads nothing, expected a tensor`);
    const { kind, read } = byClass(className, `${path}.class_name`, config);
    const args = read(config, shapes);
    const isWrapper = className === "Bidirectional" || className === "TimeDistributed";
    const inner = isWrapper ? new KerasConfig(path, config.get("layer")).get("class_name") : className;
    entry.keras = byClass(inner, path, config);
    if (zeros === undefined) return { kind, args };
    return { kind, args: [...args.slice(0, -1), { ...(args.at(-1) as object), padding: zeros }] };
  }

  /** Weights by the names, and of the shapes, that they have here. */
  name(weights: Safetensors["tensors"]): Safetensors["tensors"] {
    return new Map(
      [...weights].map(([given, tensor]) => {
        const name = this.#nameOf(given.replace(/:\d+$/, ""));
        // Axes that PReLU shares have length 1.
        const shape = name.endsWith(".alpha")
          ? tensor.shape.filter((size, i, { length }) => size !== 1 || i === length - 1)
          : tensor.shape;
        return [name, { ...tensor, shape }];
      }),
    );
  }

  #nameOf(given: string): string {
    const parts = given.split("/");
    for (let length = parts.length - 1; length > 0; length--) {
      const layer = parts.slice(0, length).join("/");
      const entry = this.#entries.get(layer);
      if (entry === undefined) continue;
      const own = entry.keras?.weights?.find(([keras]) => keras === parts.at(-1))?.[1];
      if (own === undefined) break;
      const direction =
        entry.className === "Bidirectional" ? /^(forward|backward)_/.exec(parts[length]!)?.[1] : undefined;
      return direction === undefined ? `${layer}.${own}` : `${layer}.${direction}.${own}`;
    }
    throw new CheckpointError(`weight ${quote(given)} is of no layer that has one of that name`);
  }
}
