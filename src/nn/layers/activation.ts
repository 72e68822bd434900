import { ACTIVATION } from "../../backend/backend.js";
import { nnFamily } from "../../backend/families/nn.js";
import { unexpected } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import { Layer, type LayerConfig } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { checkName } from "./options.js";

/** Activations that go by name. */
export type ActivationName = "relu" | "tanh" | "sigmoid";

const NAMES: readonly string[] = ["relu", "tanh", "sigmoid"] satisfies ActivationName[];

/** What `relu`, `tanh`, `sigmoid` and `activation` make: a function of each element. */
export class ActivationLayer extends Layer {
  readonly kind = "activation";
  /** Which function; a loss may compute it together with itself. */
  readonly function: ActivationName;

  constructor(name: ActivationName, layerName?: string) {
    super(layerName);
    this.function = name;
  }

  override config(): LayerConfig {
    return { function: this.function };
  }

  override get activationName(): string {
    return this.function;
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const id = ACTIVATION[this.function];
    const y = builder.value(x.shape);
    builder.call(nnFamily, "activation_f32", [id, x.size, x, y], [x, y]);
    builder.backward(y, (dy) => {
      const dx = builder.gradient(x);
      const columns = x.rowSize;
      if (!dx) return;
      builder.call(nnFamily, "activation_backward_f32", [id, x.size / columns, columns, y, dy, dx, 0], [dy, dx]);
    });
    return y;
  }
}

/** max(x, 0); its derivative at 0 is 0. */
export function relu(): ActivationLayer {
  return new ActivationLayer("relu");
}

/** tanh(x), at most 2 ulp off. */
export function tanh(): ActivationLayer {
  return new ActivationLayer("tanh");
}

/** 1 / (1 + exp(−x)), at most 2 ulp off. */
export function sigmoid(): ActivationLayer {
  return new ActivationLayer("sigmoid");
}

/**
 * An activation by its name.
 *
 * @throws OptionError for a name that there is not
 * @example
 * const layers = [dense(16), activation("tanh"), dense(1)];
 */
export function activation(name: ActivationName, options: { name?: string } = {}): ActivationLayer {
  if (!NAMES.includes(name)) throw unexpected("name", name, `one of ${NAMES.map((known) => `"${known}"`).join(", ")}`);
  return new ActivationLayer(name, checkName(options.name));
}

/** The layer for an `activation` option, which is a name or a layer. */
export function activationOf(option: ActivationName | Layer | undefined): Layer | undefined {
  if (option === undefined || option instanceof Layer) return option;
  if (NAMES.includes(option)) return new ActivationLayer(option);
  throw unexpected("activation", option, `one of ${NAMES.map((known) => `"${known}"`).join(", ")}, or a layer`);
}
