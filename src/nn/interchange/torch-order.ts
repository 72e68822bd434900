import { UNARY } from "../../backend/unary.js";
import { OptionError } from "../../errors.js";
import { type Shape, sizeOf } from "../../tensor.js";
import type { GroupNormLayer } from "../layers/group-norm.js";
import type { SymbolicTensor } from "../symbolic.js";

/**
 * The features of a row: blocks of [places, channels], one after the other. Here the channels of a place are neighbors,
 * in PyTorch the places of a channel are.
 */
export type FeatureOrder = readonly (readonly [places: number, channels: number])[];

/** The order of the last axis. Throws OptionError where tensors of several orders are added. */
export function featureOrder({ layer, inputs, shape }: SymbolicTensor): FeatureOrder {
  const same: FeatureOrder = [[1, shape.at(-1) ?? 1]];
  if (layer === undefined) return same;
  const { kind } = layer;
  const [x] = inputs as [SymbolicTensor];
  if (kind === "flatten" || (kind === "reshape" && shape.length === 1)) {
    if (x.shape.length === 1) return featureOrder(x);
    return hasChannelsFirst(x) ? [[sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]] : same;
  }
  if (keepsOrder(kind)) return featureOrder(x);
  if (kind === "concat" && shape.length === 1) return inputs.flatMap(featureOrder);
  if (kind !== "add") return same;
  const [first, ...others] = inputs.map(featureOrder) as [FeatureOrder, ...FeatureOrder[]];
  for (const other of others) {
    if (moved(first).join() === moved(other).join()) continue;
    throw new OptionError("its inputs have their features in different orders in PyTorch, expected the same order");
  }
  return first;
}

/** The parameters of features, a row each of `values`, from PyTorch's order to ours. */
export function orderRows(values: Float32Array, order: FeatureOrder): Float32Array {
  const columns = values.length / order.reduce((sum, [places, channels]) => sum + places * channels, 0);
  const out = new Float32Array(values.length);
  let begin = 0;
  for (const [places, channels] of order) {
    for (let i = 0; i < places * channels; i++) {
      const from = begin + (i % channels) * places + Math.floor(i / channels);
      out.set(values.subarray(from * columns, (from + 1) * columns), (begin + i) * columns);
    }
    begin += places * channels;
  }
  return out;
}

/** Throws OptionError for a layer that depends on the order of features in a way that no parameters can make up for. */
export function checkOrder({ layer, inputs, shape }: SymbolicTensor): void {
  const [x] = inputs as [SymbolicTensor];
  if (layer?.kind === "groupNorm") {
    const { groups } = layer as GroupNormLayer;
    const channels = shape.at(-1)!;
    if (groups === 1 || groups === channels || moved(featureOrder(x)).length === 0) return;
    throw new OptionError(
      `its ${groups} groups are of other features than in PyTorch, where the channels of what was flattened come first; expected 1 or ${channels} groups`,
    );
  }
  if (layer?.kind !== "reshape" || shape.length === 1) return;
  const isMoved = x.shape.length === 1 ? moved(featureOrder(x)).length > 0 : hasChannelsFirst(x) && !isTrivial(x.shape);
  const becomesImage = shape.length === 3 && !isTrivial(shape);
  const keepsChannels = x.shape.length > 1 && x.shape.at(-1) === shape.at(-1);
  if (keepsChannels || !(isMoved || becomesImage)) return;
  throw new OptionError(
    `it makes [${shape}] of [${x.shape}] with the channels last, PyTorch with the channels first; expected a model without it`,
  );
}

/** The blocks whose order differs, with where they begin. */
function moved(order: FeatureOrder): string[] {
  let begin = 0;
  return order.flatMap(([places, channels]) => {
    const block = `${begin}:${places}:${channels}`;
    begin += places * channels;
    return isTrivial([places, channels]) ? [] : [block];
  });
}

/** Whether a shape has one place or one channel, so that the order of its axes does not matter. */
function isTrivial(shape: Shape): boolean {
  const channels = shape.at(-1)!;
  return channels === 1 || channels === sizeOf(shape);
}

/** Whether PyTorch has the channels before the places: of images, and of what 1-D convolutions and pooling make. */
function hasChannelsFirst(x: SymbolicTensor): boolean {
  let tensor = x;
  while (tensor.layer !== undefined && (keepsOrder(tensor.layer.kind) || /^(add|concat)$/.test(tensor.layer.kind))) {
    tensor = tensor.inputs[0]!;
  }
  return x.shape.length === 3 || (x.shape.length === 2 && /1d$/.test(tensor.layer?.kind ?? ""));
}

/** Whether a layer of this kind leaves each feature where it is. */
function keepsOrder(kind: string): boolean {
  return Object.hasOwn(UNARY, kind) || /^(relu|tanh|sigmoid|dropout|(logS|s)oftmax|prelu|\w*Norm)$/.test(kind);
}
