import { nnFamily } from "../../backend/families/nn.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { Layer } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";

/** What `add` makes. */
export class AddLayer extends Layer {
  readonly kind = "add";

  override outputShape(...inputs: readonly Shape[]): Shape {
    const [first] = inputs;
    const other = inputs.find((shape) => String(shape) !== String(first));
    if (first === undefined || inputs.length < 2)
      throw new ShapeError("add was applied to one tensor, expected several");
    if (other !== undefined)
      throw new ShapeError(`add was applied to shapes [${first}] and [${other}], expected equal ones`);
    return first;
  }

  override plan(builder: PlanBuilder, ...inputs: readonly Value[]): Value {
    let sum = inputs[0]!;
    for (const x of inputs.slice(1)) {
      const y = builder.value(x.shape);
      builder.call(nnFamily, "add_f32", [x.size, sum, x, y], [sum, y]);
      sum = y;
    }
    builder.backward(sum, (dy) => {
      for (const x of inputs) builder.passGradient(x, dy);
    });
    return sum;
  }
}

/**
 * The sum of several tensors of the same shape, added from left to right: y = (a + b) + c.
 *
 * @example
 * const x = input([16]);
 * const y = add().apply([x, dense(16, { activation: "relu" }).apply(x)]); // a residual connection
 */
export function add(): AddLayer {
  return new AddLayer();
}
