import { checkList, checkRecord, checkString } from "../../checkpoint/json.js";
import { describe, quote } from "../../checks.js";
import { CheckpointError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { Layer, LayerConfig } from "../layer.js";
import { type Architecture, checkConfig, checkShape } from "../model-file/architecture.js";
import { attempt } from "../model-file/build.js";
import { type LayerFunctions, makeLayer } from "../model-file/layers.js";
import { readActivation } from "./keras-activations.js";
import { KerasConfig } from "./keras-config.js";
import { byClass, type KerasLayer } from "./keras-layers.js";

/** Layers after one another. */
const DEPTH = 2000;

/** A layer of the file. */
export interface Entry {
  readonly name: string;
  readonly path: string;
  readonly className: string;
  readonly config: KerasConfig;
  readonly inbound: readonly unknown[];
  /** Its index among our layers, once it is one. */
  index?: number;
  /** Its class, and for wrappers that of the layer inside. */
  keras?: KerasLayer;
  /** What it is here, and the shapes of what it is first applied to. */
  made?: { readonly layer: Layer; readonly inputs: readonly Shape[] };
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

/** An architecture in the making from a topology of Keras 2: tensors are made in the order in which outputs ask for them. */
export class KerasGraph {
  /** Layers of the file by name, in its order. */
  readonly entries = new Map<string, Entry>();
  readonly #functions: LayerFunctions;
  readonly #version: 2 | 3;
  readonly #layers: Architecture["layers"][number][] = [];
  readonly #nodes: Architecture["nodes"][number][] = [];
  #inputs: readonly Shape[] = [];
  #outputs: readonly number[] = [];
  /** By number. */
  readonly #shapes: Shape[] = [];
  /** Numbers of tensors, by layer and node. */
  readonly #made = new Map<string, number>();

  /** @param version of Keras: what words and defaults of a config mean */
  constructor(functions: LayerFunctions, version: 2 | 3) {
    this.#functions = functions;
    this.#version = version;
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
      const config = new KerasConfig(`${path} (${className})`, layer.config, this.#version);
      const inbound = layer.inbound_nodes === undefined ? [] : checkList(`${path}.inbound_nodes`, layer.inbound_nodes);
      const name = checkString(`${path}.name`, config.get("name") ?? layer.name);
      const entry: Entry = { name, path, className, config, inbound };
      if (this.entries.has(name)) throw new CheckpointError(`${path}.name is ${quote(name)}, as another layer's is`);
      this.entries.set(name, entry);
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
    const entry = this.entries.get(checkString(path, name));
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
    const shape = attempt(entry.config.path, () => {
      entry.made ??= { layer: makeLayer(layer, this.#functions), inputs: shapes };
      return entry.made.layer.outputShape(...shapes);
    });
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
    const inner = isWrapper ? config.nested("layer").get("class_name") : className;
    entry.keras = byClass(inner, path, isWrapper ? config.nested("layer").nested("config") : config);
    if (zeros === undefined) return { kind, args };
    return { kind, args: [...args.slice(0, -1), { ...(args.at(-1) as object), padding: zeros }] };
  }
}
