import { type Safetensors, toSafetensors } from "../../checkpoint/safetensors.js";
import { checkKeys, isFloat32Array, listOf, quote, unexpected } from "../../checks.js";
import { CheckpointError, OptionError } from "../../errors.js";
import { type Shape, sizeOf, type Tensor } from "../../tensor.js";
import type { Layer } from "../layer.js";
import { Model } from "../model.js";
import { type TorchSource, torchSources } from "./torch-layers.js";
import { checkOrder, featureOrder, orderRows } from "./torch-order.js";

/** Kinds with a row or number for each feature of their input. */
const FEATURES = /^(dense|prelu|\w*Norm)$/;

/** Options of `importPytorch`. */
export interface ImportPytorchOptions {
  /**
   * The module of each of our layers that has parameters: a record or a function from the layer's name in the model.
   * Default: the same name, as for the numbers in an `nn.Sequential`.
   */
  names?: Readonly<Record<string, string>> | ((name: string) => string);
}

/**
 * Loads the `state_dict` of a PyTorch model, as `safetensors.torch.save_file` writes it, into a model of the same layers.
 *
 * Weights are transposed to the layouts here; gates of a GRU change their order; the two biases of an LSTM or RNN are
 * added; what comes after a `flatten` of images (or of what a 1-D convolution or pooling made) takes its rows from
 * channels first, also through `add` and `concat`. A `groupNorm` after such a `flatten` and a `reshape` of or to images
 * depend on that order, so they are refused. Channels are last here, so transpose the images. Layers: Linear, Conv1d, Conv2d (`groups` of
 * all channels: `depthwiseConv2d`), ConvTranspose2d, BatchNorm, LayerNorm, GroupNorm, RMSNorm, Embedding, PReLU,
 * MultiheadAttention, and RNN, LSTM and GRU of one layer, also bidirectional.
 *
 * @param model whose parameters and buffers are overwritten
 * @param file a safetensors file, or what `readSafetensors` returns
 * @param options see `ImportPytorchOptions`
 * @throws CheckpointError naming what is missing, of another shape, or of no layer; OptionError, DisposedError. The model
 *   is then unchanged
 * @example
 * const model = new Sequential(core, [dense(784, 128), relu(), dense(128, 10)]);
 * importPytorch(model, await readFile("model.safetensors"));
 * @example
 * importPytorch(model, file, { names: { conv: "features.0", head: "classifier" } });
 */
export function importPytorch(
  model: Model,
  file: Uint8Array | ArrayBuffer | Safetensors,
  options: ImportPytorchOptions = {},
): void {
  if (!(model instanceof Model)) throw unexpected("model", model, "a Sequential or a Model");
  model.assertLive();
  checkKeys("options", options, ["names"]);
  const moduleOf = nameFunction(options.names);
  const { tensors } = toSafetensors(file);
  const used = new Set<string>();
  const loaded: [Tensor, Float32Array][] = [];
  const seen = new Set<unknown>();
  for (const { tensor, name, hasParameters } of model.nodes) {
    const layer = tensor.layer!;
    attempt(name, layer, () => checkOrder(tensor));
    if (!hasParameters || seen.has(layer)) continue;
    seen.add(layer);
    const sources = attempt(name, layer, () => torchSources(layer));
    const shapes = tensor.inputs.map(({ shape }) => shape);
    const order = attempt(name, layer, () => FEATURES.test(layer.kind) && featureOrder(tensor.inputs[0]!));
    for (const spec of [...layer.parameters(...shapes), ...layer.buffers(...shapes)]) {
      const key = `${name}.${spec.name}`;
      const source = sources[spec.name];
      if (source === undefined) throw new OptionError(`${key} has no tensor in PyTorch`);
      const read = source.keys.map((each) => {
        const path = `${moduleOf(name)}.${each}`;
        used.add(path);
        return readTensor(path, tensors, spec.shape, source);
      });
      const values = source.stacked ? stack(read) : add(read);
      const isOfFeatures = order && (layer.kind !== "dense" || spec.name === "weight");
      loaded.push([model.parameters[key] ?? model.buffers[key]!, isOfFeatures ? orderRows(values, order) : values]);
    }
  }
  const others = [...tensors.keys()].filter((name) => !used.has(name) && !name.endsWith("num_batches_tracked"));
  if (others.length > 0) throw new CheckpointError(`the file has ${listOf(others)}, which no layer takes`);
  for (const [tensor, values] of loaded) tensor.data.set(values);
}

function nameFunction(names: ImportPytorchOptions["names"]): (name: string) => string {
  if (typeof names !== "function" && names !== undefined && (typeof names !== "object" || names === null)) {
    throw unexpected("options.names", names, "a record or a function of names");
  }
  return (name) => {
    if (names === undefined) return name;
    const isRecord = typeof names !== "function";
    const found: unknown = isRecord ? (Object.hasOwn(names, name) ? names[name] : name) : names(name);
    if (typeof found === "string") return found;
    throw unexpected(isRecord ? `options.names[${name}]` : `options.names(${name})`, found, "a name");
  };
}

/** What `action` returns; an OptionError that it throws says which layer it is of. */
function attempt<T>(name: string, layer: Layer, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof OptionError) throw new OptionError(`layer ${name} (${layer.kind}): ${error.message}`);
    throw error;
  }
}

/** One tensor in our layout, of our shape; of a stacked one, a row of it. */
function readTensor(path: string, tensors: Safetensors["tensors"], own: Shape, source: TorchSource): Float32Array {
  const { stacked = false, part, blocks } = source;
  const shape = stacked ? own.slice(1) : own;
  const { axes = shape.map((_, axis) => axis) } = source;
  const stored = tensors.get(path);
  if (stored === undefined) throw new CheckpointError(`${quote(path)} is missing`);
  const view = shape.map((_, axis) => shape[axes.indexOf(axis)]!);
  const wanted = source.shape?.(view) ?? (part === undefined ? view : [part[1] * view[0]!, ...view.slice(1)]);
  if (`${stored.shape}` !== `${wanted}`) {
    throw new CheckpointError(`${quote(path)} has shape [${stored.shape}], expected [${wanted}]`);
  }
  if (!isFloat32Array(stored.data)) {
    throw new CheckpointError(`${quote(path)} is of dtype ${stored.dtype}, expected F32, F16 or BF16`);
  }
  const size = sizeOf(shape);
  const data = part === undefined ? stored.data : stored.data.subarray(part[0] * size, (part[0] + 1) * size);
  const values = transpose(data, view, axes);
  return blocks === undefined ? values : reorder(values, shape.at(-1)!, blocks);
}

/** A tensor of this shape with its axes in another order. */
function transpose(data: Float32Array, shape: Shape, axes: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const out = new Float32Array(data.length);
  const lengths = axes.map((axis) => shape[axis]!);
  const index = axes.map(() => 0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[from]!;
    for (let k = axes.length - 1; k >= 0; k--) {
      const stride = strides[axes[k]!]!;
      from += stride;
      if (++index[k]! < lengths[k]!) break;
      index[k] = 0;
      from -= stride * lengths[k]!;
    }
  }
  return out;
}

/** Rows whose blocks of columns are in another order. */
function reorder(values: Float32Array, columns: number, blocks: readonly number[]): Float32Array {
  const width = columns / blocks.length;
  return values.map((_, i) => {
    const column = i % columns;
    return values[i - column + blocks[Math.floor(column / width)]! * width + (column % width)]!;
  });
}

function add([first, second]: readonly Float32Array[]): Float32Array {
  return second === undefined ? first! : first!.map((value, i) => value + second[i]!);
}

function stack(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}
