import {
  GROUP_CLIP_EPS,
  GROUP_CLIP_NORM,
  GROUP_CLIP_VALUE,
  GROUP_WEIGHT_DECAY,
  MODE_CLIP_GLOBAL_NORM,
  MODE_CLIP_NORM,
  MODE_COUPLED_DECAY,
  MODE_DECOUPLED_DECAY,
  MODE_MAXIMIZE,
  MODE_MEASURE,
  MODE_RESCALE,
} from "../abi/step-table.js";
import { checkBoolean, checkFinite, unexpected } from "../checks.js";
import { OptionError } from "../errors.js";
import type { Scalars } from "./update-rule.js";

/** What may be done with gradients and parameters before an optimizer's own formula; common to all of them. */
export interface GradientTransformOptions {
  /** λ ≥ 0. Coupled (default): g ← g + λ·θ. Default 0. */
  weightDecay?: number;
  /** Decay beside the gradient: θ ← θ − lr·λ·θ, before the update. Default false. */
  decoupledWeightDecay?: boolean;
  /** Bound > 0 of every gradient element: clamped to ±clipValue. At most one of the three clips. */
  clipValue?: number;
  /** Bound > 0 of each parameter's gradient norm: g ← g·min(1, clipNorm/‖g‖). */
  clipNorm?: number;
  /** Bound > 0 of the norm over all gradients of the step. */
  globalClipNorm?: number;
  /**
   * ε >= 0 of clipping by norm: with ε > 0 it is PyTorch's, g ← g·min(1, c/(‖g‖ + ε)), in float32; its `clip_grad_norm_`
   * has 1e-6. Default 0.
   */
  clipEps?: number;
  /** Ascend: g ← −g. Default false. */
  maximize?: boolean;
}

export const TRANSFORM_KEYS = [
  "weightDecay",
  "decoupledWeightDecay",
  "clipValue",
  "clipNorm",
  "globalClipNorm",
  "clipEps",
  "maximize",
] as const satisfies readonly (keyof GradientTransformOptions)[];

const CLIPS = ["clipValue", "clipNorm", "globalClipNorm"] as const;

/** What the kernels need to know of these options. */
export interface GradientTransforms {
  readonly mode: number;
  readonly scalars: Scalars;
}

/** Checks the options of one group, called in messages what `name` says, and turns them into mode bits and scalars. */
export function resolveTransforms(
  options: GradientTransformOptions,
  name: (key: string) => string,
): GradientTransforms {
  const { weightDecay = 0, decoupledWeightDecay = false, clipEps = 0, maximize = false } = options;
  checkFinite(name("weightDecay"), weightDecay, 0);
  checkBoolean(name("decoupledWeightDecay"), decoupledWeightDecay);
  checkFinite(name("clipEps"), clipEps, 0);
  checkBoolean(name("maximize"), maximize);
  const given = CLIPS.filter((key) => options[key] !== undefined);
  for (const key of given) checkPositive(name(key), options[key]);
  if (given.length > 1) {
    throw new OptionError(
      `${name(given[0]!)} and ${name(given[1]!)} are both given, expected at most one kind of clipping`,
    );
  }
  let mode = 0;
  if (weightDecay > 0) mode |= decoupledWeightDecay ? MODE_DECOUPLED_DECAY : MODE_COUPLED_DECAY;
  if (maximize) mode |= MODE_RESCALE | MODE_MAXIMIZE;
  // An infinite bound is none; the formulas of some frameworks would multiply with it.
  const bound = given.find((key) => Number.isFinite(Math.fround(options[key]!)));
  if (bound !== undefined) mode |= MODE_RESCALE;
  if (bound === "clipNorm") mode |= MODE_MEASURE | MODE_CLIP_NORM;
  if (bound === "globalClipNorm") mode |= MODE_MEASURE | MODE_CLIP_GLOBAL_NORM;
  return {
    mode,
    scalars: [
      [GROUP_WEIGHT_DECAY, weightDecay],
      [GROUP_CLIP_VALUE, options.clipValue ?? Number.POSITIVE_INFINITY],
      [GROUP_CLIP_NORM, options.clipNorm ?? options.globalClipNorm ?? Number.POSITIVE_INFINITY],
      [GROUP_CLIP_EPS, clipEps],
    ],
  };
}

function checkPositive(name: string, value: unknown): void {
  if (typeof value === "number" && value > 0) return;
  throw unexpected(name, value, "a number > 0");
}
