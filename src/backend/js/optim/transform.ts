// The JavaScript implementation of assembly/optim/transform.ts. Stores to a Float32Array round, so only what is inside them needs Math.fround.

import {
  GROUP_CLIP_EPS,
  GROUP_CLIP_NORM,
  GROUP_CLIP_VALUE,
  GROUP_DECOUPLED_DECAY,
  GROUP_LEARNING_RATE,
  GROUP_MODE,
  GROUP_WEIGHT_DECAY,
  MODE_CLAMP_LAST,
  MODE_CLIP_GLOBAL_NORM,
  MODE_CLIP_KERAS,
  MODE_CLIP_NORM,
  MODE_CLIP_OPTAX,
  MODE_CLIP_PADDLE,
  MODE_COUPLED_DECAY,
  MODE_DECAY_FACTOR,
  MODE_DECAY_TWICE,
  MODE_DECOUPLED_DECAY,
  MODE_MAXIMIZE,
  MODE_MEASURE,
  MODE_RESCALE,
  MODE_RESCALE_DIVIDE,
  MODE_RESCALE_TWICE,
  MODE_TRANSFORM,
  SEGMENT_AVERAGE,
  SEGMENT_BYTES,
  SEGMENT_COUNT,
  SEGMENT_GRAD,
  SEGMENT_GRAD_SCALE,
  SEGMENT_GRAD_SCALE_2,
  SEGMENT_GROUP,
  SEGMENT_PARAM,
} from "../../../abi/step-table.js";
import type { CoreKernels } from "../../families/core.js";
import type { StepKernel } from "../../family.js";
import type { Views } from "../views.js";
import { averageParameters } from "./average.js";

const f = Math.fround;

const ROW = SEGMENT_BYTES / 4;
const BLOCK = 65536;

/** Σ x² of one block that starts at index `x`. */
function blockSumOfSquares(f32: Float32Array, x: number, count: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let s4 = 0;
  let s5 = 0;
  let s6 = 0;
  let s7 = 0;
  const end = x + count;
  for (const vectorsEnd = x + count - (count % 8); x < vectorsEnd; x += 8) {
    s0 += f32[x]! * f32[x]!;
    s1 += f32[x + 1]! * f32[x + 1]!;
    s2 += f32[x + 2]! * f32[x + 2]!;
    s3 += f32[x + 3]! * f32[x + 3]!;
    s4 += f32[x + 4]! * f32[x + 4]!;
    s5 += f32[x + 5]! * f32[x + 5]!;
    s6 += f32[x + 6]! * f32[x + 6]!;
    s7 += f32[x + 7]! * f32[x + 7]!;
  }
  let sum = s0 + s2 + (s4 + s6) + (s1 + s3 + (s5 + s7));
  for (; x < end; x++) sum += f32[x]! * f32[x]!;
  return sum;
}

/** Σ x² in float64, in an order that depends on `count` alone. */
export function sumOfSquares(f32: Float32Array, x: number, count: number): number {
  let sum = 0;
  for (; count > BLOCK; count -= BLOCK) {
    sum += blockSumOfSquares(f32, x, BLOCK);
    x += BLOCK;
  }
  return sum + blockSumOfSquares(f32, x, count);
}

/** Multiplies a segment's scale with what brings a gradient with this sum of squares down to the group's clipNorm. */
function clip(f32: Float32Array, segment: number, group: number, mode: number, sumOfSquares: number): void {
  const bound = f32[group + GROUP_CLIP_NORM]!;
  const scale = segment + SEGMENT_GRAD_SCALE;
  const scale2 = segment + SEGMENT_GRAD_SCALE_2;
  const eps = f32[group + GROUP_CLIP_EPS]!;
  if (eps > 0) {
    f32[scale]! *= Math.min(f(f(1 / f(f(Math.sqrt(f(sumOfSquares))) + eps)) * bound), 1);
    return;
  }
  if (!(mode & (MODE_CLIP_KERAS | MODE_CLIP_OPTAX | MODE_CLIP_PADDLE))) {
    const norm = Math.sqrt(sumOfSquares);
    f32[scale]! *= norm <= bound ? 1 : f(bound / norm);
    return;
  }
  const norm = f(Math.sqrt(f(sumOfSquares)));
  f32[scale] = 1;
  f32[scale2] = 1;
  if (mode & MODE_CLIP_OPTAX) {
    if (norm < bound) return;
    f32[scale] = 1 / norm;
    f32[scale2] = bound;
  } else if (mode & MODE_CLIP_PADDLE) f32[scale] = bound / Math.max(norm, bound);
  else if (mode & MODE_RESCALE_DIVIDE) {
    f32[scale] = bound;
    f32[scale2] = Math.max(norm, bound);
  } else f32[scale] = f(bound * Math.min(f(1 / norm), f(1 / bound))) + (norm - norm);
}

/** The JavaScript implementation of `measure_f32`. */
export function measureKernels(views: Views): Pick<CoreKernels, "measure_f32"> {
  return {
    measure_f32: (segmentsPtr, segmentCount, checkFinite) =>
      measure(views, segmentsPtr >>> 2, segmentCount, checkFinite),
  };
}

function measure(views: Views, segments: number, segmentCount: number, checkFinite: number): number {
  if (checkFinite < 0) return 0;
  const { f32, i32 } = views;
  const end = segments + segmentCount * ROW;
  let total = 0;
  for (let segment = segments; segment < end; segment += ROW) {
    const gradPtr = i32[segment + SEGMENT_GRAD]!;
    if (gradPtr === 0) continue;
    const group = i32[segment + SEGMENT_GROUP]! >>> 2;
    const mode = i32[group + GROUP_MODE]!;
    f32[segment + SEGMENT_GRAD_SCALE] = mode & MODE_MAXIMIZE ? -1 : 1;
    if (checkFinite !== 0 || mode & MODE_MEASURE) {
      const sum = sumOfSquares(f32, gradPtr >>> 2, i32[segment + SEGMENT_COUNT]!);
      if (checkFinite !== 0 && !Number.isFinite(sum)) return 1 + (segment - segments) / ROW;
      if (mode & MODE_CLIP_NORM) clip(f32, segment, group, mode, sum);
      // PyTorch takes the norm of the norms, in float32.
      const norm = f(Math.sqrt(f(sum)));
      total = f32[group + GROUP_CLIP_EPS]! > 0 ? f(f(total) + f(norm * norm)) : total + sum;
    }
  }
  for (let segment = segments; segment < end; segment += ROW) {
    if (i32[segment + SEGMENT_GRAD] === 0) continue;
    const group = i32[segment + SEGMENT_GROUP]! >>> 2;
    const mode = i32[group + GROUP_MODE]!;
    if (mode & MODE_CLIP_GLOBAL_NORM) clip(f32, segment, group, mode, total);
  }
  return 0;
}

/** Elements that go through a kernel's stages together: few enough for the first-level cache. */
export const CHUNK = 256;

/**
 * What an optimizer does with `count` ≤ CHUNK elements from `start` on: `g` holds their gradient, transformed, from
 * index `at` on; `segment` and `group` are the word indices of their segment and its group.
 */
export type Update = (
  f32: Float32Array,
  i32: Int32Array,
  segment: number,
  group: number,
  start: number,
  count: number,
  g: Float32Array,
  at: number,
) => void;

/** Index of element `start` of the array whose address is the word `field`. */
export function indexOf(i32: Int32Array, field: number, start: number): number {
  return (i32[field]! >>> 2) + start;
}

/** What every optimizer's kernel does: measures the gradients, then conditions and updates them chunk by chunk. */
export function walker(views: Views, update: Update): StepKernel {
  const g = new Float32Array(CHUNK);
  return (segmentsPtr, segmentCount, checkFinite) => {
    const segments = segmentsPtr >>> 2;
    const refused = measure(views, segments, segmentCount, checkFinite);
    if (refused !== 0) return refused;
    const { f32, i32 } = views;
    for (let segment = segments; segment < segments + segmentCount * ROW; segment += ROW) {
      if (i32[segment + SEGMENT_GRAD] === 0) continue;
      const group = i32[segment + SEGMENT_GROUP]! >>> 2;
      const transformed = (i32[group + GROUP_MODE]! & MODE_TRANSFORM) !== 0;
      const size = i32[segment + SEGMENT_COUNT]!;
      for (let start = 0; start < size; start += CHUNK) {
        const count = Math.min(CHUNK, size - start);
        if (transformed) {
          transform(f32, i32, segment, group, start, count, g);
          update(f32, i32, segment, group, start, count, g, 0);
        } else update(f32, i32, segment, group, start, count, f32, indexOf(i32, segment + SEGMENT_GRAD, start));
      }
      if (i32[segment + SEGMENT_AVERAGE] !== 0) averageParameters(f32, i32, segment);
    }
    return 0;
  };
}

/** What a kernel that works on whole parameters does with one: `scratch` is the index of the thread's scratch. */
export type WholeUpdate = (f32: Float32Array, i32: Int32Array, segment: number, group: number, scratch: number) => void;

/** The same as `walker` for kernels that work on whole parameters, with scratch. */
export function scratchWalker(views: Views, update: WholeUpdate): StepKernel {
  return (segmentsPtr, segmentCount, checkFinite, scratchPtr = 0) => {
    const segments = segmentsPtr >>> 2;
    const refused = measure(views, segments, segmentCount, checkFinite);
    if (refused !== 0) return refused;
    const { f32, i32 } = views;
    for (let segment = segments; segment < segments + segmentCount * ROW; segment += ROW) {
      if (i32[segment + SEGMENT_GRAD] === 0 || i32[segment + SEGMENT_COUNT] === 0) continue;
      update(f32, i32, segment, i32[segment + SEGMENT_GROUP]! >>> 2, scratchPtr >>> 2);
      if (i32[segment + SEGMENT_AVERAGE] !== 0) averageParameters(f32, i32, segment);
    }
    return 0;
  };
}

/** All of a segment's gradient as the formula sees it, from index `to` on; decays the parameters where that is decoupled. */
export function transformAll(f32: Float32Array, i32: Int32Array, segment: number, group: number, to: number): void {
  const count = i32[segment + SEGMENT_COUNT]!;
  transform(f32, i32, segment, group, 0, count, f32.subarray(to, to + count));
}

/** from + weight·(to − from), as PyTorch has it: from the nearer end. */
export function lerpNear(from: number, to: number, weight: number): number {
  if (weight < 0.5) return f(from + f(weight * f(to - from)));
  return f(to + f(f(weight - 1) * f(to - from)));
}

/** Fills `g` with the gradient that the formula sees, and decays the parameters where that is decoupled. */
function transform(
  f32: Float32Array,
  i32: Int32Array,
  segment: number,
  group: number,
  start: number,
  count: number,
  g: Float32Array,
): void {
  const mode = i32[group + GROUP_MODE]!;
  const params = indexOf(i32, segment + SEGMENT_PARAM, start);
  const grads = indexOf(i32, segment + SEGMENT_GRAD, start);
  const bound = f32[group + GROUP_CLIP_VALUE]!;
  const weightDecay = f32[group + GROUP_WEIGHT_DECAY]!;
  if (mode & MODE_RESCALE) {
    const scale = f32[segment + SEGMENT_GRAD_SCALE]!;
    for (let i = 0; i < count; i++) g[i] = clamp(f32[grads + i]!, bound) * scale;
    const scale2 = f32[segment + SEGMENT_GRAD_SCALE_2]!;
    if (mode & MODE_RESCALE_DIVIDE) for (let i = 0; i < count; i++) g[i]! /= scale2;
    if (mode & MODE_RESCALE_TWICE) for (let i = 0; i < count; i++) g[i]! *= scale2;
  } else for (let i = 0; i < count; i++) g[i] = f32[grads + i]!;
  if (mode & MODE_COUPLED_DECAY) for (let i = 0; i < count; i++) g[i]! += f(weightDecay * f32[params + i]!);
  if (mode & MODE_CLAMP_LAST) for (let i = 0; i < count; i++) g[i] = clamp(g[i]!, bound);
  if (mode & MODE_DECOUPLED_DECAY) {
    const decoupledDecay = f32[group + GROUP_DECOUPLED_DECAY]!;
    const learningRate = f32[group + GROUP_LEARNING_RATE]!;
    if (mode & MODE_DECAY_FACTOR) for (let i = 0; i < count; i++) f32[params + i]! *= decoupledDecay;
    else if (mode & MODE_DECAY_TWICE) {
      for (let i = 0; i < count; i++) f32[params + i]! -= f(f(f32[params + i]! * weightDecay) * learningRate);
    } else for (let i = 0; i < count; i++) f32[params + i]! -= f(decoupledDecay * f32[params + i]!);
  }
}

/** x within ±bound; NaN stays NaN. */
function clamp(x: number, bound: number): number {
  const raised = x < -bound ? -bound : x;
  return bound < raised ? bound : raised;
}
