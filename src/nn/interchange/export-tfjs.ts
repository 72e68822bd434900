import type { Bytes } from "../../checkpoint/dtypes.js";
import { unexpected } from "../../checks.js";
import { OptionError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { Layer, LayerConfig } from "../layer.js";
import { layerConfig } from "../layer.js";
import { Model } from "../model.js";
import { activationWord } from "./keras-activations.js";
import { activationOption, byKind } from "./keras-layers.js";

/** A weight in `weightsManifest`. */
interface WeightSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: "float32";
}

/** What `exportTfjs` returns. */
export interface TfjsModel {
  /** To be saved as `model.json`. */
  readonly modelJson: {
    readonly format: "layers-model";
    readonly generatedBy: string;
    readonly modelTopology: Readonly<Record<string, unknown>>;
    readonly weightsManifest: readonly [
      { readonly paths: readonly ["weights.bin"]; readonly weights: readonly WeightSpec[] },
    ];
  };
  /** To be saved beside it, as `weights.bin`. */
  readonly weights: Bytes;
}

/** A layer in the making, with where it is applied. */
interface Entry {
  readonly name: string;
  readonly class_name: string;
  readonly config: Record<string, unknown>;
  readonly inbound_nodes: unknown[][];
}

type Reference = readonly [layer: string, node: number, tensor: 0, kwargs: object];

/**
 * A model as TensorFlow.js has it: a functional layers model with its weights. `tf.loadLayersModel` reads it.
 *
 * Numerics: weights are the same bits; results are equal up to the order of TensorFlow.js's sums. The moving variance of
 * `batchNorm` with `unbiased` is predicted with as it is.
 *
 * @param model of layers that TensorFlow.js has, see `importTfjs`; a GRU with `resetAfter: false`
 * @returns `modelJson` and `weights`
 * @throws OptionError naming the layer that TensorFlow.js has not, DisposedError
 * @example
 * const { modelJson, weights } = exportTfjs(model);
 * await writeFile("model.json", JSON.stringify(modelJson));
 * await writeFile("weights.bin", weights);
 */
export function exportTfjs(model: Model): TfjsModel {
  if (!(model instanceof Model)) throw unexpected("model", model, "a Sequential or a Model");
  model.assertLive();
  const entries = new Map<string, Entry>();
  const names = new Set<string>();
  const add = (wanted: string, class_name: string, config: Record<string, unknown>): Entry => {
    // What a scope of TensorFlow.js may be named.
    let name = /^[A-Za-z0-9][-A-Za-z0-9._]*$/.test(wanted) ? wanted : `layer_${names.size}`;
    while (names.has(name)) name += "_";
    names.add(name);
    const entry = { name, class_name, config: { name, trainable: true, ...config }, inbound_nodes: [] };
    entries.set(name, entry);
    return entry;
  };
  const apply = (entry: Entry, inputs: readonly Reference[]): Reference => {
    entry.inbound_nodes.push([...inputs]);
    return [entry.name, entry.inbound_nodes.length - 1, 0, {}];
  };
  const tensors = new Map<unknown, Reference>();
  const inputs = model.inputTensors.map((tensor, i): Reference => {
    const { name } = add(`input_${i + 1}`, "InputLayer", {
      batch_input_shape: [null, ...tensor.shape],
      dtype: "float32",
      sparse: false,
    });
    tensors.set(tensor, [name, 0, 0, {}]);
    return tensors.get(tensor)!;
  });
  const specs: WeightSpec[] = [];
  const parts: Float32Array[] = [];
  const made = new Map<Layer, readonly [Entry, Entry | undefined]>();
  for (const { tensor, name } of model.nodes) {
    const layer = tensor.layer!;
    const shapes = tensor.inputs.map(({ shape }) => shape);
    if (!made.has(layer)) {
      const config = layerConfig(layer);
      const { className, attributes } = describeLayer(name, config, shapes);
      const entry = add(layer.name ?? `${config.kind}_${name}`, className, attributes);
      const own = activationOption(config.args);
      const after =
        own === undefined || activationWord(own) !== undefined ? undefined : describeLayer(name, own, [tensor.shape]);
      made.set(layer, [entry, after && add(`${entry.name}_${own!.kind}`, after.className, after.attributes)]);
      for (const [keras, key] of weightsOf(config)) {
        const stored = model.parameters[`${name}.${key}`] ?? model.buffers[`${name}.${key}`];
        if (stored === undefined) continue; // without bias, scale or center
        // Axes that PReLU shares have length 1.
        const shared = keras === "alpha" ? shapes[0]!.slice(1).map(() => 1) : [];
        specs.push({ name: `${entry.name}/${keras}`, shape: [...shared, ...stored.shape], dtype: "float32" });
        parts.push(stored.data);
      }
    }
    const [entry, after] = made.get(layer)!;
    const y = apply(
      entry,
      tensor.inputs.map((each) => tensors.get(each)!),
    );
    tensors.set(tensor, after === undefined ? y : apply(after, [y]));
  }
  const place = (reference: Reference) => reference.slice(0, 3);
  const config = {
    name: "model",
    layers: [...entries.values()],
    input_layers: inputs.map(place),
    output_layers: model.outputTensors.map((tensor) => place(tensors.get(tensor)!)),
  };
  return {
    modelJson: {
      format: "layers-model",
      generatedBy: "Lanewise",
      modelTopology: { class_name: "Model", config, keras_version: "tfjs-layers 4.22.0", backend: "tensor_flow.js" },
      weightsManifest: [{ paths: ["weights.bin"], weights: specs }],
    },
    weights: joined(parts),
  };
}

function describeLayer(name: string, config: LayerConfig, shapes: readonly Shape[]) {
  const activation = activationWord(config);
  if (activation !== undefined) return { className: "Activation", attributes: { activation } };
  try {
    const keras = byKind(config.kind);
    return { className: keras.className, attributes: keras.write(config.args, shapes) };
  } catch (error) {
    if (error instanceof OptionError) throw new OptionError(`layer ${name} (${config.kind}): ${error.message}`);
    throw error;
  }
}

/** Names of a layer's weights, Keras's and ours. */
function weightsOf({ kind, args }: LayerConfig): readonly (readonly [keras: string, own: string])[] {
  if (kind === "timeDistributed") return weightsOf(args[0] as LayerConfig);
  if (kind === "bidirectional") {
    const inner = weightsOf(args[0] as LayerConfig);
    return ["forward", "backward"].flatMap((part) =>
      inner.map(([keras, own]) => [`${part}_inner/${keras}`, `${part}.${own}`] as const),
    );
  }
  return activationWord({ kind, args }) === undefined ? (byKind(kind).weights ?? []) : [];
}

/** The bytes of float32 numbers, little-endian. */
function joined(parts: readonly Float32Array[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  const floats = new Float32Array(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    floats.set(part, at);
    at += part.length;
  }
  return bytes;
}
