import type { NetworkKernels } from "../../families/nn.js";
import { exp, log, log1p } from "../math.js";
import type { Views } from "../views.js";

const f = Math.fround;

/** An element-wise loss: its term and its slope from the logit or output y, the target t, and their common basis. */
interface Loss {
  /** The factor that the slope lacks. */
  readonly factor: number;
  basis(y: number, t: number): number;
  term(y: number, t: number, basis: number, delta: number): number;
  slope(y: number, t: number, basis: number, delta: number): number;
}

const meanSquaredError: Loss = {
  factor: 2,
  basis: (y, t) => f(y - t),
  term: (_y, _t, d) => f(d * d),
  slope: (_y, _t, d) => d,
};

const binaryCrossEntropy: Loss = {
  factor: 1,
  basis: (y) => exp(-Math.abs(y)),
  term: (y, t, e) => f(f(Math.max(y, 0) - f(y * t)) + log1p(e)),
  slope(y, t, e) {
    const p = f(e / f(1 + e));
    return y < 0 ? f(p - t) : f(f(1 - t) - p);
  },
};

const huber: Loss = {
  factor: 1,
  basis: (y, t) => f(y - t),
  term(_y, _t, d, delta) {
    const distance = Math.abs(d);
    if (distance < delta) return f(f(0.5 * distance) * distance);
    return f(delta * f(distance - f(0.5 * delta)));
  },
  slope: (_y, _t, d, delta) => Math.min(Math.max(d, -delta), delta),
};

/** The partial sums of `meanLoss`, joined. */
function joined(s: Float64Array): number {
  return s[0]! + s[2]! + (s[4]! + s[6]!) + (s[1]! + s[3]! + (s[5]! + s[7]!));
}

/** Σ of every fourth addend from `lane` to `end`. */
function laneSum(lane: number, end: number, addend: (j: number) => number): number {
  let sum = 0;
  for (let j = lane; j < end; j += 4) sum = f(sum + addend(j));
  return sum;
}

/** Σ of a row of addends: 4 partial sums over the whole vectors, then the rest one by one. */
function rowSum(columns: number, addend: (j: number) => number): number {
  const end = columns - (columns % 4);
  const low = f(laneSum(0, end, addend) + laneSum(1, end, addend));
  let sum = f(low + f(laneSum(2, end, addend) + laneSum(3, end, addend)));
  for (let j = end; j < columns; j++) sum = f(sum + addend(j));
  return sum;
}

/** Index of the first largest element; −1 if there is a NaN, or nothing at all. */
function argMax(f32: Float32Array, at: number, columns: number): number {
  let best = -1;
  for (let j = 0; j < columns; j++) {
    const x = f32[at + j]!;
    if (Number.isNaN(x)) return -1;
    if (best < 0 || x > f32[at + best]!) best = j;
  }
  return best;
}

/** The index that a target holds, −1 if it is none of `columns`. */
function indexOf(target: number, columns: number): number {
  return Number.isInteger(target) && target >= 0 && target < columns ? target : -1;
}

/** Twin of assembly/nn/loss.ts. */
export function lossKernels(
  views: Views,
): Pick<
  NetworkKernels,
  | "softmax_cross_entropy_f32"
  | "mean_squared_error_f32"
  | "binary_cross_entropy_f32"
  | "huber_f32"
  | "count_correct_f32"
> {
  const partial = new Float64Array(8);

  function meanLoss(loss: Loss, count: number, yPtr: number, targetsPtr: number, gradPtr: number, delta: number) {
    const { f32 } = views;
    const y = yPtr >>> 2;
    const targets = targetsPtr >>> 2;
    const grad = gradPtr >>> 2;
    const weight = f(loss.factor / count);
    const termAt = (i: number) => {
      const yi = f32[y + i]!;
      const ti = f32[targets + i]!;
      const basis = loss.basis(yi, ti);
      if (gradPtr !== 0) f32[grad + i] = loss.slope(yi, ti, basis, delta) * weight; // the store rounds
      return loss.term(yi, ti, basis, delta);
    };
    partial.fill(0);
    const whole = count - (count % 8);
    for (let i = 0; i < whole; i++) partial[i % 8]! += termAt(i);
    let sum = joined(partial);
    for (let i = whole; i < count; i++) sum += termAt(i);
    return f(sum / count);
  }

  return {
    softmax_cross_entropy_f32(rows, columns, logitsPtr, targetsPtr, targetsAreIndices, gradPtr) {
      const { f32 } = views;
      const weight = f(1 / rows);
      let z = logitsPtr >>> 2;
      let t = targetsPtr >>> 2;
      let grad = gradPtr >>> 2;
      let max = 0;
      let index = -1;
      const target = (j: number) => (targetsAreIndices ? (j === index ? 1 : 0) : f32[t + j]!);
      const distance = (j: number) => f(f32[z + j]! - max);
      const crossing = (j: number) => f(target(j) * distance(j));
      const exponential = (j: number) => {
        const e = exp(distance(j));
        if (gradPtr !== 0) f32[grad + j] = e;
        return e;
      };
      let total = 0;
      for (let row = 0; row < rows; row++) {
        max = Number.NEGATIVE_INFINITY;
        for (let j = 0; j < columns; j++) if (f32[z + j]! > max) max = f32[z + j]!;
        let mass = Number.NaN;
        let cross = Number.NaN;
        if (!targetsAreIndices) {
          mass = rowSum(columns, target);
          cross = rowSum(columns, crossing);
        } else {
          index = indexOf(f32[t]!, columns);
          if (index >= 0) {
            mass = 1;
            cross = distance(index);
          }
        }
        const sum = rowSum(columns, exponential);
        total += f(f(log(sum) * mass) - cross);
        if (gradPtr !== 0) {
          for (let j = 0; j < columns; j++) {
            f32[grad + j] = f(f(f(f32[grad + j]! / sum) * mass) - target(j)) * weight; // the store rounds
          }
        }
        z += columns;
        t += targetsAreIndices ? 1 : columns;
        grad += columns;
      }
      return f(total / rows);
    },
    mean_squared_error_f32(count, yPtr, targetsPtr, gradPtr) {
      return meanLoss(meanSquaredError, count, yPtr, targetsPtr, gradPtr, 0);
    },
    binary_cross_entropy_f32(count, logitsPtr, targetsPtr, gradPtr) {
      return meanLoss(binaryCrossEntropy, count, logitsPtr, targetsPtr, gradPtr, 0);
    },
    huber_f32(count, yPtr, targetsPtr, gradPtr, delta) {
      return meanLoss(huber, count, yPtr, targetsPtr, gradPtr, f(delta));
    },
    count_correct_f32(rows, columns, yPtr, targetsPtr, targetsAreIndices, threshold) {
      const { f32 } = views;
      const limit = f(threshold);
      let correct = 0;
      for (let row = 0; row < rows; row++) {
        const y = (yPtr >>> 2) + row * columns;
        const t = (targetsPtr >>> 2) + row * (targetsAreIndices ? 1 : columns);
        if (columns === 1) {
          const [yi, ti] = [f32[y]!, f32[t]!];
          if (!Number.isNaN(yi) && !Number.isNaN(ti) && yi > limit === ti > 0.5) correct++;
        } else {
          const best = argMax(f32, y, columns);
          const target = targetsAreIndices ? f32[t]! : argMax(f32, t, columns);
          if (best >= 0 && best === target) correct++;
        }
      }
      return correct;
    },
  };
}
