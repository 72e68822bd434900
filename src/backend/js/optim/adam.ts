import {
  FORM_MEAN_FROM_GRADIENT,
  FORM_MEAN_LERP,
  FORM_SQUARE_PRODUCT,
  GROUP_EPS_OUTSIDE,
  GROUP_FORM,
  SEGMENT_PARAM,
  SEGMENT_SCALAR,
  SEGMENT_STATE,
} from "../../../abi/step-table.js";
import type { AdamKernels } from "../../families/adam.js";
import type { Views } from "../views.js";
import { averageGradients, averageSquares } from "./rmsprop.js";
import { CHUNK, indexOf, walker } from "./transform.js";

const f = Math.fround;

/** s ← max(s, v), and v = s: what AMSGrad divides by. */
function maximize(f32: Float32Array, s: number, v: Float32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    f32[s + i] = Math.max(f32[s + i]!, v[i]!);
    v[i] = f32[s + i]!;
  }
}

/** p ← p − rate·m / (√s / correction + eps). */
function descend(
  f32: Float32Array,
  p: number,
  m: Float32Array,
  s: Float32Array,
  count: number,
  segment: number,
  group: number,
): void {
  const correction = f32[segment + SEGMENT_SCALAR]!;
  const rate = f32[segment + SEGMENT_SCALAR + 1]!;
  const eps = f32[group + GROUP_EPS_OUTSIDE]!;
  for (let i = 0; i < count; i++) {
    f32[p + i]! -= f(f(rate * m[i]!) / f(f(f(Math.sqrt(s[i]!)) / correction) + eps));
  }
}

/** The JavaScript implementation of assembly/optim/adam.ts. */
export function adamKernels(views: Views): AdamKernels {
  const s = new Float32Array(CHUNK);
  const mean = new Float32Array(CHUNK);
  return {
    adam_f32: walker(views, (f32, i32, segment, group, start, count, g, at) => {
      const form = FORM_SQUARE_PRODUCT | (i32[group + GROUP_FORM]! & FORM_MEAN_FROM_GRADIENT || FORM_MEAN_LERP);
      averageSquares(f32, indexOf(i32, segment + SEGMENT_STATE, start), g, at, s, count, form, group);
      averageGradients(f32, indexOf(i32, segment + SEGMENT_STATE + 1, start), g, at, mean, count, form, group);
      if (i32[segment + SEGMENT_STATE + 2] !== 0)
        maximize(f32, indexOf(i32, segment + SEGMENT_STATE + 2, start), s, count);
      descend(f32, indexOf(i32, segment + SEGMENT_PARAM, start), mean, s, count, segment, group);
    }),
  };
}
