/**
 * 1 / (1 − decay^step), what a moving average that started at 0 is multiplied by; in float64, or with every operation
 * rounded to float32, as XLA computes it for Optax.
 */
export function biasCorrection(decay: number, step: number, isSingle = false): number {
  if (!isSingle) return 1 / (1 - power(decay, step, false));
  return Math.fround(1 / Math.fround(1 - power(Math.fround(decay), step, true)));
}

/**
 * base^exponent by squaring, from the lowest bit of the exponent; products in float64 or float32. So it is the same
 * everywhere; Math.pow differs between engines.
 */
export function power(base: number, exponent: number, isSingle = false): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = isSingle ? Math.fround(result * square) : result * square;
    square = isSingle ? Math.fround(square * square) : square * square;
  }
  return result;
}
