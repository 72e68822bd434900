import type { Core } from "../../core.js";
import { LanewiseError } from "../../errors.js";
import type { Layer } from "../../nn/layer.js";
import { Model } from "../../nn/model.js";
import { input, type SymbolicTensor } from "../../nn/symbolic.js";
import { convertLayer, weightsOf } from "./layers.js";
import {
  isContainer,
  rowShape,
  type TfLayer,
  type TfModel,
  type TfSymbol,
  type TfWeight,
  Unsupported,
} from "./tfjs-model.js";

/** The layers of a model, connected as TensorFlow.js has them. */
export interface Graph {
  readonly inputs: readonly SymbolicTensor[];
  readonly outputs: readonly SymbolicTensor[];
  /** Each layer of TensorFlow.js once; without ours where it does nothing. */
  readonly layers: ReadonlyMap<TfLayer, Layer | undefined>;
}

/** Why parts of a model are left to TensorFlow.js, by their names. */
export type Reasons = Record<string, string>;

/** Runs `convert`; a failure is a reason, anything else is thrown. */
export function attempt<T>(name: string, reasons: Reasons, convert: () => T): T | undefined {
  try {
    return convert();
  } catch (error) {
    if (!(error instanceof Unsupported || error instanceof LanewiseError)) throw error;
    reasons[name] = error instanceof Unsupported ? `Lanewise lacks ${error.message}` : error.message;
    return undefined;
  }
}

/** Converts the graph. What cannot be is named in `reasons`; the graph is then of no use. */
export function convertGraph(model: TfModel, reasons: Reasons): Graph {
  const layers = new Map<TfLayer, Layer | undefined>();
  /** For a layer that is left, so that those behind it can be looked at. */
  const placeholder = (symbol: TfSymbol): SymbolicTensor => input(symbol.shape.slice(1).map((size) => size ?? 1));

  const apply = (symbol: TfSymbol, xs: readonly SymbolicTensor[]): SymbolicTensor => {
    const { sourceLayer } = symbol;
    const y = attempt(sourceLayer.name, reasons, () => {
      if (!layers.has(sourceLayer)) {
        const place = { inputs: xs.map(({ shape }) => shape), output: rowShape(symbol) };
        layers.set(sourceLayer, convertLayer(sourceLayer, place));
      }
      const layer = layers.get(sourceLayer);
      if (layer === undefined) return xs[0]!;
      if (layer.checkInput !== undefined && xs.some((x) => x.layer !== undefined)) {
        throw new Unsupported("ids that other layers compute");
      }
      const applied = layer.apply(xs);
      if (String(applied.shape) !== String(rowShape(symbol))) {
        throw new Unsupported(`a layer that makes shape [${symbol.shape.slice(1)}] of [${xs[0]!.shape}]`);
      }
      return applied;
    });
    return y ?? placeholder(symbol);
  };

  const resolve = (symbol: TfSymbol, known: Map<TfSymbol, SymbolicTensor>): SymbolicTensor => {
    const found = known.get(symbol);
    if (found !== undefined) return found;
    const { sourceLayer, nodeIndex, tensorIndex } = symbol;
    const { inputTensors } = sourceLayer.inboundNodes[nodeIndex]!;
    if (inputTensors.length === 0) throw new Unsupported(`the input ${sourceLayer.name}`);
    const xs = inputTensors.map((each) => resolve(each, known));
    let y: SymbolicTensor;
    if (isContainer(sourceLayer)) {
      const inner = new Map(sourceLayer.inputs.map((each, i) => [each, xs[i]!]));
      y = resolve(sourceLayer.outputs[tensorIndex]!, inner);
    } else y = apply(symbol, xs);
    known.set(symbol, y);
    return y;
  };

  const inputs = model.inputs.map(
    (symbol) => attempt(symbol.sourceLayer.name, reasons, () => input(rowShape(symbol))) ?? placeholder(symbol),
  );
  const known = new Map(model.inputs.map((symbol, i) => [symbol, inputs[i]!]));
  const outputs = model.outputs.map((symbol) => {
    return attempt(symbol.sourceLayer.name, reasons, () => resolve(symbol, known)) ?? placeholder(symbol);
  });
  return { inputs, outputs, layers };
}

/** A weight of TensorFlow.js, and the name of the tensor of a model of Lanewise that takes its place. */
export interface Binding {
  readonly name: string;
  readonly weight: TfWeight;
}

/** A model of the graph with random weights, and which weights are to be in their place. Throws Unsupported. */
export function buildModel(core: Core, { inputs, outputs, layers }: Graph): { model: Model; bindings: Binding[] } {
  const model = new Model(core, { inputs, outputs });
  try {
    const names = new Map(model.nodes.map(({ tensor, name }) => [tensor.layer!, name]));
    const bindings = [...layers].flatMap(([theirs, ours]) => {
      if (ours === undefined) return [];
      return weightsOf(theirs).map(([name, weight]) => ({ name: `${names.get(ours)}.${name}`, weight }));
    });
    const tensors = { ...model.parameters, ...model.buffers };
    const bound = new Set(bindings.map(({ name }) => name));
    const missing = Object.keys(tensors).find((name) => !bound.has(name));
    const bad = bindings.find(({ name, weight }) => tensors[name]?.size !== weight.read().size);
    if (missing !== undefined || bad !== undefined || bound.size !== bindings.length) {
      throw new Unsupported(`a layer with the weight ${bad?.weight.originalName ?? missing}`);
    }
    return { model, bindings };
  } catch (error) {
    model.dispose();
    throw error;
  }
}
