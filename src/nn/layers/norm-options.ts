import { checkBoolean, checkFinite } from "../../checks.js";
import { ShapeError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { ParameterSpec } from "../layer.js";

/** Options of every normalization. */
export interface NormOptions {
  /** Added to the variance, >= 0. */
  eps?: number;
  /** Multiplies by `gamma`. Default true. */
  scale?: boolean;
  /** Adds `beta`. Default true. */
  center?: boolean;
  /** Its name in the model's parameters. Default: its number. */
  name?: string;
}

/** What a normalization multiplies by and adds. */
export interface Affine {
  readonly eps: number;
  readonly scale: boolean;
  readonly center: boolean;
}

/** The common options with their defaults; throws OptionError. */
export function checkAffine(options: NormOptions, defaultEps: number): Affine {
  const { eps = defaultEps, scale = true, center = true } = options;
  checkFinite("eps", eps, 0);
  checkBoolean("scale", scale);
  checkBoolean("center", center);
  return { eps, scale, center };
}

/** `gamma` and `beta`, as far as there are any. */
export function affineParameters({ scale, center }: Omit<Affine, "eps">, channels: number): readonly ParameterSpec[] {
  const shape = [channels];
  const specs: ParameterSpec[] = [];
  if (scale) specs.push({ name: "gamma", shape, start: () => () => 1 });
  if (center) specs.push({ name: "beta", shape });
  return specs;
}

/** The last axis of a row; throws ShapeError if it has none. */
export function lastAxis(kind: string, shape: Shape): number {
  const length = shape.at(-1);
  if (length === undefined) throw new ShapeError(`${kind} was applied to shape [], expected at least one axis`);
  return length;
}
