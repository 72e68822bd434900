import { checkKeys } from "../../checks.js";
import { type Shape, sizeOf } from "../../tensor.js";
import { ExampleNormLayer, type NormSets } from "./group-norm.js";
import type { NormOptions } from "./norm-options.js";
import { optionList } from "./options.js";

/** What `layerNorm` makes. */
export class LayerNormLayer extends ExampleNormLayer {
  readonly kind = "layerNorm";
  protected readonly centered = true;

  constructor(options: NormOptions) {
    checkKeys("options", options, ["eps", "scale", "center", "name"]);
    super(options, 1e-3);
  }

  override config(): readonly unknown[] {
    const { eps, scale, center, name } = this;
    return optionList({ eps, scale, center, name });
  }

  protected sets(shape: Shape, rows: number): NormSets {
    return { batch: rows * sizeOf(shape.slice(0, -1)), spatial: 1, groups: 1 };
  }
}

/**
 * Layer normalization over the last axis: y = (x − mean) / √(variance + eps) · gamma + beta, with mean and variance of
 * each vector along that axis.
 *
 * Parameters: `gamma` (ones) and `beta` (zeros), [width].
 *
 * @param options `eps` (default 1e-3), `scale`, `center`, `name`
 * @throws OptionError
 * @example
 * const layers = [dense(64), layerNorm(), gelu(), dense(10)];
 * @see Ba, Kiros & Hinton, arXiv:1607.06450
 */
export function layerNorm(options: NormOptions = {}): LayerNormLayer {
  return new LayerNormLayer(options);
}
