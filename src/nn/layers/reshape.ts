import { ShapeError } from "../../errors.js";
import { type Shape, sizeOf } from "../../tensor.js";
import { Layer } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import { checkShape } from "../symbolic.js";
import type { Value } from "../value.js";

/** What `reshape` and `flatten` make: the same elements in another shape. Nothing is computed or copied. */
export class ReshapeLayer extends Layer {
  readonly kind: "reshape" | "flatten";
  /** Undefined for `flatten`. */
  readonly shape: Shape | undefined;

  constructor(shape: Shape | undefined) {
    super();
    this.kind = shape === undefined ? "flatten" : "reshape";
    this.shape = shape === undefined ? undefined : Object.freeze([...checkShape("shape", shape)]);
  }

  override config(): readonly unknown[] {
    return this.shape === undefined ? [] : [this.shape];
  }

  override outputShape(input: Shape): Shape {
    const shape = this.shape ?? [sizeOf(input)];
    if (sizeOf(shape) !== sizeOf(input)) {
      throw new ShapeError(
        `reshape to [${shape}] was applied to shape [${input}], which has ${sizeOf(input)} elements`,
      );
    }
    return shape;
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    return builder.view(x, this.outputShape(x.shape));
  }
}

/** Makes a row of the batch one-dimensional: [28, 28, 1] becomes [784]. */
export function flatten(): ReshapeLayer {
  return new ReshapeLayer(undefined);
}

/**
 * Gives a row of the batch another shape with as many elements.
 *
 * @param shape of a row, without the batch
 * @throws OptionError, ShapeError
 */
export function reshape(shape: Shape): ReshapeLayer {
  return new ReshapeLayer(shape);
}
