import type { CoreKernels } from "../../families/core.js";
import {
  GROUP,
  MODE_BIAS_CORRECTION,
  MODE_CENTERED,
  MODE_EPS_IN_MEAN,
  MODE_EPS_OUTSIDE,
  MODE_EPS_RATIO,
  MODE_MEAN_FROM_GRADIENT,
  MODE_MEAN_LERP,
  MODE_MOMENTUM,
  MODE_NESTEROV,
  MODE_RATE_AFTER,
  MODE_RATE_LAST,
  MODE_RECIPROCAL,
  MODE_ROW_RATE,
  MODE_SQUARE_LERP,
  MODE_SQUARE_PRODUCT,
  SEGMENT_CORRECTION_0,
  SEGMENT_CORRECTION_1,
  SEGMENT_PARAM,
  SEGMENT_STATE,
} from "../../segments.js";
import type { Views } from "../views.js";
import { CHUNK, indexOf, walker } from "./condition.js";

const f = Math.fround;

// One loop for each line of the formula, over a chunk: twice as fast here as one loop with the options inside.

/** v ← decay·v + complement·g² in the form of `mode`, and s = v. */
export function averageSquares(
  f32: Float32Array,
  v: number,
  g: Float32Array,
  at: number,
  s: Float32Array,
  count: number,
  mode: number,
  group: number,
): void {
  const decay = f32[group + GROUP.decay]!;
  const complement = f32[group + GROUP.decayComplement]!;
  if (mode & MODE_SQUARE_PRODUCT) {
    for (let i = 0; i < count; i++) {
      s[i] = f(decay * f32[v + i]!) + f(f(complement * g[at + i]!) * g[at + i]!);
    }
  } else if (mode & MODE_SQUARE_LERP) {
    for (let i = 0; i < count; i++) {
      s[i] = f32[v + i]! + f(complement * f(f(g[at + i]! * g[at + i]!) - f32[v + i]!));
    }
  } else {
    for (let i = 0; i < count; i++) {
      s[i] = f(decay * f32[v + i]!) + f(complement * f(g[at + i]! * g[at + i]!));
    }
  }
  for (let i = 0; i < count; i++) f32[v + i] = s[i]!;
}

/** m ← decay·m + complement·g in the form of `mode`, and mean = m. */
export function averageGradients(
  f32: Float32Array,
  m: number,
  g: Float32Array,
  at: number,
  mean: Float32Array,
  count: number,
  mode: number,
  group: number,
): void {
  const decay = f32[group + GROUP.meanDecay]!;
  const complement = f32[group + GROUP.meanDecayComplement]!;
  if (mode & MODE_MEAN_LERP) {
    for (let i = 0; i < count; i++) mean[i] = f32[m + i]! + f(complement * f(g[at + i]! - f32[m + i]!));
  } else if (mode & MODE_MEAN_FROM_GRADIENT) {
    for (let i = 0; i < count; i++) mean[i] = g[at + i]! + f(decay * f(f32[m + i]! - g[at + i]!));
  } else {
    for (let i = 0; i < count; i++) mean[i] = f(decay * f32[m + i]!) + f(complement * g[at + i]!);
  }
  for (let i = 0; i < count; i++) f32[m + i] = mean[i]!;
}

/** s ← s − mean², or as TensorFlow.js has it s − (mean² + eps). */
function subtractMean(
  f32: Float32Array,
  mean: Float32Array,
  s: Float32Array,
  count: number,
  mode: number,
  group: number,
): void {
  const eps = mode & MODE_EPS_IN_MEAN ? f32[group + GROUP.epsOutside]! : 0;
  for (let i = 0; i < count; i++) s[i]! -= f(f(mean[i]! * mean[i]!) + eps);
}

/**
 * u = lr·g / d, with the reciprocal lr·g·(1/d), as a ratio lr·g·√s / (s + eps); d = √(s + epsInside) + epsOutside.
 */
function increments(
  f32: Float32Array,
  g: Float32Array,
  at: number,
  s: Float32Array,
  u: Float32Array,
  count: number,
  mode: number,
  row: number,
  group: number,
): void {
  const learningRate = f32[mode & MODE_ROW_RATE ? row + SEGMENT_CORRECTION_1 : group + GROUP.learningRate]!;
  const epsInside = f32[group + GROUP.epsInside]!;
  const epsOutside = mode & MODE_EPS_OUTSIDE ? f32[group + GROUP.epsOutside]! : 0;
  if (mode & MODE_EPS_RATIO) {
    for (let i = 0; i < count; i++) {
      u[i] = f(f(learningRate * g[at + i]!) * f(Math.sqrt(s[i]!))) / f(s[i]! + epsOutside);
    }
    return;
  }
  for (let i = 0; i < count; i++) s[i] = f(Math.sqrt(f(s[i]! + epsInside))) + epsOutside;
  if (mode & MODE_RECIPROCAL) for (let i = 0; i < count; i++) u[i] = f(learningRate * g[at + i]!) * f(1 / s[i]!);
  else for (let i = 0; i < count; i++) u[i] = f(learningRate * g[at + i]!) / s[i]!;
}

/** b ← momentum·b + u, and u ← b, or with Nesterov momentum·b + u. */
function addMomentum(f32: Float32Array, b: number, u: Float32Array, count: number, mode: number, group: number): void {
  const momentum = f32[group + GROUP.momentum]!;
  for (let i = 0; i < count; i++) {
    const buffer = f(f(momentum * f32[b + i]!) + u[i]!);
    f32[b + i] = buffer;
    u[i] = mode & MODE_NESTEROV ? f(momentum * buffer) + u[i]! : buffer;
  }
}

/** x ← x·factor, whose word is given. */
function multiply(f32: Float32Array, x: Float32Array, count: number, word: number): void {
  const factor = f32[word]!;
  for (let i = 0; i < count; i++) x[i]! *= factor;
}

/** Twin of assembly/optim/rmsprop.ts. Scalars stay in memory until they are used: V8 boxes them as arguments. */
export function rmspropKernels(views: Views): Pick<CoreKernels, "rmsprop_f32"> {
  const s = new Float32Array(CHUNK);
  const u = new Float32Array(CHUNK);
  return {
    rmsprop_f32: walker(views, (f32, i32, row, group, start, count, g, at) => {
      const mode = i32[group + GROUP.mode]!;
      averageSquares(f32, indexOf(i32, row + SEGMENT_STATE, start), g, at, s, count, mode, group);
      if (mode & MODE_BIAS_CORRECTION) multiply(f32, s, count, row + SEGMENT_CORRECTION_0);
      if (mode & MODE_CENTERED) {
        averageGradients(f32, indexOf(i32, row + SEGMENT_STATE + 1, start), g, at, u, count, mode, group);
        if (mode & MODE_BIAS_CORRECTION) multiply(f32, u, count, row + SEGMENT_CORRECTION_1);
        subtractMean(f32, u, s, count, mode, group);
      }
      increments(f32, g, at, s, u, count, mode, row, group);
      if (mode & (MODE_RECIPROCAL | MODE_RATE_AFTER)) multiply(f32, u, count, group + GROUP.rateAfter);
      if (mode & MODE_MOMENTUM) addMomentum(f32, indexOf(i32, row + SEGMENT_STATE + 2, start), u, count, mode, group);
      if (mode & MODE_RATE_LAST) multiply(f32, u, count, group + GROUP.rateLast);
      const p = indexOf(i32, row + SEGMENT_PARAM, start);
      for (let i = 0; i < count; i++) f32[p + i]! -= u[i]!;
    }),
  };
}
