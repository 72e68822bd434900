import { ACTIVATION } from "../../backend/backend.js";
import { nnFamily } from "../../backend/families/nn.js";
import { checkBoolean, checkInteger, checkKeys, unexpected } from "../../checks.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { glorotUniform, type Initializer } from "../initializers.js";
import { Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import { multiply } from "../products.js";
import type { Value } from "../value.js";
import { type ActivationName, activationConfig, activationOf } from "./activation.js";
import { checkName, optionList } from "./options.js";

/** Options of `dense`. */
export interface DenseOptions {
  /** Applied to the output. Default: none. */
  activation?: ActivationName | Layer;
  /** Adds a vector to the product. Default true; it starts at 0. */
  bias?: boolean;
  /** Start values of the weights. Default `glorotUniform()`. */
  initializer?: Initializer;
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

/** What `dense` makes. */
export class DenseLayer extends Layer {
  readonly kind = "dense";
  /** Width of x; undefined if it is taken from the shape before the layer. */
  readonly inputs: number | undefined;
  readonly outputs: number;
  readonly bias: boolean;
  readonly initializer: Initializer;

  constructor(inputs: number | undefined, outputs: number, options: DenseOptions) {
    checkKeys("options", options, ["activation", "bias", "initializer", "name"]);
    const { bias = true, initializer = glorotUniform(), activation, name } = options;
    checkBoolean("bias", bias);
    if (typeof initializer !== "function") {
      throw unexpected("initializer", initializer, "a function such as heNormal()");
    }
    super(checkName(name), activationOf(activation));
    this.inputs = inputs;
    this.outputs = outputs;
    this.bias = bias;
    this.initializer = initializer;
  }

  override config(): readonly unknown[] {
    const { inputs, outputs, bias, name } = this;
    const options = optionList({ bias, activation: activationConfig(this.activation), name });
    return inputs === undefined ? [outputs, ...options] : [inputs, outputs, ...options];
  }

  override get inputShape(): Shape | undefined {
    return this.inputs === undefined ? undefined : [this.inputs];
  }

  override outputShape(input: Shape): Shape {
    const width = input.at(-1);
    if (width === undefined || (this.inputs !== undefined && width !== this.inputs)) {
      const expected = this.inputs === undefined ? "at least one axis" : `a last axis of ${this.inputs}`;
      throw new ShapeError(`dense was applied to shape [${input}], expected ${expected}`);
    }
    return [...input.slice(0, -1), this.outputs];
  }

  override parameters(input: Shape): readonly ParameterSpec[] {
    const inputs = input.at(-1)!;
    const { outputs, initializer } = this;
    const weight: ParameterSpec = {
      name: "weight",
      shape: [inputs, outputs],
      start: (random) => () => initializer(random, inputs, outputs),
    };
    return this.bias ? [weight, { name: "bias", shape: [outputs] }] : [weight];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const inputs = x.shape.at(-1)!;
    const { outputs } = this;
    const rows = x.size / inputs;
    const weight = builder.parameter("weight");
    const bias = this.bias ? builder.parameter("bias") : undefined;
    const y = builder.value(this.outputShape(x.shape));
    multiply(builder, { m: rows, n: outputs, k: inputs, a: x, b: weight, c: y, bias });
    builder.backward(y, (dy) => {
      const dbias = bias && builder.gradient(bias);
      if (dbias) {
        const { identity } = ACTIVATION;
        builder.call(nnFamily, "activation_backward_f32", [identity, rows, outputs, dy, dy, dy, dbias]);
      }
      const dweight = builder.gradient(weight);
      if (dweight) multiply(builder, { m: inputs, n: outputs, k: rows, a: x, transposeA: true, b: dy, c: dweight });
      const dx = builder.gradient(x);
      if (dx) multiply(builder, { m: rows, n: inputs, k: outputs, a: dy, b: weight, transposeB: true, c: dx });
    });
    return y;
  }
}

/**
 * A dense layer: y = x·W + b, with W [inputs, outputs] and b [outputs], along the last axis of x.
 *
 * @param outputs width of y, >= 1; with one more number before it the width of x, which else follows from the layer before
 * @param options see `DenseOptions`
 * @throws OptionError
 * @example
 * const layers = [dense(128, { initializer: heNormal(), activation: "relu" }), dense(10)];
 */
export function dense(outputs: number, options?: DenseOptions): DenseLayer;
export function dense(inputs: number, outputs: number, options?: DenseOptions): DenseLayer;
export function dense(first: number, second?: number | DenseOptions, third: DenseOptions = {}): DenseLayer {
  if (typeof second !== "number") {
    checkInteger("outputs", first, 1);
    return new DenseLayer(undefined, first, second ?? {});
  }
  checkInteger("inputs", first, 1);
  checkInteger("outputs", second, 1);
  return new DenseLayer(first, second, third);
}
