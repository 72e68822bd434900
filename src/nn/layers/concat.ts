import { reduceFamily } from "../../backend/families/reduce.js";
import { checkInteger } from "../../checks.js";
import { ShapeError } from "../../errors.js";
import { type Shape, sizeOf } from "../../tensor.js";
import { Layer } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";

/** What `concat` makes. */
export class ConcatLayer extends Layer {
  readonly kind = "concat";
  readonly axis: number;

  constructor(axis: number) {
    super();
    checkInteger("axis", axis, -1);
    this.axis = axis;
  }

  override config(): readonly unknown[] {
    return [this.axis];
  }

  override outputShape(...inputs: readonly Shape[]): Shape {
    const first = inputs[0]!;
    const axis = this.#axisOf(first);
    if (axis >= first.length) throw new ShapeError(`concat along axis ${this.axis} was applied to shape [${first}]`);
    const others = (shape: Shape) => String(shape.filter((_, i) => i !== axis));
    const bad = inputs.find((shape) => shape.length !== first.length || others(shape) !== others(first));
    if (bad !== undefined) {
      throw new ShapeError(
        `concat was applied to shapes [${first}] and [${bad}], expected equal ones but for axis ${axis}`,
      );
    }
    const length = inputs.reduce((sum, shape) => sum + shape[axis]!, 0);
    return first.map((size, i) => (i === axis ? length : size));
  }

  override plan(builder: PlanBuilder, ...inputs: readonly Value[]): Value {
    const y = builder.value(this.outputShape(...inputs.map(({ shape }) => shape)));
    const axis = this.#axisOf(y.shape);
    const outer = builder.rows * sizeOf(y.shape.slice(0, axis));
    const whole = y.size / outer;
    let at = 0;
    const parts = inputs.map((x) => {
      const part = { x, width: x.size / outer, at };
      at += part.width;
      return part;
    });
    for (const { x, width, at } of parts) {
      builder.call(reduceFamily, "copy_rows_f32", [outer, width, x, width, y.at(at), whole]);
    }
    builder.backward(y, (dy) => {
      for (const { x, width, at } of parts) {
        const dx = builder.gradient(x);
        if (dx) builder.call(reduceFamily, "copy_rows_f32", [outer, width, dy.at(at), whole, dx, width]);
      }
    });
    return y;
  }

  #axisOf(shape: Shape): number {
    return this.axis < 0 ? shape.length - 1 : this.axis;
  }
}

/**
 * Puts several tensors one after the other along an axis.
 *
 * @param axis of a row, without the batch, from 0; −1, the default, is the last one
 * @throws OptionError
 * @example
 * const [a, b] = [input([3]), input([5])];
 * const y = concat().apply([a, b]); // [8]
 */
export function concat(axis = -1): ConcatLayer {
  return new ConcatLayer(axis);
}
