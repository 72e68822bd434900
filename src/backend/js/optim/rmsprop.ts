import {
  FORM_BIAS_CORRECTION,
  FORM_CENTERED,
  FORM_EPS_IN_MEAN,
  FORM_EPS_OUTSIDE,
  FORM_EPS_RATIO,
  FORM_MEAN_FROM_GRADIENT,
  FORM_MEAN_LERP,
  FORM_MOMENTUM,
  FORM_NEGATIVE,
  FORM_NESTEROV,
  FORM_RATE_AFTER,
  FORM_RATE_LAST,
  FORM_RECIPROCAL,
  FORM_SEGMENT_RATE,
  FORM_SQUARE_LERP,
  FORM_SQUARE_PRODUCT,
  FORM_VARIANCE_FLOOR,
  GROUP_DECAY,
  GROUP_DECAY_COMPLEMENT,
  GROUP_EPS_INSIDE,
  GROUP_EPS_OUTSIDE,
  GROUP_FORM,
  GROUP_LEARNING_RATE,
  GROUP_MEAN_DECAY,
  GROUP_MEAN_DECAY_COMPLEMENT,
  GROUP_MOMENTUM,
  SEGMENT_PARAM,
  SEGMENT_SCALAR,
  SEGMENT_STATE,
} from "../../../abi/step-table.js";
import type { CoreKernels } from "../../families/core.js";
import type { Views } from "../views.js";
import { CHUNK, indexOf, walker } from "./transform.js";

const f = Math.fround;

// One loop for each line of the formula, over a chunk: twice as fast here as one loop with the options inside.

/** v ← decay·v + complement·g² in the form of `form`, and s = v. */
export function averageSquares(
  f32: Float32Array,
  v: number,
  g: Float32Array,
  at: number,
  s: Float32Array,
  count: number,
  form: number,
  group: number,
): void {
  const decay = f32[group + GROUP_DECAY]!;
  const complement = f32[group + GROUP_DECAY_COMPLEMENT]!;
  if (form & FORM_SQUARE_PRODUCT) {
    for (let i = 0; i < count; i++) {
      s[i] = f(decay * f32[v + i]!) + f(f(complement * g[at + i]!) * g[at + i]!);
    }
  } else if (form & FORM_SQUARE_LERP) {
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

/** m ← decay·m + complement·g in the form of `form`, and mean = m. */
export function averageGradients(
  f32: Float32Array,
  m: number,
  g: Float32Array,
  at: number,
  mean: Float32Array,
  count: number,
  form: number,
  group: number,
): void {
  const decay = f32[group + GROUP_MEAN_DECAY]!;
  const complement = f32[group + GROUP_MEAN_DECAY_COMPLEMENT]!;
  if (form & FORM_MEAN_LERP) {
    for (let i = 0; i < count; i++) mean[i] = f32[m + i]! + f(complement * f(g[at + i]! - f32[m + i]!));
  } else if (form & FORM_MEAN_FROM_GRADIENT) {
    for (let i = 0; i < count; i++) mean[i] = g[at + i]! + f(decay * f(g[at + i]! - f32[m + i]!));
  } else {
    for (let i = 0; i < count; i++) mean[i] = f(decay * f32[m + i]!) + f(complement * g[at + i]!);
  }
  for (let i = 0; i < count; i++) f32[m + i] = mean[i]!;
}

/** s ← s − mean², at least 0 if it has a floor; or as TensorFlow.js has it s − (mean² + eps). */
function subtractMean(
  f32: Float32Array,
  mean: Float32Array,
  s: Float32Array,
  count: number,
  form: number,
  group: number,
): void {
  const eps = form & FORM_EPS_IN_MEAN ? f32[group + GROUP_EPS_OUTSIDE]! : 0;
  for (let i = 0; i < count; i++) s[i]! -= f(f(mean[i]! * mean[i]!) + eps);
  if (form & FORM_VARIANCE_FLOOR) for (let i = 0; i < count; i++) if (s[i]! < 0) s[i] = 0;
}

/**
 * u = lr·g / d, with the reciprocal lr·g·(1/d), as a ratio lr·g·√s / (s + eps); d = √(s + epsInside) + epsOutside. A
 * rate that comes later is 1 here.
 */
function increments(
  f32: Float32Array,
  g: Float32Array,
  at: number,
  s: Float32Array,
  u: Float32Array,
  count: number,
  form: number,
  group: number,
  rateWord: number,
): void {
  const learningRate = form & (FORM_RATE_AFTER | FORM_RATE_LAST) ? 1 : f32[rateWord]!;
  const epsInside = f32[group + GROUP_EPS_INSIDE]!;
  const epsOutside = form & FORM_EPS_OUTSIDE ? f32[group + GROUP_EPS_OUTSIDE]! : 0;
  if (form & FORM_EPS_RATIO) {
    for (let i = 0; i < count; i++) {
      u[i] = f(f(learningRate * g[at + i]!) * f(Math.sqrt(s[i]!))) / f(s[i]! + epsOutside);
    }
    return;
  }
  for (let i = 0; i < count; i++) s[i] = f(Math.sqrt(f(s[i]! + epsInside))) + epsOutside;
  if (form & FORM_RECIPROCAL) for (let i = 0; i < count; i++) u[i] = f(learningRate * g[at + i]!) * f(1 / s[i]!);
  else for (let i = 0; i < count; i++) u[i] = f(learningRate * g[at + i]!) / s[i]!;
}

/** b ← momentum·b + u, and u ← b, or with Nesterov momentum·b + u. */
function addMomentum(f32: Float32Array, b: number, u: Float32Array, count: number, form: number, group: number): void {
  const momentum = f32[group + GROUP_MOMENTUM]!;
  for (let i = 0; i < count; i++) {
    const buffer = f(f(momentum * f32[b + i]!) + u[i]!);
    f32[b + i] = buffer;
    u[i] = form & FORM_NESTEROV ? f(momentum * buffer) + u[i]! : buffer;
  }
}

/** x ← x·factor, whose word is given. */
function multiply(f32: Float32Array, x: Float32Array, count: number, word: number): void {
  const factor = f32[word]!;
  for (let i = 0; i < count; i++) x[i]! *= factor;
}

/** The JavaScript implementation of assembly/optim/rmsprop.ts. Scalars stay in memory until they are used: V8 boxes them as arguments. */
export function rmspropKernels(views: Views): Pick<CoreKernels, "rmsprop_f32"> {
  const s = new Float32Array(CHUNK);
  const u = new Float32Array(CHUNK);
  return {
    rmsprop_f32: walker(views, (f32, i32, segment, group, start, count, g, at) => {
      const form = i32[group + GROUP_FORM]!;
      const rateWord = form & FORM_SEGMENT_RATE ? segment + SEGMENT_SCALAR + 1 : group + GROUP_LEARNING_RATE;
      averageSquares(f32, indexOf(i32, segment + SEGMENT_STATE, start), g, at, s, count, form, group);
      if (form & FORM_BIAS_CORRECTION) multiply(f32, s, count, segment + SEGMENT_SCALAR);
      if (form & FORM_CENTERED) {
        averageGradients(f32, indexOf(i32, segment + SEGMENT_STATE + 1, start), g, at, u, count, form, group);
        if (form & FORM_BIAS_CORRECTION) multiply(f32, u, count, segment + SEGMENT_SCALAR + 1);
        subtractMean(f32, u, s, count, form, group);
      }
      increments(f32, g, at, s, u, count, form, group, rateWord);
      if (form & FORM_RATE_AFTER) multiply(f32, u, count, rateWord);
      if (form & FORM_MOMENTUM)
        addMomentum(f32, indexOf(i32, segment + SEGMENT_STATE + 2, start), u, count, form, group);
      if (form & FORM_RATE_LAST) multiply(f32, u, count, rateWord);
      const p = indexOf(i32, segment + SEGMENT_PARAM, start);
      if (form & FORM_NEGATIVE) for (let i = 0; i < count; i++) f32[p + i]! += u[i]!;
      else for (let i = 0; i < count; i++) f32[p + i]! -= u[i]!;
    }),
  };
}
