import type { CoreKernels } from "../../families/core.js";
import {
  GROUP,
  MODE_MOMENTUM,
  MODE_NESTEROV,
  SEGMENT_CORRECTION_0,
  SEGMENT_PARAM,
  SEGMENT_STATE,
} from "../../segments.js";
import type { Views } from "../views.js";
import { CHUNK, indexOf, walker } from "./condition.js";

const f = Math.fround;

/** b ← momentum·b + factor·g, and d = b, or with Nesterov g + momentum·b. */
function addMomentum(
  f32: Float32Array,
  b: number,
  g: Float32Array,
  at: number,
  d: Float32Array,
  count: number,
  mode: number,
  row: number,
  group: number,
): void {
  const momentum = f32[group + GROUP.momentum]!;
  const factor = f32[row + SEGMENT_CORRECTION_0]!;
  for (let i = 0; i < count; i++) {
    const buffer = f(f(momentum * f32[b + i]!) + f(factor * g[at + i]!));
    f32[b + i] = buffer;
    d[i] = mode & MODE_NESTEROV ? g[at + i]! + f(momentum * buffer) : buffer;
  }
}

/** p ← p − lr·d. */
function descend(f32: Float32Array, p: number, d: Float32Array, at: number, count: number, group: number): void {
  const learningRate = f32[group + GROUP.learningRate]!;
  for (let i = 0; i < count; i++) f32[p + i]! -= f(learningRate * d[at + i]!);
}

/** Twin of assembly/optim/sgd.ts. */
export function sgdKernels(views: Views): Pick<CoreKernels, "sgd_f32"> {
  const d = new Float32Array(CHUNK);
  return {
    sgd_f32: walker(views, (f32, i32, row, group, start, count, g, at) => {
      const mode = i32[group + GROUP.mode]!;
      const p = indexOf(i32, row + SEGMENT_PARAM, start);
      if (mode & MODE_MOMENTUM) {
        addMomentum(f32, indexOf(i32, row + SEGMENT_STATE, start), g, at, d, count, mode, row, group);
        descend(f32, p, d, 0, count, group);
      } else descend(f32, p, g, at, count, group);
    }),
  };
}
