import type { Kernels } from "../../backend.js";
import {
  GROUP,
  MODE_BIAS_CORRECTION,
  MODE_CENTERED,
  MODE_EPS_RATIO,
  MODE_MOMENTUM,
  MODE_NESTEROV,
  SEGMENT_CORRECTION_0,
  SEGMENT_CORRECTION_1,
  SEGMENT_PARAM,
  SEGMENT_STATE,
} from "../../segments.js";
import type { Views } from "../views.js";
import { CHUNK, indexOf, walker } from "./condition.js";

const f = Math.fround;

// One loop for each line of the formula, over a chunk: twice as fast here as one loop with the options inside.

/** v ← decay·v + complement·g², and s = v. */
function averageSquares(
  f32: Float32Array,
  v: number,
  g: Float32Array,
  at: number,
  s: Float32Array,
  count: number,
  decay: number,
  complement: number,
): void {
  for (let i = 0; i < count; i++) {
    const average = f(f(decay * f32[v + i]!) + f(complement * f(g[at + i]! * g[at + i]!)));
    f32[v + i] = average;
    s[i] = average;
  }
}

/** m ← decay·m + complement·g, and s ← s − (m·correction)². */
function subtractMean(
  f32: Float32Array,
  m: number,
  g: Float32Array,
  at: number,
  s: Float32Array,
  count: number,
  decay: number,
  complement: number,
  correction: number,
): void {
  for (let i = 0; i < count; i++) {
    const average = f(f(decay * f32[m + i]!) + f(complement * g[at + i]!));
    f32[m + i] = average;
    const mean = f(average * correction);
    s[i]! -= f(mean * mean);
  }
}

/** u = lr·g / (√(s + epsInside) + epsOutside). */
function increments(
  g: Float32Array,
  at: number,
  s: Float32Array,
  u: Float32Array,
  count: number,
  learningRate: number,
  epsInside: number,
  epsOutside: number,
): void {
  for (let i = 0; i < count; i++) {
    u[i] = f(learningRate * g[at + i]!) / f(f(Math.sqrt(f(s[i]! + epsInside))) + epsOutside);
  }
}

/** u = lr·g·√s / (s + eps). */
function ratioIncrements(
  g: Float32Array,
  at: number,
  s: Float32Array,
  u: Float32Array,
  count: number,
  learningRate: number,
  eps: number,
): void {
  for (let i = 0; i < count; i++) u[i] = f(f(learningRate * g[at + i]!) * f(Math.sqrt(s[i]!))) / f(s[i]! + eps);
}

/** b ← momentum·b + u, and u ← b, or with Nesterov momentum·b + u. */
function addMomentum(
  f32: Float32Array,
  b: number,
  u: Float32Array,
  count: number,
  momentum: number,
  nesterov: boolean,
): void {
  for (let i = 0; i < count; i++) {
    const buffer = f(f(momentum * f32[b + i]!) + u[i]!);
    f32[b + i] = buffer;
    u[i] = nesterov ? f(momentum * buffer) + u[i]! : buffer;
  }
}

/** Twin of assembly/optim/rmsprop.ts. */
export function rmspropKernels(views: Views): Pick<Kernels, "rmsprop_f32"> {
  const s = new Float32Array(CHUNK);
  const u = new Float32Array(CHUNK);
  return {
    rmsprop_f32: walker(views, (f32, i32, row, group, start, count, g, at) => {
      const mode = i32[group + GROUP.mode]!;
      const v = indexOf(i32, row + SEGMENT_STATE, start);
      averageSquares(f32, v, g, at, s, count, f32[group + GROUP.decay]!, f32[group + GROUP.decayComplement]!);
      const corrected = (mode & MODE_BIAS_CORRECTION) !== 0;
      if (corrected) {
        const correction = f32[row + SEGMENT_CORRECTION_0]!;
        for (let i = 0; i < count; i++) s[i]! *= correction;
      }
      if (mode & MODE_CENTERED) {
        const m = indexOf(i32, row + SEGMENT_STATE + 1, start);
        const decay = f32[group + GROUP.meanDecay]!;
        const complement = f32[group + GROUP.meanDecayComplement]!;
        subtractMean(f32, m, g, at, s, count, decay, complement, corrected ? f32[row + SEGMENT_CORRECTION_1]! : 1);
      }

      const learningRate = f32[group + GROUP.learningRate]!;
      const epsOutside = f32[group + GROUP.epsOutside]!;
      if (mode & MODE_EPS_RATIO) ratioIncrements(g, at, s, u, count, learningRate, epsOutside);
      else increments(g, at, s, u, count, learningRate, f32[group + GROUP.epsInside]!, epsOutside);
      if (mode & MODE_MOMENTUM) {
        const b = indexOf(i32, row + SEGMENT_STATE + 2, start);
        addMomentum(f32, b, u, count, f32[group + GROUP.momentum]!, (mode & MODE_NESTEROV) !== 0);
      }
      const p = indexOf(i32, row + SEGMENT_PARAM, start);
      for (let i = 0; i < count; i++) f32[p + i]! -= u[i]!;
    }),
  };
}
