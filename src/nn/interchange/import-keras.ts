import { checkList, checkRecord } from "../../checkpoint/json.js";
import type { Safetensors, StoredTensor } from "../../checkpoint/safetensors.js";
import { checkKeys, cut, describe, quote, unexpected } from "../../checks.js";
import { Core } from "../../core.js";
import { CheckpointError, messageOf } from "../../errors.js";
import { type Shape, sizeOf } from "../../tensor.js";
import type { Model } from "../model.js";
import { checkImportOptions, type ImportOptions, importModel, readJson } from "./import-model.js";
import { type Entry, KerasGraph } from "./keras-graph.js";

/** The parts of a `.keras` file, as libraries for zip and HDF5 return them. */
export interface KerasFiles {
  /** `config.json`: its text, or what was parsed from it. */
  config: unknown;
  /** `model.weights.h5`, opened with a library such as `jsfive` or `h5wasm`: `get` finds a data set by its path. */
  weights: { get(path: string): unknown };
}

/**
 * Makes a model from a `.keras` file of Keras 3, sequential or functional. Names of layers stay; their weights have the
 * names that they have here.
 *
 * Layers: those of `importTfjs`, and GroupNormalization, RMSNormalization, MultiHeadAttention, convolutions with
 * `groups`, and a sum written `a + b`; `channels_last` alone, and no models inside models. Regularizers, constraints,
 * initializers, dropout inside recurrent layers and attention, and what the model was compiled with are left out.
 *
 * @param core where the model's parameters are to be
 * @param files see `KerasFiles`
 * @param options see `ImportOptions`
 * @throws CheckpointError naming what is damaged, missing or unknown here; OptionError, OutOfMemoryError
 * @example
 * import { strFromU8, unzipSync } from "fflate";
 * import { File } from "jsfive";
 *
 * const zip = unzipSync(await readFile("model.keras"));
 * const files = { config: strFromU8(zip["config.json"]), weights: new File(zip["model.weights.h5"].buffer) };
 * const model = importKeras(core, files, { layers: nn });
 * await writeFile("model.safetensors", saveModel(model));
 * @see https://github.com/keras-team/keras/blob/master/keras/src/saving/saving_lib.py
 */
export function importKeras(core: Core, files: KerasFiles, options: ImportOptions): Model {
  if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
  core.assertLive();
  checkKeys("files", files, ["config", "weights"]);
  const layers = checkImportOptions(options);
  const { config, weights } = files;
  if (typeof (weights as Partial<KerasFiles["weights"]> | null | undefined)?.get !== "function") {
    throw unexpected("files.weights", weights, "an open HDF5 file, with a method get");
  }
  const graph = new KerasGraph(layers, 3);
  graph.read(asKeras2(readJson("files.config", "config.json", config)));
  const tensors = readWeights(graph.entries.values(), weights);
  return importModel(core, graph.architecture(), layers, tensors);
}

/** A reference to a tensor in the topology of Keras 2. */
type Reference = readonly [layer: unknown, node: unknown, tensor: unknown];

/** The same model in the topology of Keras 2: references to tensors as `[name, node, tensor]`, in lists. */
function asKeras2(model: Record<string, unknown>): Record<string, unknown> {
  const config = checkRecord("config", model.config);
  const ends = (name: "input_layers" | "output_layers") =>
    Object.hasOwn(config, name) ? { [name]: tensorsOf(config[name]) } : {};
  const layers = checkList("config.layers", config.layers).map((given, i) => {
    const path = `config.layers[${i}]`;
    const layer = checkRecord(path, given);
    checkModule(path, layer);
    const own = checkRecord(`${path}.config`, layer.config);
    const nodes = layer.inbound_nodes === undefined ? [] : checkList(`${path}.inbound_nodes`, layer.inbound_nodes);
    const read = nodes.map((node, k) => readNode(`${path}.inbound_nodes[${k}]`, node, layer.class_name));
    const isCausal = read.some(({ causal }) => causal);
    const inbound = read.map(({ inputs }) => inputs);
    return { ...layer, config: isCausal ? { ...own, use_causal_mask: true } : own, inbound_nodes: inbound };
  });
  return { ...model, config: { ...config, layers, ...ends("input_layers"), ...ends("output_layers") } };
}

/** Operations that are no layers: `a + b`. */
const OPERATIONS = "keras.src.ops.numpy";

function checkModule(path: string, { module, class_name, config }: Record<string, unknown>): void {
  const isKnown = module === "keras.layers" || (module === OPERATIONS && class_name === "Add");
  if (!isKnown) {
    throw new CheckpointError(`${path} is ${describe(class_name)} of ${describe(module)}, which has no layer here`);
  }
  const quantized = checkRecord(`${path}.config`, config).quantization_config;
  if (quantized !== undefined && quantized !== null) {
    throw new CheckpointError(`${path}.config.quantization_config is ${describe(quantized)}, expected none`);
  }
}

/** What a layer is applied to, in the order of its call's parameters. */
function readNode(path: string, given: unknown, className: unknown): { inputs: Reference[]; causal: boolean } {
  const node = checkRecord(path, given);
  const inputs = checkList(`${path}.args`, node.args).flatMap((each, i) => referencesOf(`${path}.args[${i}]`, each));
  const isAttention = className === "MultiHeadAttention";
  let causal = false;
  const { value, key, ...others } = checkRecord(`${path}.kwargs`, node.kwargs ?? {});
  for (const [name, argument] of Object.entries({ value, key, ...others })) {
    const at = `${path}.kwargs.${name}`;
    if (argument === undefined || argument === null || argument === false) continue;
    if (isAttention && (name === "value" || name === "key")) inputs.push(...referencesOf(at, argument));
    else if (isAttention && name === "use_causal_mask") causal = argument === true;
    else throw new CheckpointError(`${at} is ${describe(argument)}, which has no equal here`);
  }
  return { inputs, causal };
}

/** The tensors of an argument: one, or a list of them. */
function referencesOf(path: string, argument: unknown): Reference[] {
  if (Array.isArray(argument)) return argument.flatMap((each, i) => referencesOf(`${path}[${i}]`, each));
  const { class_name: className, config } = checkRecord(path, argument);
  if (className !== "__keras_tensor__") {
    throw new CheckpointError(`${path} is ${describe(className)}, expected a tensor`);
  }
  const [name, node, tensor] = checkList(`${path}.keras_history`, checkRecord(path, config).keras_history);
  return [[name, node, tensor]];
}

/** References to a model's inputs or outputs: Keras writes one alone, a list, or a record by name. */
function tensorsOf(value: unknown): unknown {
  if (Array.isArray(value)) return typeof value[0] === "string" ? [value] : value;
  return typeof value === "object" && value !== null ? Object.values(value) : value;
}

/** Weights by the names, and of the shapes, that they have here. */
function readWeights(entries: Iterable<Entry>, file: KerasFiles["weights"]): Safetensors["tensors"] {
  const tensors = new Map<string, StoredTensor>();
  const counts = new Map<string, number>();
  for (const { name, className, keras, made } of entries) {
    // Keras counts the layers of a class, whatever their names are.
    const word = snakeCase(className);
    const count = counts.get(word) ?? 0;
    counts.set(word, count + 1);
    if (keras?.weights === undefined || made === undefined) continue;
    const folder = `layers/${word}${count === 0 ? "" : `_${count}`}`;
    const { layer, inputs } = made;
    const specs = [...layer.parameters(...inputs), ...layer.buffers(...inputs)];
    const shapes = new Map(specs.map((spec) => [spec.name, spec.shape]));
    // Attention has its heads as an axis, and the axes that PReLU shares have length 1.
    const isReshaped = keras.kind === "multiHeadAttention" || keras.kind === "prelu";
    const cell = /^(lstm|gru|simpleRnn)$/.test(keras.kind) ? "/cell" : "";
    for (const [inner, prefix] of INNER[className] ?? [["", ""]]) {
      const weights = keras.weights.filter(([, own]) => shapes.has(prefix + own));
      for (const [i, [theirs, own]] of weights.entries()) {
        const path = `${folder}${inner}${cell}/${theirs.includes("/") ? theirs : `vars/${i}`}`;
        const shape = shapes.get(prefix + own)!;
        tensors.set(`${name}.${prefix}${own}`, { shape, data: readArray(path, shape, isReshaped, file), dtype: "F32" });
      }
    }
  }
  return tensors;
}

/** Folders of the layers inside a layer, and the beginning of our names for their weights. */
const INNER: Readonly<Record<string, readonly (readonly [folder: string, prefix: string])[]>> = {
  Bidirectional: [
    ["/forward_layer", "forward."],
    ["/backward_layer", "backward."],
  ],
  TimeDistributed: [["/layer", ""]],
};

/** `batch_normalization` of `BatchNormalization`, as Keras makes it. */
function snakeCase(name: string): string {
  return name
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

/** The numbers of a data set of this shape or, reshaped, of this size. */
function readArray(path: string, own: Shape, isReshaped: boolean, file: KerasFiles["weights"]): Float32Array {
  const found = attemptRead(path, () => file.get(path)) as { shape?: unknown; value?: unknown } | null | undefined;
  const shape = attemptRead(path, () => found?.shape);
  if (!Array.isArray(shape)) throw new CheckpointError(`the weights have no data set ${quote(path)}`);
  if (isReshaped ? sizeOf(shape) !== sizeOf(own) : `${shape}` !== `${own}`) {
    throw new CheckpointError(`${quote(path)} has shape [${shape}], expected [${own}]`);
  }
  const value = attemptRead(path, () => found!.value);
  const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  const values = isArray ? Array.from(value as ArrayLike<unknown>) : [];
  if (values.length !== sizeOf(own) || !values.every((each) => typeof each === "number")) {
    throw new CheckpointError(`${quote(path)} is ${describe(value)}, expected ${sizeOf(own)} numbers`);
  }
  return Float32Array.from(values as number[]);
}

function attemptRead(path: string, read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    const message = messageOf(error);
    throw new CheckpointError(`the weights have no data set ${quote(path)}: ${cut(message)}`);
  }
}
