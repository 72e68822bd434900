import {
  FORM_MOMENTUM,
  FORM_NESTEROV,
  GROUP_FORM,
  GROUP_LEARNING_RATE,
  GROUP_MOMENTUM,
  SEGMENT_PARAM,
  SEGMENT_SCALAR,
  SEGMENT_STATE,
} from "../../../abi/step-table.js";
import type { SGDKernels } from "../../families/sgd.js";
import type { Views } from "../views.js";
import { CHUNK, indexOf, walker } from "./transform.js";

const f = Math.fround;

/** b ← momentum·b + factor·g, and d = b, or with Nesterov g + momentum·b. */
function addMomentum(
  f32: Float32Array,
  b: number,
  g: Float32Array,
  at: number,
  d: Float32Array,
  count: number,
  form: number,
  segment: number,
  group: number,
): void {
  const momentum = f32[group + GROUP_MOMENTUM]!;
  const factor = f32[segment + SEGMENT_SCALAR]!;
  for (let i = 0; i < count; i++) {
    const buffer = f(f(momentum * f32[b + i]!) + f(factor * g[at + i]!));
    f32[b + i] = buffer;
    d[i] = form & FORM_NESTEROV ? g[at + i]! + f(momentum * buffer) : buffer;
  }
}

/** p ← p − lr·d. */
function descend(f32: Float32Array, p: number, d: Float32Array, at: number, count: number, group: number): void {
  const learningRate = f32[group + GROUP_LEARNING_RATE]!;
  for (let i = 0; i < count; i++) f32[p + i]! -= f(learningRate * d[at + i]!);
}

/** The JavaScript implementation of assembly/optim/sgd.ts. */
export function sgdKernels(views: Views): SGDKernels {
  const d = new Float32Array(CHUNK);
  return {
    sgd_f32: walker(views, (f32, i32, segment, group, start, count, g, at) => {
      const form = i32[group + GROUP_FORM]!;
      const p = indexOf(i32, segment + SEGMENT_PARAM, start);
      if (form & FORM_MOMENTUM) {
        addMomentum(f32, indexOf(i32, segment + SEGMENT_STATE, start), g, at, d, count, form, segment, group);
        descend(f32, p, d, 0, count, group);
      } else descend(f32, p, g, at, count, group);
    }),
  };
}
