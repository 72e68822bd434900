import { dropoutFamily } from "../../backend/families/dropout.js";
import { unexpected } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import { Layer } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";

/** What `dropout` makes. */
export class DropoutLayer extends Layer {
  readonly kind = "dropout";
  readonly rate: number;

  constructor(rate: number) {
    super();
    if (!(typeof rate === "number" && rate >= 0 && rate <= 1 - 2 ** -24)) {
      throw unexpected("rate", rate, "a number >= 0 and < 1");
    }
    this.rate = rate;
  }

  override config(): readonly unknown[] {
    return [this.rate];
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    if (!builder.training) return x;
    const threshold = Math.floor(this.rate * 2 ** 32);
    const scale = 1 / (1 - this.rate);
    const seed = builder.seed();
    const y = builder.value(x.shape);
    builder.call(dropoutFamily, "dropout_f32", [x.size, x, y, seed, threshold, scale], [x, y]);
    builder.backward(y, (dy) => {
      const dx = builder.gradient(x);
      if (dx) builder.call(dropoutFamily, "dropout_f32", [x.size, dy, dx, seed, threshold, scale], [dy, dx]);
    });
    return y;
  }
}

/**
 * In training, each element becomes 0 with probability `rate`, and is multiplied by 1 / (1 − rate) otherwise. In prediction
 * nothing changes. The mask is a function of the trainer's seed, the step and the element: the same in every engine.
 *
 * @param rate from 0 to below 1
 * @throws OptionError
 */
export function dropout(rate: number): DropoutLayer {
  return new DropoutLayer(rate);
}
