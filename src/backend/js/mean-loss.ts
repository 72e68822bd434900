import { exp, log, log1p } from "./math.js";
import { sumOfRun } from "./sums.js";
import type { Views } from "./views.js";

const f = Math.fround;

/** A loss of elements: its term and slope from the logit or output y, the target t, and what both share. */
export interface ElementLoss {
  /** The factor that the slope lacks. Default 1. */
  readonly factor?: number;
  basis(y: number, t: number, parameter: number): number;
  term(y: number, t: number, basis: number, parameter: number): number;
  slope(y: number, t: number, basis: number, parameter: number): number;
}

export const meanSquaredError: ElementLoss = {
  factor: 2,
  basis: (y, t) => f(y - t),
  term: (_y, _t, d) => f(d * d),
  slope: (_y, _t, d) => d,
};

export const binaryCrossEntropy: ElementLoss = {
  basis: (y) => exp(-Math.abs(y)),
  term: (y, t, e) => f(f(Math.max(y, 0) - f(y * t)) + log1p(e)),
  slope(y, t, e) {
    const p = f(e / f(1 + e));
    return y < 0 ? f(p - t) : f(f(1 - t) - p);
  },
};

export const huber: ElementLoss = {
  basis: (y, t) => f(y - t),
  term(_y, _t, d, delta) {
    const distance = Math.abs(d);
    if (distance < delta) return f(f(0.5 * distance) * distance);
    return f(delta * f(distance - f(0.5 * delta)));
  },
  slope: (_y, _t, d, delta) => Math.min(Math.max(d, -delta), delta),
};

export const meanAbsoluteError: ElementLoss = {
  basis: (y, t) => f(y - t),
  term: (_y, _t, d) => Math.abs(d),
  slope: (_y, _t, d) => Math.sign(d),
};

/** A label as −1 or 1; `binary` is 1 where the labels are 0 and 1. */
const side = (t: number, binary: number) => f(f(t + f(t * binary)) - binary);

export const hinge: ElementLoss = {
  basis: (y, t, binary) => f(1 - f(side(t, binary) * y)),
  term: (_y, _t, margin) => Math.max(margin, 0),
  slope: (_y, t, margin, binary) => (margin > 0 ? -side(t, binary) : 0),
};

const LEAST = f(1e-7);
const probability = (p: number) => Math.min(Math.max(p, LEAST), 1);

export const klDivergence: ElementLoss = {
  basis: (y, t) => f(probability(t) / probability(y)),
  term: (_y, t, quotient) => f(probability(t) * log(quotient)),
  slope: (y, _t, quotient) => (y < LEAST || y > 1 ? 0 : -quotient),
};

/** The JavaScript implementation of `meanLoss` in assembly/mean-loss.ts. */
export function meanLoss(
  { f32 }: Views,
  loss: ElementLoss,
  rows: number,
  columns: number,
  divisor: number,
  yPtr: number,
  targetsPtr: number,
  weightsPtr: number,
  gradPtr: number,
  parameter = 0,
): number {
  const weight = f((loss.factor ?? 1) / divisor);
  const width = weightsPtr === 0 ? rows * columns : columns;
  let total = 0;
  for (let row = 0; row < (weightsPtr === 0 ? 1 : rows); row++) {
    const y = (yPtr >>> 2) + row * width;
    const targets = (targetsPtr >>> 2) + row * width;
    const grad = (gradPtr >>> 2) + row * width;
    const share = weightsPtr === 0 ? 1 : f32[(weightsPtr >>> 2) + row]!;
    const rowWeight = f(weight * share);
    const sum = sumOfRun(width, (i) => {
      const yi = f32[y + i]!;
      const ti = f32[targets + i]!;
      const basis = loss.basis(yi, ti, parameter);
      if (gradPtr !== 0) f32[grad + i] = loss.slope(yi, ti, basis, parameter) * rowWeight; // the store rounds
      return loss.term(yi, ti, basis, parameter);
    });
    total = weightsPtr === 0 ? sum : total + sum * share;
  }
  return f(total / divisor);
}
