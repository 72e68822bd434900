import { normFamily } from "../../backend/families/norm.js";
import { checkInteger, checkKeys } from "../../checks.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import { Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { affineParameters, checkAffine, lastAxis, type NormOptions } from "./norm-options.js";
import { checkName, optionList } from "./options.js";

/** How a normalization within an example divides it into sets with a mean and a variance of their own. */
export interface NormSets {
  /** Sets of channels at each place. */
  readonly groups: number;
  /** Sets that have nothing in common: the examples, or their places as well. */
  readonly batch: number;
  /** Places that belong to one set. */
  readonly spatial: number;
}

/** A normalization within each example: `layerNorm`, `groupNorm` and `rmsNorm`. */
export abstract class ExampleNormLayer extends Layer {
  readonly eps: number;
  readonly scale: boolean;
  readonly center: boolean;
  /** Whether the mean is subtracted. */
  protected abstract readonly centered: boolean;

  constructor(options: NormOptions, defaultEps: number) {
    super(checkName(options.name));
    const { eps, scale, center } = checkAffine(options, defaultEps);
    this.eps = eps;
    this.scale = scale;
    this.center = center;
  }

  /** The sets of a batch of these rows. */
  protected abstract sets(shape: Shape, rows: number): NormSets;

  override outputShape(input: Shape): Shape {
    lastAxis(this.kind, input);
    return input;
  }

  override parameters(input: Shape): readonly ParameterSpec[] {
    return affineParameters(this, lastAxis(this.kind, input));
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const channels = lastAxis(this.kind, x.shape);
    const { batch, spatial, groups } = this.sets(x.shape, builder.rows);
    const sizes = [batch, spatial, groups, channels / groups] as const;
    const gamma = this.scale ? builder.parameter("gamma") : undefined;
    const beta = this.center ? builder.parameter("beta") : undefined;
    const mean = builder.block(batch * groups);
    const rstd = builder.block(batch * groups);
    const y = builder.value(x.shape);
    const centered = +this.centered;
    // biome-ignore format: operand by operand, as in the kernel
    builder.call(normFamily, "group_norm_f32", [
      ...sizes, centered, this.eps, x, gamma ?? 0, beta ?? 0, y, mean, rstd,
    ], [x, y]);
    builder.backward(y, (dy) => {
      const dgamma = gamma && builder.gradient(gamma);
      const dbeta = beta && builder.gradient(beta);
      // biome-ignore format: operand by operand, as in the kernels
      if (dgamma || dbeta) {
        builder.call(normFamily, "group_norm_parameters_f32", [
          0, channels, ...sizes, x, dy, mean, rstd, dgamma ?? 0, dbeta ?? 0,
        ]);
      }
      const dx = builder.gradient(x);
      // biome-ignore format: operand by operand, as in the kernel
      if (dx) {
        builder.call(normFamily, "group_norm_backward_f32", [
          ...sizes, centered, x, dy, gamma ?? 0, mean, rstd, dx,
        ], [dy, dx]);
      }
    });
    return y;
  }
}

/** What `groupNorm` makes. */
export class GroupNormLayer extends ExampleNormLayer {
  readonly kind = "groupNorm";
  readonly groups: number;
  protected readonly centered = true;

  constructor(groups: number, options: NormOptions) {
    checkInteger("groups", groups, 1);
    checkKeys("options", options, ["eps", "scale", "center", "name"]);
    super(options, 1e-3);
    this.groups = groups;
  }

  override config(): readonly unknown[] {
    const { groups, eps, scale, center, name } = this;
    return [groups, ...optionList({ eps, scale, center, name })];
  }

  override outputShape(input: Shape): Shape {
    const channels = lastAxis(this.kind, input);
    if (channels % this.groups !== 0) {
      throw new ShapeError(
        `groupNorm was applied to shape [${input}], expected a last axis that is a multiple of ${this.groups}`,
      );
    }
    return input;
  }

  protected sets(shape: Shape, rows: number): NormSets {
    const spatial = shape.slice(0, -1).reduce((product, length) => product * length, 1);
    return { batch: rows, spatial, groups: this.groups };
  }
}

/**
 * Group normalization: the channels, which are the last axis, are divided into groups of neighbors;
 * y = (x − mean) / √(variance + eps) · gamma + beta, with mean and variance over all places and channels of a group of
 * one example. One group is the layer normalization of an image, as many groups as channels its instance normalization.
 *
 * Parameters: `gamma` (ones) and `beta` (zeros), [channels].
 *
 * @param groups >= 1; the channels must be a multiple of it
 * @param options `eps` (default 1e-3), `scale`, `center`, `name`
 * @throws OptionError
 * @example
 * const layers = [conv2d(16, { kernelSize: 3 }), groupNorm(4), relu()];
 * @see Wu & He, ECCV 2018
 */
export function groupNorm(groups: number, options: NormOptions = {}): GroupNormLayer {
  return new GroupNormLayer(groups, options);
}
