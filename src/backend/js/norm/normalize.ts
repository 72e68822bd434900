const f = Math.fround;

/** The statistics of one set of elements. */
export interface Statistics {
  /** The mean, rounded to float32. */
  readonly mean: number;
  /** In float64. */
  readonly variance: number;
  /** 1 / √(variance + eps), rounded to float32. */
  readonly rstd: number;
}

/**
 * Mean and variance of `count` elements; `sum` adds what it is given for each in float64, in the order of the kernel.
 * With `centered` false the mean is 0.
 */
export function statistics(
  count: number,
  centered: boolean,
  eps: number,
  sum: (mean: number, square: boolean) => number,
): Statistics {
  const exact = centered ? sum(0, false) / count : 0;
  const mean = f(exact);
  const distance = exact - mean;
  const variance = Math.max(sum(mean, true) / count - distance * distance, 0);
  return { mean, variance, rstd: reciprocalDeviation(variance, eps) };
}

/** 1 / √(variance + eps) in float64, rounded once. */
export function reciprocalDeviation(variance: number, eps: number): number {
  return f(1 / Math.sqrt(variance + f(eps)));
}

/** (x − mean)·rstd */
export function standardize(x: number, mean: number, rstd: number): number {
  return f(f(x - mean) * rstd);
}
