import { checkKeys } from "../../checks.js";
import { type Shape, sizeOf } from "../../tensor.js";
import { ExampleNormLayer, type NormSets } from "./group-norm.js";
import type { NormOptions } from "./norm-options.js";
import { optionList } from "./options.js";

/** Options of `rmsNorm`. */
export type RmsNormOptions = Omit<NormOptions, "center">;

/** What `rmsNorm` makes. */
export class RmsNormLayer extends ExampleNormLayer {
  readonly kind = "rmsNorm";
  protected readonly centered = false;

  constructor(options: RmsNormOptions) {
    checkKeys("options", options, ["eps", "scale", "name"]);
    super({ ...options, center: false }, 1e-6);
  }

  override config(): readonly unknown[] {
    const { eps, scale, name } = this;
    return optionList({ eps, scale, name });
  }

  protected sets(shape: Shape, rows: number): NormSets {
    return { batch: rows * sizeOf(shape.slice(0, -1)), spatial: 1, groups: 1 };
  }
}

/**
 * Root mean square normalization over the last axis: y = x / √(mean of x² + eps) · gamma. No mean is subtracted.
 *
 * Parameters: `gamma` (ones), [width].
 *
 * @param options `eps` (default 1e-6), `scale`, `name`
 * @throws OptionError
 * @example
 * const layers = [dense(64), rmsNorm(), silu(), dense(10)];
 * @see Zhang & Sennrich, NeurIPS 2019
 */
export function rmsNorm(options: RmsNormOptions = {}): RmsNormLayer {
  return new RmsNormLayer(options);
}
