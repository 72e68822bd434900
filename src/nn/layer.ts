import { unexpected } from "../checks.js";
import type { Random } from "../random.js";
import type { Shape } from "../tensor.js";
import type { PlanBuilder } from "./plan-builder.js";
import { SymbolicTensor } from "./symbolic.js";
import type { Value } from "./value.js";

/** A trained tensor of a layer. */
export interface ParameterSpec {
  /** Its name inside the layer: `"weight"`. The model's is `"<layer>.<name>"`. */
  readonly name: string;
  readonly shape: Shape;
  /**
   * Returns the start value of each element, asked for in ascending order of the flat index. Default: zeros.
   *
   * @param random the model's stream of random numbers
   */
  start?(random: Random): (index: number) => number;
}

/** State of a layer that is not trained, such as a moving average. */
export interface BufferSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Start value of every element. */
  readonly value: number;
}

/** What a layer can be made from again. */
export interface LayerConfig {
  /** The layer's `kind`, which is the name of the function that makes it. */
  readonly kind: string;
  /** The arguments of that function; a layer among them is such a record too. */
  readonly args: readonly unknown[];
}

/**
 * A layer: what it does to shapes, the parameters it has, and the kernel calls it amounts to. It is a plain value
 * without memory: the same layer can be part of several models, and applied several times in one it shares its
 * parameters. Layers of your own extend this class.
 *
 * @example
 * class Double extends Layer {
 *   readonly kind = "double";
 *   outputShape(input: Shape): Shape {
 *     return input;
 *   }
 *   plan(builder: PlanBuilder, x: Value): Value {
 *     const y = builder.value(x.shape);
 *     builder.call(nnFamily, "scale_f32", [x.size, 2, x, y], [x, y]);
 *     builder.backward(y, (dy) => {
 *       const dx = builder.gradient(x);
 *       if (dx) builder.call(nnFamily, "scale_f32", [x.size, 2, dy, dx], [dy, dx]);
 *     });
 *     return y;
 *   }
 * }
 */
export abstract class Layer {
  /** What kind of layer it is, the same in every engine and after minification: `"dense"`. */
  abstract readonly kind: string;
  /** The name it was given, if any. */
  readonly name: string | undefined;
  /** An activation that is part of this layer and applied to its output. */
  readonly activation: Layer | undefined;

  constructor(name?: string, activation?: Layer) {
    this.name = name;
    this.activation = activation;
  }

  /**
   * The arguments that the function named `kind` makes an equal layer from, for `saveModel`: JSON without null. Functions
   * such as initializers are left out, a layer among the arguments is `layerConfig(layer)`. Default: none.
   */
  config(): readonly unknown[] {
    return [];
  }

  /** Whether it carries state over from batch to batch, row by row: a batch is then computed as a whole. */
  get carriesState(): boolean {
    return false;
  }

  /** The name of the function that the layer is, if it is one: a loss may compute it together with itself. */
  get activationName(): string | undefined {
    return undefined;
  }

  /** The shape of an input that the layer was made for, where it knows. */
  get inputShape(): Shape | undefined {
    return undefined;
  }

  /**
   * The shape of a row of its output from those of its inputs, without the batch. With a single parameter, `(x)`, the
   * layer takes one input; a layer of several has a rest parameter, `(...inputs)`.
   *
   * @throws ShapeError if it cannot take such inputs
   */
  abstract outputShape(...inputs: readonly Shape[]): Shape;

  /** Its parameters, for inputs of these shapes. */
  parameters(..._inputs: readonly Shape[]): readonly ParameterSpec[] {
    return [];
  }

  /** Its buffers, for inputs of these shapes. */
  buffers(..._inputs: readonly Shape[]): readonly BufferSpec[] {
    return [];
  }

  /**
   * Throws OptionError unless the layer can take these elements, naming `${name}[i]`: for layers whose inputs are no
   * arbitrary numbers. It is called with each batch that the layer reads as an input of the model.
   */
  checkInput?(name: string, elements: ArrayLike<number>): void;

  /** Emits the kernel calls of the forward pass and, by `builder.backward`, those of the backward pass. */
  abstract plan(builder: PlanBuilder, ...inputs: readonly Value[]): Value;

  /**
   * The layer's output for symbolic inputs, to make a `Model` of.
   *
   * @param inputs a symbolic tensor, or an array of them for layers such as `add()`
   * @throws ShapeError
   */
  apply(inputs: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor {
    return SymbolicTensor.of(this, inputs);
  }
}

/** A layer that is an argument of another layer, in what `Layer.config` returns. */
export function layerConfig(layer: Layer): LayerConfig {
  if (!(layer instanceof Layer)) throw unexpected("layer", layer, "a Layer");
  return { kind: layer.kind, args: layer.config() };
}
