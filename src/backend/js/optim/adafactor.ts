// The JavaScript implementation of assembly/optim/adafactor.ts. Stores to a Float32Array round.

import {
  GROUP_EPS_INSIDE,
  GROUP_EPS_OUTSIDE,
  GROUP_SCALAR,
  SEGMENT_COLUMNS,
  SEGMENT_COUNT,
  SEGMENT_PARAM,
  SEGMENT_ROWS,
  SEGMENT_SCALAR,
  SEGMENT_SCALAR_F64,
  SEGMENT_STATE,
} from "../../../abi/step-table.js";
import type { AdafactorKernels } from "../../families/adafactor.js";
import type { Views } from "../views.js";
import { lerpNear, scratchWalker, sumOfSquares, transformAll } from "./transform.js";

const f = Math.fround;

/** The number in two words. */
const words = new Int32Array(2);
const double = new Float64Array(words.buffer);

function readDouble(i32: Int32Array, at: number): number {
  words[0] = i32[at]!;
  words[1] = i32[at + 1]!;
  return double[0]!;
}

/** `average` ← lerp(average, ‖·‖²/length, w) for a row or column with this sum of squares. */
function moveMean(f32: Float32Array, at: number, sum: number, length: number, weight: number): void {
  const norm = f(Math.sqrt(sum));
  f32[at] = lerpNear(f32[at]!, f(f(norm * norm) / length), weight);
}

/** u of one element, from its variance. */
function increment(s: number, g: number, least: number): number {
  return f(f(1 / f(Math.sqrt(Math.max(s, least)))) * g);
}

/** The variances of one matrix move, and u takes the gradient's place. */
function updateMatrix(
  f32: Float32Array,
  g: number,
  rows: number,
  columns: number,
  r: number,
  c: number,
  segment: number,
  group: number,
): void {
  const weight = f32[segment + SEGMENT_SCALAR]!;
  let total = 0;
  for (let i = 0; i < rows; i++) {
    moveMean(f32, r + i, sumOfSquares(f32, g + i * columns, columns), columns, weight);
    total += f32[r + i]!;
  }
  for (let j = 0; j < columns; j++) {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += f32[g + i * columns + j]! * f32[g + i * columns + j]!;
    moveMean(f32, c + j, sum, rows, weight);
  }
  const mean = Math.max(f(f(total) / rows), f32[group + GROUP_EPS_INSIDE]!);
  const least = f32[group + GROUP_EPS_OUTSIDE]!;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const at = g + i * columns + j;
      f32[at] = increment(f(f(f32[r + i]! * f32[c + j]!) / mean), f32[at]!, least);
    }
  }
}

/** The variance of a vector moves, and u takes the gradient's place. */
function updateVector(f32: Float32Array, g: number, count: number, v: number, weight: number, least: number): void {
  for (let i = 0; i < count; i++) {
    const x = f32[g + i]!;
    f32[v + i] = lerpNear(f32[v + i]!, f(x * x), weight);
    f32[g + i] = increment(f32[v + i]!, x, least);
  }
}

export function adafactorKernels(views: Views): AdafactorKernels {
  return {
    adafactor_f32: scratchWalker(views, (f32, i32, segment, group, u) => {
      const count = i32[segment + SEGMENT_COUNT]! >>> 0;
      const p = i32[segment + SEGMENT_PARAM]! >>> 2;
      const root = Math.sqrt(count);
      const eps2 = readDouble(i32, group + GROUP_SCALAR);
      const d = readDouble(i32, group + GROUP_SCALAR + 2);
      const size = f(Math.sqrt(sumOfSquares(f32, p, count))) / root;
      const alpha = (size > eps2 ? size : eps2) * readDouble(i32, segment + SEGMENT_SCALAR_F64);
      transformAll(f32, i32, segment, group, u);
      const v = i32[segment + SEGMENT_STATE + 2]! >>> 2;
      if (v !== 0) updateVector(f32, u, count, v, f32[segment + SEGMENT_SCALAR]!, f32[group + GROUP_EPS_OUTSIDE]!);
      else {
        const rows = i32[segment + SEGMENT_ROWS]!;
        const columns = i32[segment + SEGMENT_COLUMNS]!;
        const r = i32[segment + SEGMENT_STATE]! >>> 2;
        const c = i32[segment + SEGMENT_STATE + 1]! >>> 2;
        for (let batch = 0; batch < count / (rows * columns); batch++) {
          const g = u + batch * rows * columns;
          updateMatrix(f32, g, rows, columns, r + batch * rows, c + batch * columns, segment, group);
        }
      }
      const ratio = f(Math.sqrt(sumOfSquares(f32, u, count))) / (root * d);
      const coefficient = f(alpha / (ratio > 1 ? ratio : 1));
      for (let i = 0; i < count; i++) f32[p + i]! -= f(coefficient * f32[u + i]!);
    }),
    adafactor_scratch_bytes: (count, _, columns) => count * 4 + columns * 8,
  };
}
