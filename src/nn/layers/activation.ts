import { ACTIVATION } from "../../backend/backend.js";
import { nnFamily } from "../../backend/families/nn.js";
import type { KernelFamily } from "../../backend/family.js";
import { checkKeys, unexpected } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import { Layer, layerConfig } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { lastAxis } from "./norm-options.js";
import { checkName, optionList } from "./options.js";

/** Activations that options of other layers know by name: those whose kernels every network has. */
export type ActivationName = "relu" | "tanh" | "sigmoid" | "softmax";

/** @see ActivationName */
export const ACTIVATION_NAMES: readonly string[] = ["relu", "tanh", "sigmoid", "softmax"] satisfies ActivationName[];

/** Options that every activation has. */
export interface ActivationOptions {
  /** Its name. Default: its number. */
  name?: string;
}

/** What `relu`, `tanh`, `sigmoid` and `softmax` make; the first three are functions of each element. */
export class ActivationLayer extends Layer {
  readonly kind: ActivationName;
  /** Which function; a loss may compute it together with itself. */
  readonly function: ActivationName;

  constructor(name: ActivationName, layerName?: string) {
    super(checkName(layerName));
    this.kind = name;
    this.function = name;
  }

  override config(): readonly unknown[] {
    return optionList({ name: this.name });
  }

  override get activationName(): string {
    return this.function;
  }

  override outputShape(input: Shape): Shape {
    if (this.function === "softmax") lastAxis("softmax", input);
    return input;
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    if (this.function === "softmax") return planRows(builder, x, nnFamily, "softmax_f32", "softmax_backward_f32");
    const y = builder.value(x.shape);
    const id = ACTIVATION[this.function];
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
export function relu(options: ActivationOptions = {}): ActivationLayer {
  return plain("relu", options);
}

/** tanh(x), at most 2 ulp off. */
export function tanh(options: ActivationOptions = {}): ActivationLayer {
  return plain("tanh", options);
}

/** 1 / (1 + exp(−x)), at most 2 ulp off. */
export function sigmoid(options: ActivationOptions = {}): ActivationLayer {
  return plain("sigmoid", options);
}

/** eˣ / Σ eˣ along the last axis. `softmaxCrossEntropy` computes it together with itself. */
export function softmax(options: ActivationOptions = {}): ActivationLayer {
  return plain("softmax", options);
}

/** Plans a function of the rows of x, whose gradient is computed from its result. */
export function planRows<K>(
  builder: PlanBuilder,
  x: Value,
  family: KernelFamily<K>,
  forward: keyof K & string,
  backward: keyof K & string,
): Value {
  const columns = x.shape.at(-1)!;
  const rows = x.size / columns;
  const y = builder.value(x.shape);
  builder.call(family, forward, [rows, columns, x, y], [x, y]);
  builder.backward(y, (dy) => {
    const dx = builder.gradient(x);
    if (dx) builder.call(family, backward, [rows, columns, y, dy, dx], [dy, dx]);
  });
  return y;
}

function plain(name: ActivationName, options: ActivationOptions): ActivationLayer {
  checkKeys("options", options, ["name"]);
  return new ActivationLayer(name, options.name);
}

/** The layer for an `activation` option, which is a name or a layer. */
export function activationOf(option: ActivationName | Layer | undefined): Layer | undefined {
  if (option === undefined || option instanceof Layer) return option;
  if (ACTIVATION_NAMES.includes(option)) return new ActivationLayer(option);
  const names = ACTIVATION_NAMES.map((name) => `"${name}"`).join(", ");
  throw unexpected("activation", option, `one of ${names}, or a layer: gelu() instead of "gelu"`);
}

/** An `activation` option as `Layer.config` has it. */
export function activationConfig(layer: Layer | undefined): unknown {
  if (layer instanceof ActivationLayer && layer.name === undefined) return layer.function;
  return layer && layerConfig(layer);
}
