import { checkKeys, unexpected } from "../checks.js";
import { Core } from "../core.js";
import { OptionError, ShapeError } from "../errors.js";
import type { Shape } from "../tensor.js";
import { Layer } from "./layer.js";
import { Model } from "./model.js";
import { input, type SymbolicTensor } from "./symbolic.js";

/** Options of `Sequential`. */
export interface SequentialOptions {
  /** Shape of a row of x, without the batch. Default: what the first layer that knows its inputs was made for. */
  inputShape?: Shape;
  /** Seed of the initial parameters, an integer from 0 to 2³² − 1; default 0. The same seed gives the same bits in every engine. */
  seed?: number;
}

/**
 * A stack of layers: a `Model` in which each layer reads the one before it. Parameters are named after their layer's
 * place in the list, or its name: `"0.weight"`, `"0.bias"`, `"2.weight"`, …
 *
 * @example
 * const model = new Sequential(core, [dense(128), relu(), dense(10)], { inputShape: [784], seed: 1 });
 */
export class Sequential extends Model {
  /**
   * @throws OptionError, ShapeError when a layer cannot take what the one before it gives, OutOfMemoryError
   */
  constructor(core: Core, layers: readonly Layer[], options: SequentialOptions = {}) {
    if (!(core instanceof Core)) throw unexpected("core", core, "a Core");
    checkKeys("options", options, ["inputShape", "seed"]);
    const { inputShape, ...rest } = options;
    const x = input(inputShape ?? inferShape(layers));
    checkLayers(layers);
    super(core, { inputs: x, outputs: applyAll(layers, x), ...rest });
  }

  protected override layerNames(layers: readonly Layer[]): Map<Layer, string> {
    const names = new Map<Layer, string>();
    for (const [i, layer] of layers.entries()) if (!names.has(layer)) names.set(layer, layer.name ?? String(i));
    return names;
  }
}

function checkLayers(layers: readonly Layer[]): void {
  if (!Array.isArray(layers)) throw unexpected("layers", layers, "an array of layers");
  if (layers.length === 0) throw new OptionError("layers is empty, expected at least one");
  const bad = Array.from(layers).findIndex((layer) => !(layer instanceof Layer));
  if (bad >= 0) throw unexpected(`layers[${bad}]`, layers[bad], "a layer such as dense(4, 2)");
}

/** The shape of x by the first layer that knows: those before it leave shapes as they are, or it is refused later. */
function inferShape(layers: readonly Layer[]): Shape {
  if (!Array.isArray(layers)) throw unexpected("layers", layers, "an array of layers");
  const known = layers.find((layer) => layer instanceof Layer && layer.inputShape !== undefined);
  if (known !== undefined) return known.inputShape!;
  throw new OptionError("options.inputShape is missing, expected the shape of a row of x, such as [784]");
}

function applyAll(layers: readonly Layer[], x: SymbolicTensor): SymbolicTensor {
  let y = x;
  for (const [i, layer] of layers.entries()) {
    const expected = layer.inputShape?.at(-1);
    const width = y.shape.at(-1);
    if (expected !== undefined && expected !== width) {
      const found = i === 0 ? `inputShape is [${x.shape}]` : `the layer before it has ${width} outputs`;
      throw new ShapeError(`layers[${i}] takes ${expected} inputs, but ${found}`);
    }
    try {
      y = layer.apply(y);
    } catch (error) {
      if (error instanceof ShapeError) throw new ShapeError(`layers[${i}]: ${error.message}`);
      throw error;
    }
  }
  return y;
}
