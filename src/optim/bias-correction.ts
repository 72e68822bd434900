/**
 * 1 / (1 − decay^step), what a moving average that started at 0 is multiplied by. The power is a product of squares in
 * float64 and so the same everywhere; Math.pow differs between engines.
 */
export function biasCorrection(decay: number, step: number): number {
  let power = 1;
  let square = decay;
  for (let exponent = step; exponent > 0; exponent = Math.floor(exponent / 2)) {
    if (exponent % 2 === 1) power *= square;
    square *= square;
  }
  return 1 / (1 - power);
}
