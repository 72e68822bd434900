import { normFamily } from "../../backend/families/norm.js";
import { checkBoolean, checkKeys, checkNumber } from "../../checks.js";
import type { Shape } from "../../tensor.js";
import { type BufferSpec, Layer, type ParameterSpec } from "../layer.js";
import type { PlanBuilder } from "../plan-builder.js";
import type { Value } from "../value.js";
import { affineParameters, checkAffine, lastAxis, type NormOptions } from "./norm-options.js";
import { checkName, optionList } from "./options.js";

/** Options of `batchNorm`. */
export interface BatchNormOptions extends NormOptions {
  /**
   * Share of the moving statistics that a step keeps, from 0 to 1; default 0.99. PyTorch's momentum is one minus that:
   * its default of 0.1 is 0.9 here.
   */
  momentum?: number;
  /** The moving variance takes Σ(x − mean)² / (rows − 1), as PyTorch's does. Default false: / rows, as Keras's does. */
  unbiased?: boolean;
}

/** What `batchNorm` makes. */
export class BatchNormLayer extends Layer {
  readonly kind = "batchNorm";
  readonly momentum: number;
  readonly eps: number;
  readonly unbiased: boolean;
  readonly scale: boolean;
  readonly center: boolean;

  constructor(options: BatchNormOptions) {
    checkKeys("options", options, ["momentum", "eps", "unbiased", "scale", "center", "name"]);
    super(checkName(options.name));
    const { momentum = 0.99, unbiased = false } = options;
    checkNumber("momentum", momentum, 0, 1);
    checkBoolean("unbiased", unbiased);
    this.momentum = momentum;
    this.unbiased = unbiased;
    const { eps, scale, center } = checkAffine(options, 1e-3);
    this.eps = eps;
    this.scale = scale;
    this.center = center;
  }

  override config(): readonly unknown[] {
    const { momentum, eps, unbiased, scale, center, name } = this;
    return optionList({ momentum, eps, unbiased, scale, center, name });
  }

  override outputShape(input: Shape): Shape {
    lastAxis(this.kind, input);
    return input;
  }

  override parameters(input: Shape): readonly ParameterSpec[] {
    return affineParameters(this, lastAxis(this.kind, input));
  }

  override buffers(input: Shape): readonly BufferSpec[] {
    const shape = [lastAxis(this.kind, input)];
    return [
      { name: "movingMean", shape, value: 0 },
      { name: "movingVariance", shape, value: 1 },
    ];
  }

  override plan(builder: PlanBuilder, x: Value): Value {
    const { eps, momentum, unbiased } = this;
    const columns = lastAxis(this.kind, x.shape);
    const rows = x.size / columns;
    const gamma = this.scale ? builder.parameter("gamma") : undefined;
    const beta = this.center ? builder.parameter("beta") : undefined;
    const movingMean = builder.buffer("movingMean");
    const movingVariance = builder.buffer("movingVariance");
    const mean = builder.training ? builder.block(columns) : movingMean;
    const rstd = builder.block(columns);
    const y = builder.value(x.shape);
    const sizes = [rows, columns, columns] as const;
    // biome-ignore format: operand by operand, as in the kernels
    if (builder.training) {
      builder.call(normFamily, "batch_norm_f32", [
        ...sizes, eps, momentum, 1 - momentum, +unbiased, x, gamma ?? 0, beta ?? 0, y, mean, rstd,
        movingMean, movingVariance,
      ], [x, y]);
    } else {
      builder.call(normFamily, "batch_norm_inference_f32", [
        ...sizes, eps, x, gamma ?? 0, beta ?? 0, movingMean, movingVariance, y, rstd,
      ], [x, y]);
    }
    builder.backward(y, (dy) => {
      const dx = builder.gradient(x);
      const dgamma = gamma && builder.gradient(gamma);
      const dbeta = beta && builder.gradient(beta);
      if (dx === undefined && dgamma === undefined && dbeta === undefined) return;
      // biome-ignore format: operand by operand, as in the kernel
      builder.call(normFamily, "batch_norm_backward_f32", [
        ...sizes, +!builder.training, x, dy, gamma ?? 0, mean, rstd, dx ?? 0, dgamma ?? 0, dbeta ?? 0,
      ], dx && [dy, dx]);
    });
    return y;
  }
}

/**
 * Batch normalization over the last axis: y = (x − mean) / √(variance + eps) · gamma + beta for each channel. In
 * training, mean and variance are those of the batch, over all its rows and places; otherwise they are the moving
 * statistics, which every forward pass in training updates: moving = momentum · moving + (1 − momentum) · batch's.
 *
 * Parameters: `gamma` (ones) and `beta` (zeros), [channels]. Buffers: `movingMean` (zeros) and `movingVariance` (ones).
 *
 * Numerics: the sums in float64, so a mean that is large beside the deviation costs no digits.
 *
 * @param options see `BatchNormOptions`
 * @throws OptionError
 * @example
 * const layers = [dense(64, { bias: false }), batchNorm(), relu(), dense(10)];
 * @see Ioffe & Szegedy, ICML 2015
 */
export function batchNorm(options: BatchNormOptions = {}): BatchNormLayer {
  return new BatchNormLayer(options);
}
