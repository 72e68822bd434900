import { exp } from "./math.js";

const f = Math.fround;

/** Σ of every fourth addend from `lane` to `end`. */
function laneSum(lane: number, end: number, addend: (j: number) => number): number {
  let sum = 0;
  for (let j = lane; j < end; j += 4) sum = f(sum + addend(j));
  return sum;
}

/** Σ of a row of float32 addends: 4 partial sums over the whole fours, then the rest one by one. */
export function rowSum(columns: number, addend: (j: number) => number): number {
  const end = columns - (columns % 4);
  const low = f(laneSum(0, end, addend) + laneSum(1, end, addend));
  let sum = f(low + f(laneSum(2, end, addend) + laneSum(3, end, addend)));
  for (let j = end; j < columns; j++) sum = f(sum + addend(j));
  return sum;
}

/** The largest of `count` elements, a NaN left out; −∞ if there is none. */
export function maximum(f32: Float32Array, at: number, count: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < count; j++) {
    const x = f32[at + j]!;
    if (x > max) max = x;
  }
  return max;
}

/** e^(x − max), two roundings. */
export function exponential(x: number, max: number): number {
  return exp(f(x - max));
}
