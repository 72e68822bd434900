import { checkInteger } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import type { ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import { multiply } from "../products.js";
import type { Value } from "../value.js";
import { type DepthwiseConv2dOptions, DepthwiseWindow } from "./depthwise-conv2d.js";
import { KernelLayer, planBiasGradient } from "./kernel-layer.js";

/** Options of `separableConv2d`. */
export type SeparableConv2dOptions = DepthwiseConv2dOptions;

/** What `separableConv2d` makes. */
export class SeparableConv2dLayer extends KernelLayer {
  readonly kind = "separableConv2d";
  readonly filters: number;
  readonly #window: DepthwiseWindow;

  constructor(filters: number, options: SeparableConv2dOptions) {
    checkInteger("filters", filters, 1);
    const window = new DepthwiseWindow("separableConv2d", options);
    super(options);
    this.filters = filters;
    this.#window = window;
  }

  override config(): readonly unknown[] {
    return [this.filters, ...this.options(this.#window.config)];
  }

  override outputShape(input: Shape): Shape {
    return [...this.#window.outputShape(input).slice(0, 2), this.filters];
  }

  override parameters(input: Shape): readonly ParameterSpec[] {
    const depthwise = this.#window.weightShape(input);
    const pointwise = [1, 1, depthwise[2]! * depthwise[3]!, this.filters];
    return [this.weight("depthwise", depthwise), this.weight("pointwise", pointwise), ...this.biasOf(this.filters)];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const depthwise = builder.parameter("depthwise");
    const pointwise = builder.parameter("pointwise");
    const bias = this.bias ? builder.parameter("bias") : undefined;
    const h = this.#window.plan(builder, x, depthwise, undefined);
    const y = builder.value(this.outputShape(x.shape));
    const [k, n] = [h.shape[2]!, this.filters];
    const m = h.size / k;
    multiply(builder, { m, n, k, a: h, b: pointwise, c: y, bias });
    builder.backward(y, (dy) => {
      planBiasGradient(builder, bias, dy);
      const dpointwise = builder.gradient(pointwise);
      if (dpointwise) multiply(builder, { m: k, n, k: m, a: h, transposeA: true, b: dy, c: dpointwise });
      const dh = builder.gradient(h);
      if (dh) multiply(builder, { m, n: k, k: n, a: dy, b: pointwise, transposeB: true, c: dh });
    });
    return y;
  }
}

/**
 * A convolution of each channel by itself, then of all channels of each pixel: depthwise [kh, kw, channels, multiplier],
 * pointwise [1, 1, channels·multiplier, filters]. Only the second has a bias.
 *
 * @param filters channels of y, >= 1
 * @param options see `SeparableConv2dOptions`
 * @throws OptionError
 * @example
 * const layer = separableConv2d(32, { kernelSize: 3, padding: "same", activation: "relu" });
 * @see SeparableConv2D of Keras 3, whose kernels have the same layouts
 */
export function separableConv2d(filters: number, options: SeparableConv2dOptions = {}): SeparableConv2dLayer {
  return new SeparableConv2dLayer(filters, options);
}
