/**
 * base^exponent for an integer exponent >= 0: a product of squares in float64 and so the same everywhere; Math.pow
 * differs between engines.
 */
export function power(base: number, exponent: number): number {
  let product = 1;
  for (let square = base; exponent > 0; exponent = Math.floor(exponent / 2)) {
    if (exponent % 2 === 1) product *= square;
    square *= square;
  }
  return product;
}

/** 1 / (1 − decay^step), what a moving average that started at 0 is multiplied by. */
export function biasCorrection(decay: number, step: number): number {
  return 1 / (1 - power(decay, step));
}
