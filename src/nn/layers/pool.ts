import { poolFamily } from "../../backend/families/pool.js";
import { checkKeys } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import { Layer } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { checkName, optionList } from "./options.js";
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

/** Options of `maxPool2d` and `averagePool2d`. */
export interface Pool2dOptions {
  /** Pixels from one output to the next. Default: the window's size. */
  strides?: Size;
  /** Default "valid". Padding never counts: neither as a maximum nor in a mean. */
  padding?: Padding;
  /** The layer's name. Default: its number. */
  name?: string;
}

/** Options of `maxPool1d` and `averagePool1d`. */
export interface Pool1dOptions {
  /** Default: the window's size. */
  strides?: number;
  /** Default "valid". */
  padding?: Exclude<Padding1d, "causal">;
  /** The layer's name. Default: its number. */
  name?: string;
}

/** What is taken from each window. */
type Reduction = "max" | "average";

const PREFIXES = { max: "maxPool", average: "averagePool" } as const;
const GLOBAL_PREFIXES = { max: "globalMaxPool", average: "globalAveragePool" } as const;

/** Emits pooling and its gradient. */
function planPool(
  builder: PlanBuilder,
  reduction: Reduction,
  x: Value,
  y: Value,
  axes: AxesOptions,
  image: readonly [number, number, number],
  output: readonly [number, number, number],
  before: readonly [number, number],
): void {
  const images = builder.rows;
  const { value } = planWindow(builder, windowOf(axes, images, image, output, before));
  const rows = images * output[0];
  builder.call(poolFamily, `${reduction}_pool_f32`, [value, 0, rows, x, y]);
  builder.backward(y, (dy) => {
    const dx = builder.gradient(x);
    if (!dx) return;
    const inputs = reduction === "max" ? [x, y, dy] : [dy];
    builder.call(poolFamily, `${reduction}_pool_backward_f32`, [value, 0, images, ...inputs, dx]);
  });
}

/** What `maxPool2d`, `averagePool2d` and those of one dimension make. */
export class PoolLayer extends Layer {
  readonly kind: `${(typeof PREFIXES)[Reduction]}${1 | 2}d`;
  readonly #reduction: Reduction;
  readonly #rank: 1 | 2;
  readonly #axes: AxesOptions;
  readonly #size: Size;
  readonly #config: object;

  constructor(reduction: Reduction, rank: 1 | 2, size: Size, options: Pool1dOptions | Pool2dOptions) {
    checkKeys("options", options, ["strides", "padding", "name"]);
    const { strides = size, padding = "valid", name } = options;
    const axes = checkAxes(rank, { kernelSize: size, strides, padding }, "size");
    super(checkName(name));
    this.kind = `${PREFIXES[reduction]}${rank}d`;
    this.#reduction = reduction;
    this.#rank = rank;
    this.#axes = axes;
    this.#size = size;
    this.#config = { strides, padding };
  }

  override config(): readonly unknown[] {
    return [this.#size, ...optionList({ ...this.#config, name: this.name })];
  }

  #output(input: Shape) {
    const image = imageShape(this.kind, input, this.#rank);
    const [rows, columns] = this.#axes;
    const [height, width] = [outputAlong(rows, image[0]), outputAlong(columns, image[1])];
    const output = [height.size, width.size, image[2]] as const;
    return { image, output, before: [height.before, width.before] as const };
  }

  override outputShape(input: Shape): Shape {
    return outputImage(this.kind, input, this.#output(input).output, this.#rank);
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const { image, output, before } = this.#output(x.shape);
    const y = builder.value(this.outputShape(x.shape));
    planPool(builder, this.#reduction, x, y, this.#axes, image, output, before);
    return y;
  }
}

/** What the global poolings make. */
export class GlobalPoolLayer extends Layer {
  readonly kind: `${(typeof GLOBAL_PREFIXES)[Reduction]}${1 | 2}d`;
  readonly #reduction: Reduction;
  readonly #rank: 1 | 2;

  constructor(reduction: Reduction, rank: 1 | 2, options: { name?: string }) {
    checkKeys("options", options, ["name"]);
    super(checkName(options.name));
    this.kind = `${GLOBAL_PREFIXES[reduction]}${rank}d`;
    this.#reduction = reduction;
    this.#rank = rank;
  }

  override config(): readonly unknown[] {
    return optionList({ name: this.name });
  }

  override outputShape(input: Shape): Shape {
    const image = imageShape(this.kind, input, this.#rank);
    return [outputImage(this.kind, input, image, this.#rank).at(-1)!];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const image = imageShape(this.kind, x.shape, this.#rank);
    const y = builder.value(this.outputShape(x.shape));
    const axis = (kernel: number) => ({ kernel, stride: 1, dilation: 1, padding: "valid" }) as const;
    const axes = [axis(image[0]), axis(image[1])] as const;
    planPool(builder, this.#reduction, x, y, axes, image, [1, 1, image[2]], [0, 0]);
    return y;
  }
}

/**
 * The largest element of each window over images [height, width, channels], channel by channel.
 *
 * The gradient goes to the first largest element. A NaN is passed over, as in TensorFlow.js's cpu kernels; a window of
 * nothing but NaN and −∞ gives −∞, and its gradient goes nowhere.
 * @param size height and width of the window, or one number for both. Default 2.
 * @param options see `Pool2dOptions`
 * @throws OptionError
 * @example
 * const layers = [conv2d(8), maxPool2d(2), flatten(), dense(10)];
 * @see MaxPooling2D of Keras 3
 */
export function maxPool2d(size: Size = 2, options: Pool2dOptions = {}): PoolLayer {
  return new PoolLayer("max", 2, size, options);
}

/** The largest element of each window over sequences [steps, channels]. @see maxPool2d */
export function maxPool1d(size = 2, options: Pool1dOptions = {}): PoolLayer {
  return new PoolLayer("max", 1, size, options);
}

/**
 * The mean of each window over images [height, width, channels], channel by channel, of what is inside the image.
 *
 * @param size height and width of the window, or one number for both. Default 2.
 * @param options see `Pool2dOptions`
 * @throws OptionError
 * @see AveragePooling2D of Keras 3
 */
export function averagePool2d(size: Size = 2, options: Pool2dOptions = {}): PoolLayer {
  return new PoolLayer("average", 2, size, options);
}

/** The mean of each window over sequences [steps, channels]. @see averagePool2d */
export function averagePool1d(size = 2, options: Pool1dOptions = {}): PoolLayer {
  return new PoolLayer("average", 1, size, options);
}

/** The mean of each channel of an image: [height, width, channels] → [channels]. */
export function globalAveragePool2d(options: { name?: string } = {}): GlobalPoolLayer {
  return new GlobalPoolLayer("average", 2, options);
}

/** The mean of each channel of a sequence: [steps, channels] → [channels]. */
export function globalAveragePool1d(options: { name?: string } = {}): GlobalPoolLayer {
  return new GlobalPoolLayer("average", 1, options);
}

/** The largest element of each channel of an image: [height, width, channels] → [channels]. */
export function globalMaxPool2d(options: { name?: string } = {}): GlobalPoolLayer {
  return new GlobalPoolLayer("max", 2, options);
}

/** The largest element of each channel of a sequence: [steps, channels] → [channels]. */
export function globalMaxPool1d(options: { name?: string } = {}): GlobalPoolLayer {
  return new GlobalPoolLayer("max", 1, options);
}
