import { checkInteger, describe, unexpected } from "../checks.js";
import { ShapeError } from "../errors.js";
import { type Shape, sizeOf } from "../tensor.js";
import type { Layer } from "./layer.js";

/** Tensors made so far: their order decides the order of a model's layers. */
let count = 0;

/** A tensor that has a shape but no numbers yet: an input of a model, or what a layer makes of others. */
export class SymbolicTensor {
  /** Of one row, without the batch. */
  readonly shape: Shape;
  /** Elements of one row. */
  readonly size: number;
  /** The layer that it is the output of; undefined for an input. */
  readonly layer: Layer | undefined;
  readonly inputs: readonly SymbolicTensor[];
  /** @internal */
  readonly order: number = count++;

  private constructor(shape: Shape, layer: Layer | undefined, inputs: readonly SymbolicTensor[]) {
    this.shape = Object.freeze([...shape]);
    this.size = sizeOf(shape);
    this.layer = layer;
    this.inputs = inputs;
  }

  /** @internal */
  static input(shape: Shape): SymbolicTensor {
    return new SymbolicTensor(checkShape("shape", shape), undefined, []);
  }

  /** The output of a layer. @internal */
  static of(layer: Layer, inputs: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor {
    const all = Array.isArray(inputs) ? [...(inputs as SymbolicTensor[])] : [inputs as SymbolicTensor];
    all.forEach((tensor, i) => {
      const name = Array.isArray(inputs) ? `inputs[${i}]` : "inputs";
      if (!(tensor instanceof SymbolicTensor)) throw unexpected(name, tensor, "what input() or apply() returned");
    });
    if (all.length === 0) throw unexpected("inputs", inputs, "at least one symbolic tensor");
    const { length } = layer.outputShape;
    if (length === 1 && all.length > 1) {
      throw new ShapeError(`${layer.kind} was applied to ${all.length} inputs, expected one: concat() joins several`);
    }
    const shape = layer.outputShape(...all.map((tensor) => tensor.shape));
    return new SymbolicTensor(shape, layer, all);
  }
}

/**
 * An input of a `Model`.
 *
 * @param shape of one row, without the batch: integers >= 1
 * @throws OptionError, ShapeError
 * @example
 * const x = input([28, 28, 1]);
 */
export function input(shape: Shape): SymbolicTensor {
  return SymbolicTensor.input(shape);
}

/** Throws unless `shape` is an array of integers >= 1. */
export function checkShape(name: string, shape: Shape): Shape {
  if (!Array.isArray(shape)) throw new ShapeError(`${name} is ${describe(shape)}, expected an array of integers >= 1`);
  for (const [axis, size] of shape.entries()) checkInteger(`${name}[${axis}]`, size, 1);
  return shape;
}
