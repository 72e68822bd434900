import { poolFamily } from "../../backend/families/pool.js";
import { checkChoice, checkKeys } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import { Layer } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { checkName, optionList } from "./options.js";
import { checkSize, imageShape, outputImage, planWindow, type Size, windowOf } from "./window-options.js";

/** Options of `upsample2d`. */
export interface Upsample2dOptions {
  /** "nearest" repeats rows and columns; "bilinear" blends the four pixels around the center of each new one. Default "nearest". */
  interpolation?: "nearest" | "bilinear";
  /** The layer's name. Default: its number. */
  name?: string;
}

/** What `upsample2d` makes. */
export class Upsample2dLayer extends Layer {
  readonly kind = "upsample2d";
  readonly interpolation: "nearest" | "bilinear";
  readonly #size: readonly [number, number];

  constructor(size: Size, options: Upsample2dOptions) {
    checkKeys("options", options, ["interpolation", "name"]);
    const { interpolation = "nearest", name } = options;
    checkChoice("interpolation", interpolation, ["nearest", "bilinear"]);
    super(checkName(name));
    this.#size = checkSize("size", size, 2);
    this.interpolation = interpolation;
  }

  override config(): readonly unknown[] {
    return [this.#size, ...optionList({ interpolation: this.interpolation, name: this.name })];
  }

  override outputShape(input: Shape): Shape {
    const [height, width, channels] = imageShape(this.kind, input, 2);
    return outputImage(this.kind, input, [height * this.#size[0], width * this.#size[1], channels], 2);
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const image = imageShape(this.kind, x.shape, 2);
    const y = builder.value(this.outputShape(x.shape));
    const [height, width] = y.shape as [number, number, number];
    const axis = { kernel: 1, stride: 1, dilation: 1, padding: "valid" } as const;
    const window = windowOf([axis, axis], builder.rows, image, [height, width, image[2]], [0, 0]);
    const { value } = planWindow(builder, window);
    const halfPixelCenters = +(this.interpolation === "bilinear");
    const rows = builder.rows * height;
    builder.call(poolFamily, `resize_${this.interpolation}_f32`, [value, 0, rows, 0, halfPixelCenters, x, y]);
    builder.backward(y, (dy) => {
      const dx = builder.gradient(x);
      if (!dx) return;
      const kernel = `resize_${this.interpolation}_backward_f32` as const;
      builder.call(poolFamily, kernel, [value, 0, builder.rows, 0, halfPixelCenters, dy, dx]);
    });
    return y;
  }
}

/**
 * Images [height, width, channels] `size` times as high and wide.
 *
 * @param size factors of height and width, or one for both. Default 2.
 * @param options see `Upsample2dOptions`
 * @throws OptionError
 * @example
 * const layers = [upsample2d(2), conv2d(8, { padding: "same" })];
 * @see UpSampling2D of Keras 3
 */
export function upsample2d(size: Size = 2, options: Upsample2dOptions = {}): Upsample2dLayer {
  return new Upsample2dLayer(size, options);
}
