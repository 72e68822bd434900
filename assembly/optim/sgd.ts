import { Off, On, add, mul, sub } from "../simd";
import { conditioned, decayGradient, decayParameter, rescale } from "./condition";
import { Group, Mode, Segment } from "./segments";
import { walk } from "./walk";

// The formula, element by element, every operation rounded to float32:
//   b ← momentum·b + correction0·g;  d = b, or with Nesterov g + momentum·b;  without momentum d = g
//   p ← p − lr·d
// The buffer starts as −0, and −0 + x is x for every x: the first step copies the gradient, the sign of zero included.

// @ts-ignore: decorator
@inline function accumulate<T>(b: T, g: T, momentum: T, factor: T): T {
  return add<T>(mul<T>(momentum, b), mul<T>(factor, g));
}

// @ts-ignore: decorator
@inline function ahead<T>(g: T, b: T, momentum: T): T {
  return add<T>(g, mul<T>(momentum, b));
}

// @ts-ignore: decorator
@inline function descend<T>(p: T, d: T, learningRate: T): T {
  return sub<T>(p, mul<T>(learningRate, d));
}

/**
 * The elements of a row that fill pairs of vectors; built like its namesake in rmsprop.ts. Here the loop is bound by the
 * number of instructions: one branch stands for all conditioning (without it 0.75 of this speed).
 */
function vectors<Momentum>(row: Segment, group: Group): void {
  const rowPtr = changetype<usize>(row);
  const groupPtr = changetype<usize>(group);
  const mode = group.mode;
  const learningRate = v128.load32_splat(groupPtr, offsetof<Group>("learningRate"));
  let mu = learningRate; // these two are given their values below, where they are used
  let factor = learningRate;
  let p: usize = row.paramPtr;
  let g: usize = row.gradPtr;
  let b: usize = 0;
  if (isInteger<Momentum>()) {
    mu = v128.load32_splat(groupPtr, offsetof<Group>("momentum"));
    factor = v128.load32_splat(rowPtr, offsetof<Segment>("correction0"));
    b = row.state0Ptr;
  }
  let b0 = learningRate;
  let b1 = learningRate;
  const end = p + ((row.count >> 3) << 5);
  if (!isInteger<Momentum>()) {
    if (!(mode & Mode.Condition)) {
      // Four vectors an iteration: 1.15 to 1.2 of the speed of two, where the data is in cache.
      for (const fourEnd = p + ((row.count >> 4) << 6); p != fourEnd; p += 64) {
        const q0 = descend<v128>(v128.load(p), v128.load(g), learningRate);
        const q1 = descend<v128>(v128.load(p, 16), v128.load(g, 16), learningRate);
        const q2 = descend<v128>(v128.load(p, 32), v128.load(g, 32), learningRate);
        const q3 = descend<v128>(v128.load(p, 48), v128.load(g, 48), learningRate);
        v128.store(p, q0);
        v128.store(p, q1, 16);
        v128.store(p, q2, 32);
        v128.store(p, q3, 48);
        g += 64;
      }
    }
  }
  for (; p != end; p += 32) {
    let g0 = v128.load(g);
    let g1 = v128.load(g, 16);
    let p0 = v128.load(p);
    let p1 = v128.load(p, 16);
    if (isInteger<Momentum>()) {
      b0 = v128.load(b);
      b1 = v128.load(b, 16);
    }
    if (mode & Mode.Condition) {
      if (mode & Mode.Rescale) {
        const bound = v128.load32_splat(groupPtr, offsetof<Group>("clipValue"));
        const scale = v128.load32_splat(rowPtr, offsetof<Segment>("gradScale"));
        g0 = rescale<v128>(g0, bound, scale);
        g1 = rescale<v128>(g1, bound, scale);
      }
      if (mode & Mode.CoupledDecay) {
        const weightDecay = v128.load32_splat(groupPtr, offsetof<Group>("weightDecay"));
        g0 = decayGradient<v128>(g0, p0, weightDecay);
        g1 = decayGradient<v128>(g1, p1, weightDecay);
      }
      if (mode & Mode.DecoupledDecay) {
        const decoupledDecay = v128.load32_splat(groupPtr, offsetof<Group>("decoupledDecay"));
        p0 = decayParameter<v128>(p0, decoupledDecay);
        p1 = decayParameter<v128>(p1, decoupledDecay);
      }
    }
    if (isInteger<Momentum>()) {
      b0 = accumulate<v128>(b0, g0, mu, factor);
      b1 = accumulate<v128>(b1, g1, mu, factor);
      if (mode & Mode.Nesterov) {
        g0 = ahead<v128>(g0, b0, mu);
        g1 = ahead<v128>(g1, b1, mu);
      } else {
        g0 = b0;
        g1 = b1;
      }
    }
    v128.store(p, descend<v128>(p0, g0, learningRate));
    v128.store(p, descend<v128>(p1, g1, learningRate), 16);
    if (isInteger<Momentum>()) {
      v128.store(b, b0);
      v128.store(b, b1, 16);
      b += 32;
    }
    g += 32;
  }
}

/** The last count mod 8 elements of a row, one by one, with every option decided at run time. */
function remainder(row: Segment, group: Group): void {
  const mode = group.mode;
  for (let i = row.count & ~7; i < row.count; i++) {
    const offset = i << 2;
    let g = conditioned(row, group, offset);
    if (mode & Mode.Momentum) {
      const b = accumulate<f32>(load<f32>(row.state0Ptr + offset), g, group.momentum, row.correction0);
      store<f32>(row.state0Ptr + offset, b);
      g = mode & Mode.Nesterov ? ahead<f32>(g, b, group.momentum) : b;
    }
    store<f32>(row.paramPtr + offset, descend<f32>(load<f32>(row.paramPtr + offset), g, group.learningRate));
  }
}

@unmanaged
class SGD {
  // @ts-ignore: decorator
  @inline update(row: Segment, group: Group): void {
    const mode = group.mode;
    assert(!(mode & Mode.Momentum) || row.state0Ptr != 0);
    if (mode & Mode.Momentum) vectors<On>(row, group);
    else vectors<Off>(row, group);
    remainder(row, group);
  }
}

/**
 * One step of stochastic gradient descent of every row of a table; the formula is at the top of this file. A negative
 * `checkFinite`: the rows are measured already.
 *
 * Requires: pointers are multiples of 4; the arrays of a row do not overlap; Momentum comes with its state array.
 * Returns 0, or 1 + the index of a row whose gradient is not finite, and has then changed no array.
 * Touches: rows with a gradient: reads it, reads and writes parameter and state; writes `gradScale`.
 * Remainder: the last count mod 8 elements by the same formulas over f32.
 * Source: PyTorch's torch/optim/sgd.py, in the order of its operations.
 */
export function sgd_f32(segmentsPtr: usize, segmentCount: u32, checkFinite: i32): u32 {
  return walk<SGD>(segmentsPtr, segmentCount, checkFinite);
}
