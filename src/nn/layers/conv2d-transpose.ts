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
  type AxisOptions,
  checkAxes,
  extent,
  imageShape,
  outputImage,
  type Padding,
  planWindow,
  type Size,
  windowOf,
} from "./window-options.js";

/** Options of `conv2dTranspose`. */
export interface Conv2dTransposeOptions extends KernelOptions {
  /** Height and width of the window. Default 3. */
  kernelSize?: Size;
  /** Pixels of the output for each pixel of the input. Default 1. */
  strides?: Size;
  /** What is cut off the output's edges; "same": so much that it is `strides` times as large. Default "valid": nothing. */
  padding?: Padding;
  /** Pixels of the output from one element of the window to the next. Default 1. */
  dilation?: Size;
}

/** Length of the output along an axis, and what is cut off before it. */
function outputAlong(axis: AxisOptions, size: number): { size: number; before: number } {
  const { stride, padding } = axis;
  const whole = (size - 1) * stride + extent(axis);
  if (padding === "same") return { size: size * stride, before: Math.max(Math.floor((whole - size * stride) / 2), 0) };
  if (typeof padding === "string") return { size: Math.max(whole, size * stride), before: 0 };
  return { size: whole - padding[0] - padding[1], before: padding[0] };
}

/** What `conv2dTranspose` makes. */
export class Conv2dTransposeLayer extends KernelLayer {
  readonly kind = "conv2dTranspose";
  readonly filters: number;
  readonly #axes: AxesOptions;
  readonly #config: object;

  constructor(filters: number, options: Conv2dTransposeOptions) {
    checkInteger("filters", filters, 1);
    checkKeys("options", options, ["kernelSize", "strides", "padding", "dilation", ...KERNEL_OPTIONS]);
    const { kernelSize = 3, strides = 1, padding = "valid", dilation = 1 } = options;
    const axes = checkAxes(2, { kernelSize, strides, padding, dilation });
    super(options);
    this.filters = filters;
    this.#axes = axes;
    this.#config = { kernelSize, strides, padding, dilation };
  }

  override config(): readonly unknown[] {
    return [this.filters, ...this.options(this.#config)];
  }

  #output(input: Shape) {
    const image = imageShape(this.kind, input, 2);
    const [rows, columns] = this.#axes;
    const [height, width] = [outputAlong(rows, image[0]), outputAlong(columns, image[1])];
    const output = [height.size, width.size, this.filters] as const;
    return { image, output, before: [height.before, width.before] as const };
  }

  override outputShape(input: Shape): Shape {
    return outputImage(this.kind, input, this.#output(input).output, 2);
  }

  override parameters(input: Shape): readonly ParameterSpec[] {
    const channels = imageShape(this.kind, input, 2)[2];
    const [rows, columns] = this.#axes;
    const shape = [rows.kernel, columns.kernel, this.filters, channels];
    return [this.weight("weight", shape), ...this.biasOf(this.filters)];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const { image, output, before } = this.#output(x.shape);
    const weight = builder.parameter("weight");
    const bias = this.bias ? builder.parameter("bias") : undefined;
    const y = builder.value(this.outputShape(x.shape));
    // The window of the convolution whose gradient by input this is: from y to x.
    const { value, ptr } = planWindow(builder, windowOf(this.#axes, builder.rows, output, image, before));
    const kernels = builder.kernels(convFamily);
    const { identity } = ACTIVATION;
    const rows = builder.rows * output[0];
    const scratch = builder.scratch(kernels.conv2d_backward_input_scratch_bytes(ptr));
    builder.call(convFamily, "conv2d_backward_input_f32", [value, 0, rows, x, weight, bias ?? 0, identity, y, scratch]);
    builder.backward(y, (dy) => {
      planBiasGradient(builder, bias, dy);
      const dweight = builder.gradient(weight);
      if (dweight) {
        const own = builder.scratch(kernels.conv2d_backward_weight_scratch_bytes(ptr));
        const lines = weight.size / image[2];
        builder.call(convFamily, "conv2d_backward_weight_f32", [value, 0, lines, dy, x, dweight, own]);
      }
      const dx = builder.gradient(x);
      if (dx) {
        const own = builder.scratch(kernels.conv2d_scratch_bytes(ptr));
        const inRows = builder.rows * image[0];
        builder.call(convFamily, "conv2d_f32", [value, 0, inRows, dy, weight, 0, identity, dx, own]);
      }
    });
    return y;
  }
}

/**
 * A transposed convolution over images [height, width, channels]: every pixel of x adds x·weight to a window of y, with
 * weight [kh, kw, filters, channels]. It is the gradient by input of `conv2d` with the same options.
 *
 * Its output has (size − 1)·stride + (kernel − 1)·dilation + 1 pixels, less the padding; with "valid" at least
 * size·stride, with "same" size·stride, as in Keras.
 * @param filters channels of y, >= 1
 * @param options see `Conv2dTransposeOptions`
 * @throws OptionError
 * @example
 * const layers = [conv2dTranspose(16, { kernelSize: 4, strides: 2, padding: "same", activation: "relu" }), conv2d(1)];
 * @see Conv2DTranspose of Keras 3, whose kernel has the same layout
 */
export function conv2dTranspose(filters: number, options: Conv2dTransposeOptions = {}): Conv2dTransposeLayer {
  return new Conv2dTransposeLayer(filters, options);
}
