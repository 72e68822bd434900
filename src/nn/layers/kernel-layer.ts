import { ACTIVATION } from "../../backend/backend.js";
import { nnFamily } from "../../backend/families/nn.js";
import { checkBoolean, unexpected } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import { glorotUniform, type Initializer } from "../initializers.js";
import { Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { type ActivationName, activationConfig, activationOf } from "./activation.js";
import { checkName, optionList } from "./options.js";

/** Options that all convolutions share. */
export interface KernelOptions {
  /** Applied to the output. Default: none. */
  activation?: ActivationName | Layer;
  /** Adds a vector, one number for each channel of the output. Default true; it starts at 0. */
  bias?: boolean;
  /** Start values of the weights, from the fan-in and fan-out that Keras counts. Default `glorotUniform()`. */
  initializer?: Initializer;
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

export const KERNEL_OPTIONS = ["activation", "bias", "initializer", "name"] as const;

/** A layer whose weight slides over an image. */
export abstract class KernelLayer extends Layer {
  readonly bias: boolean;
  readonly initializer: Initializer;

  constructor(options: KernelOptions) {
    const { activation, bias = true, initializer = glorotUniform(), name } = options;
    checkBoolean("bias", bias);
    if (typeof initializer !== "function")
      throw unexpected("initializer", initializer, "a function such as heNormal()");
    super(checkName(name), activationOf(activation));
    this.bias = bias;
    this.initializer = initializer;
  }

  /** The end of `config()`: these options and those that every such layer has. */
  protected options(own: object): readonly unknown[] {
    const { bias, name } = this;
    return optionList({ ...own, bias, activation: activationConfig(this.activation), name });
  }

  /** A weight whose last two axes are inputs and outputs of a tap, as Keras counts them. */
  protected weight(name: string, shape: Shape): ParameterSpec {
    const { initializer } = this;
    const taps = shape.slice(0, -2).reduce((product, size) => product * size, 1);
    const [fanIn, fanOut] = [shape.at(-2)! * taps, shape.at(-1)! * taps];
    return { name, shape, start: (random) => () => initializer(random, fanIn, fanOut) };
  }

  /** The bias, if there is one. */
  protected biasOf(channels: number): readonly ParameterSpec[] {
    return this.bias ? [{ name: "bias", shape: [channels] }] : [];
  }
}

/** Emits the gradient of a bias: the sum of dy over all pixels. */
export function planBiasGradient(builder: PlanBuilder, bias: Value | undefined, dy: Value): void {
  const dbias = bias && builder.gradient(bias);
  if (!dbias) return;
  const { identity } = ACTIVATION;
  const channels = dbias.size;
  builder.call(nnFamily, "activation_backward_f32", [identity, dy.size / channels, channels, dy, dy, dy, dbias]);
}
