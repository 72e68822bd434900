import { ACTIVATION } from "../../backend/backend.js";
import { convFamily } from "../../backend/families/conv.js";
import { checkInteger, checkKeys } from "../../checks.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import { multiply } from "../products.js";
import type { Value } from "../value.js";
import { KERNEL_OPTIONS, KernelLayer, type KernelOptions, planBiasGradient } from "./kernel-layer.js";
import {
  type AxesOptions,
  checkAxes,
  imageShape,
  outputAlong,
  outputImage,
  type Padding,
  type Padding1d,
  planWindow,
  type Size,
  windowOf,
} from "./window-options.js";

/** Options of `conv2d`. */
export interface Conv2dOptions extends KernelOptions {
  /** Height and width of the window. Default 3. */
  kernelSize?: Size;
  /** Pixels from one output to the next. Default 1. */
  strides?: Size;
  /** Default "valid". */
  padding?: Padding;
  /** Pixels from one element of the window to the next. Default 1. */
  dilation?: Size;
  /** Number of groups: each group of outputs sees its own group of channels. Default 1; divides both. */
  groups?: number;
}

/** Options of `conv1d`. */
export interface Conv1dOptions extends Omit<Conv2dOptions, "kernelSize" | "strides" | "padding" | "dilation"> {
  /** Length of the window. Default 3. */
  kernelSize?: number;
  /** Default 1. */
  strides?: number;
  /** Default "valid". */
  padding?: Padding1d;
  /** Default 1. */
  dilation?: number;
}

/** What `conv2d` and `conv1d` make. */
export class ConvLayer extends KernelLayer {
  readonly kind: "conv1d" | "conv2d";
  readonly filters: number;
  readonly groups: number;
  readonly #rank: 1 | 2;
  readonly #axes: AxesOptions;
  readonly #config: object;

  constructor(rank: 1 | 2, filters: number, options: Conv1dOptions | Conv2dOptions) {
    checkInteger("filters", filters, 1);
    checkKeys("options", options, ["kernelSize", "strides", "padding", "dilation", "groups", ...KERNEL_OPTIONS]);
    const { kernelSize = 3, strides = 1, padding = "valid", dilation = 1, groups = 1 } = options;
    const axes = checkAxes(rank, { kernelSize, strides, padding, dilation });
    checkInteger("groups", groups, 1);
    super(options);
    this.kind = `conv${rank}d`;
    this.filters = filters;
    this.groups = groups;
    this.#rank = rank;
    this.#axes = axes;
    this.#config = { kernelSize, strides, padding, dilation, groups };
  }

  override config(): readonly unknown[] {
    return [this.filters, ...this.options(this.#config)];
  }

  #image(input: Shape): readonly [number, number, number] {
    const image = imageShape(this.kind, input, this.#rank);
    if (image[2] % this.groups !== 0 || this.filters % this.groups !== 0) {
      const numbers = `${image[2]} channels and ${this.filters} filters`;
      throw new ShapeError(`${this.kind} with groups ${this.groups} has ${numbers}, expected multiples of groups`);
    }
    return image;
  }

  #output(input: Shape) {
    const image = this.#image(input);
    const [rows, columns] = this.#axes;
    const [height, width] = [outputAlong(rows, image[0]), outputAlong(columns, image[1])];
    const output = [height.size, width.size, this.filters] as const;
    return { image, output, before: [height.before, width.before] as const };
  }

  override outputShape(input: Shape): Shape {
    return outputImage(this.kind, input, this.#output(input).output, this.#rank);
  }

  override parameters(input: Shape): readonly ParameterSpec[] {
    const channels = this.#image(input)[2];
    const taps = this.#axes.slice(2 - this.#rank).map(({ kernel }) => kernel);
    return [this.weight("weight", [...taps, channels / this.groups, this.filters]), ...this.biasOf(this.filters)];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const weight = builder.parameter("weight");
    const bias = this.bias ? builder.parameter("bias") : undefined;
    const y = builder.value(this.outputShape(x.shape));
    if (this.#isProduct) this.#planProduct(builder, x, weight, bias, y);
    else this.#planWindow(builder, x, weight, bias, y);
    return y;
  }

  /** Whether every output is a product of one pixel with the weight. */
  get #isProduct(): boolean {
    const isPixel = ({ kernel, stride, padding }: AxesOptions[number]) =>
      kernel === 1 && stride === 1 && (typeof padding === "string" || padding.every((n) => n === 0));
    return this.groups === 1 && this.#axes.every(isPixel);
  }

  #planProduct(builder: PlanBuilder, x: Value, weight: Value, bias: Value | undefined, y: Value): void {
    const [k, n] = [x.shape.at(-1)!, this.filters];
    const m = x.size / k;
    multiply(builder, { m, n, k, a: x, b: weight, c: y, bias });
    builder.backward(y, (dy) => {
      planBiasGradient(builder, bias, dy);
      const dweight = builder.gradient(weight);
      if (dweight) multiply(builder, { m: k, n, k: m, a: x, transposeA: true, b: dy, c: dweight });
      const dx = builder.gradient(x);
      if (dx) multiply(builder, { m, n: k, k: n, a: dy, b: weight, transposeB: true, c: dx });
    });
  }

  #planWindow(builder: PlanBuilder, x: Value, weight: Value, bias: Value | undefined, y: Value): void {
    const { image, output, before } = this.#output(x.shape);
    const images = builder.rows;
    const window = windowOf(this.#axes, images, image, output, before, this.groups);
    const { value, ptr } = planWindow(builder, window);
    const kernels = builder.kernels(convFamily);
    const { identity } = ACTIVATION;
    const scratch = builder.scratch(kernels.conv2d_scratch_bytes(ptr));
    const rows = images * output[0];
    builder.call(convFamily, "conv2d_f32", [value, 0, rows, x, weight, bias ?? 0, identity, y, scratch]);
    builder.backward(y, (dy) => {
      planBiasGradient(builder, bias, dy);
      const dweight = builder.gradient(weight);
      if (dweight) {
        const lines = weight.size / this.filters;
        const own = builder.scratch(kernels.conv2d_backward_weight_scratch_bytes(ptr));
        builder.call(convFamily, "conv2d_backward_weight_f32", [value, 0, lines, x, dy, dweight, own]);
      }
      const dx = builder.gradient(x);
      if (dx) {
        const own = builder.scratch(kernels.conv2d_backward_input_scratch_bytes(ptr));
        const inRows = images * image[0];
        builder.call(convFamily, "conv2d_backward_input_f32", [value, 0, inRows, dy, weight, 0, identity, dx, own]);
      }
    });
  }
}

/**
 * A convolution over images [height, width, channels]: y[i, j, n] = bias[n] + Σ x[i·stride + p·dilation, j·stride +
 * q·dilation, c]·weight[p, q, c, n], with weight [kh, kw, channels / groups, filters] and zeros around x where there is
 * padding.
 *
 * Cost: kh·kw·channels / groups·filters multiply-adds for each pixel of y. No patches are stored.
 * @param filters channels of y, >= 1
 * @param options see `Conv2dOptions`
 * @throws OptionError
 * @example
 * const layers = [conv2d(8, { kernelSize: 3, padding: "same", activation: "relu" }), maxPool2d(2), flatten(), dense(10)];
 * @see Conv2D of Keras 3, whose kernel has the same layout
 */
export function conv2d(filters: number, options: Conv2dOptions = {}): ConvLayer {
  return new ConvLayer(2, filters, options);
}

/**
 * A convolution over sequences [steps, channels], with weight [kernelSize, channels / groups, filters].
 *
 * @param filters channels of y, >= 1
 * @param options see `Conv1dOptions`
 * @throws OptionError
 * @example
 * const layer = conv1d(16, { kernelSize: 5, padding: "causal", dilation: 2 });
 * @see Conv1D of Keras 3
 */
export function conv1d(filters: number, options: Conv1dOptions = {}): ConvLayer {
  return new ConvLayer(1, filters, options);
}
