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
import type { NAdamKernels } from "../../families/nadam.js";
import type { Views } from "../views.js";
import { averageGradients, averageSquares } from "./rmsprop.js";
import { CHUNK, indexOf, walker } from "./transform.js";

const f = Math.fround;

/** p ← p − (gradRate·g) / d, then p ← p − (meanRate·m) / d, with d = √(v / correction) + eps. */
function descend(
  f32: Float32Array,
  p: number,
  g: Float32Array,
  at: number,
  m: Float32Array,
  v: Float32Array,
  count: number,
  segment: number,
  group: number,
): void {
  const correction = f32[segment + SEGMENT_SCALAR]!;
  const gradRate = f32[segment + SEGMENT_SCALAR + 1]!;
  const meanRate = f32[segment + SEGMENT_SCALAR + 2]!;
  const eps = f32[group + GROUP_EPS_OUTSIDE]!;
  for (let i = 0; i < count; i++) {
    const d = f(f(Math.sqrt(f(v[i]! / correction))) + eps);
    f32[p + i]! -= f(f(gradRate * g[at + i]!) / d);
    f32[p + i]! -= f(f(meanRate * m[i]!) / d);
  }
}

/** The JavaScript implementation of assembly/optim/nadam.ts. */
export function nadamKernels(views: Views): NAdamKernels {
  const v = new Float32Array(CHUNK);
  const m = new Float32Array(CHUNK);
  return {
    nadam_f32: walker(views, (f32, i32, segment, group, start, count, g, at) => {
      const form = FORM_SQUARE_PRODUCT | (i32[group + GROUP_FORM]! & FORM_MEAN_FROM_GRADIENT || FORM_MEAN_LERP);
      averageSquares(f32, indexOf(i32, segment + SEGMENT_STATE, start), g, at, v, count, form, group);
      averageGradients(f32, indexOf(i32, segment + SEGMENT_STATE + 1, start), g, at, m, count, form, group);
      descend(f32, indexOf(i32, segment + SEGMENT_PARAM, start), g, at, m, v, count, segment, group);
    }),
  };
}
