import { ACTIVATION } from "../../backend/backend.js";
import { convFamily } from "../../backend/families/conv.js";
import { checkInteger, checkKeys } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import type { ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { KERNEL_OPTIONS, KernelLayer, type KernelOptions, planBiasGradient } from "./kernel-layer.js";
import {
  type AxesOptions,
  checkAxes,
  imageShape,
  outputAlong,
  outputImage,
  type Padding,
  planWindow,
  type Size,
  windowOf,
} from "./window-options.js";

/** Options of `depthwiseConv2d`. */
export interface DepthwiseConv2dOptions extends KernelOptions {
  /** Height and width of the window. Default 3. */
  kernelSize?: Size;
  /** Outputs for each channel of the input. Default 1. */
  multiplier?: number;
  /** Pixels from one output to the next. Default 1. */
  strides?: Size;
  /** Default "valid". */
  padding?: Padding;
  /** Pixels from one element of the window to the next. Default 1. */
  dilation?: Size;
}

const WINDOW_OPTIONS = ["kernelSize", "multiplier", "strides", "padding", "dilation"] as const;

/** A depthwise convolution without bias: its shapes, and the calls of both passes. */
export class DepthwiseWindow {
  readonly kind: string;
  readonly multiplier: number;
  readonly axes: AxesOptions;
  /** The options with their defaults. */
  readonly config: object;

  constructor(kind: string, options: DepthwiseConv2dOptions) {
    checkKeys("options", options, [...WINDOW_OPTIONS, ...KERNEL_OPTIONS]);
    const { kernelSize = 3, multiplier = 1, strides = 1, padding = "valid", dilation = 1 } = options;
    checkInteger("multiplier", multiplier, 1);
    this.kind = kind;
    this.multiplier = multiplier;
    this.axes = checkAxes(2, { kernelSize, strides, padding, dilation });
    this.config = { kernelSize, multiplier, strides, padding, dilation };
  }

  weightShape(input: Shape): Shape {
    const [rows, columns] = this.axes;
    return [rows.kernel, columns.kernel, imageShape(this.kind, input, 2)[2], this.multiplier];
  }

  #output(input: Shape) {
    const image = imageShape(this.kind, input, 2);
    const [rows, columns] = this.axes;
    const [height, width] = [outputAlong(rows, image[0]), outputAlong(columns, image[1])];
    const output = [height.size, width.size, image[2] * this.multiplier] as const;
    return { image, output, before: [height.before, width.before] as const };
  }

  outputShape(input: Shape): Shape {
    return outputImage(this.kind, input, this.#output(input).output, 2);
  }

  /** Emits y = x ∗ weight + bias and its gradients. */
  plan(builder: PlanBuilder, x: Value, weight: Value, bias: Value | undefined): Value {
    const { image, output, before } = this.#output(x.shape);
    const y = builder.value(this.outputShape(x.shape));
    const { value, ptr } = planWindow(builder, windowOf(this.axes, builder.rows, image, output, before));
    const kernels = builder.kernels(convFamily);
    const rows = builder.rows * output[0];
    const scratch = builder.scratch(kernels.depthwise_conv2d_scratch_bytes(ptr));
    const { identity } = ACTIVATION;
    builder.call(convFamily, "depthwise_conv2d_f32", [value, 0, rows, x, weight, bias ?? 0, identity, y, scratch]);
    builder.backward(y, (dy) => {
      planBiasGradient(builder, bias, dy);
      const dweight = builder.gradient(weight);
      if (dweight) {
        const call = "depthwise_conv2d_backward_weight_f32";
        builder.call(convFamily, call, [value, 0, output[2], x, dy, dweight, scratch]);
      }
      const dx = builder.gradient(x);
      if (dx) {
        const own = builder.scratch(kernels.depthwise_conv2d_backward_input_scratch_bytes(ptr));
        const call = "depthwise_conv2d_backward_input_f32";
        builder.call(convFamily, call, [value, 0, builder.rows * image[0], dy, weight, dx, own]);
      }
    });
    return y;
  }
}

/** What `depthwiseConv2d` makes. */
export class DepthwiseConv2dLayer extends KernelLayer {
  readonly kind = "depthwiseConv2d";
  readonly #window: DepthwiseWindow;

  constructor(options: DepthwiseConv2dOptions) {
    const window = new DepthwiseWindow("depthwiseConv2d", options);
    super(options);
    this.#window = window;
  }

  override config(): readonly unknown[] {
    return this.options(this.#window.config);
  }

  override outputShape(input: Shape): Shape {
    return this.#window.outputShape(input);
  }

  override parameters(input: Shape): readonly ParameterSpec[] {
    const shape = this.#window.weightShape(input);
    return [this.weight("weight", shape), ...this.biasOf(shape[2]! * shape[3]!)];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const weight = builder.parameter("weight");
    return this.#window.plan(builder, x, weight, this.bias ? builder.parameter("bias") : undefined);
  }
}

/**
 * A convolution of each channel by itself, over images [height, width, channels]: channel c makes channels
 * c·multiplier + m of y, with weight [kh, kw, channels, multiplier].
 *
 * @param options see `DepthwiseConv2dOptions`
 * @throws OptionError
 * @example
 * const layer = depthwiseConv2d({ kernelSize: 3, multiplier: 2, padding: "same" });
 * @see DepthwiseConv2D of Keras 3, whose kernel has the same layout
 */
export function depthwiseConv2d(options: DepthwiseConv2dOptions = {}): DepthwiseConv2dLayer {
  return new DepthwiseConv2dLayer(options);
}
