import { reduceFamily } from "../../backend/families/reduce.js";
import { checkInteger } from "../../checks.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { Initializer } from "../initializers.js";
import { Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { checkEmbeddingOptions, type EmbeddingOptions } from "./embedding.js";
import { checkName, optionList } from "./options.js";

/** What `positionalEmbedding` makes. */
export class PositionalEmbeddingLayer extends Layer {
  readonly kind = "positionalEmbedding";
  readonly length: number;
  readonly initializer: Initializer;

  constructor(length: number, options: EmbeddingOptions) {
    checkInteger("length", length, 1);
    const { initializer } = checkEmbeddingOptions(options);
    super(checkName(options.name));
    this.length = length;
    this.initializer = initializer;
  }

  override config(): readonly unknown[] {
    return [this.length, ...optionList({ name: this.name })];
  }

  override outputShape(input: Shape): Shape {
    if (input.length !== 2 || input[0]! > this.length) {
      throw new ShapeError(
        `positionalEmbedding was applied to shape [${input}], expected [places, width] with at most ${this.length} places`,
      );
    }
    return input;
  }

  override parameters([, width]: Shape): readonly ParameterSpec[] {
    const { length, initializer } = this;
    return [{ name: "weight", shape: [length, width!], start: (random) => () => initializer(random, length, width!) }];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const weight = builder.parameter("weight");
    const { rowSize } = x;
    const y = builder.value(x.shape);
    // biome-ignore format: operand by operand, as in the kernel
    builder.call(reduceFamily, "add_rows_f32", [
      builder.rows, rowSize, x, rowSize, weight, 0, y, rowSize,
    ], [x, y]);
    builder.backward(y, (dy) => {
      const dweight = builder.gradient(weight);
      if (dweight) {
        builder.call(reduceFamily, "sum_f32", [1, builder.rows, rowSize, dy, dweight]);
        // Places that no row has: sums of nothing.
        const rest = weight.size - rowSize;
        if (rest > 0) builder.call(reduceFamily, "sum_f32", [1, 0, rest, dy, dweight.at(rowSize)]);
      }
      builder.passGradient(x, dy);
    });
    return y;
  }
}

/**
 * Adds a trained vector to each place of a sequence: y[t, :] = x[t, :] + weight[t, :]. It tells attention the order.
 *
 * Parameters: `weight` [length, width].
 *
 * @param length the most places that a sequence has, >= 1
 * @param options see `EmbeddingOptions`
 * @throws OptionError
 * @example
 * const layers = [embedding(50, 32), positionalEmbedding(16), multiHeadAttention(4, { causal: true })];
 */
export function positionalEmbedding(length: number, options: EmbeddingOptions = {}): PositionalEmbeddingLayer {
  return new PositionalEmbeddingLayer(length, options);
}
