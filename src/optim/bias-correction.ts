import { checkNumber } from "../checks.js";
import { OptionError } from "../errors.js";

/** From here down an exponent has integer operations, which are faster. */
const MAX_INT32 = 2 ** 31 - 1;

/**
 * base^exponent for an integer exponent >= 0: by squaring, from the lowest bit of the exponent, and so the same
 * everywhere; Math.pow differs between engines.
 */
export function power(base: number, exponent: number): number {
  if (exponent > MAX_INT32) return hugePower(base, exponent);
  let result = 1;
  let square = base;
  for (let rest = exponent | 0; rest > 0; rest >>= 1) {
    if ((rest & 1) === 1) result *= square;
    square *= square;
  }
  return result;
}

/** The same for any exponent; apart, so that V8 inlines the other and need not box its result. */
function hugePower(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}

/** `power` with every product rounded to float32, as XLA computes it. */
function singlePower(base: number, exponent: number): number {
  let result = 1;
  let square = Math.fround(base);
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = Math.fround(result * square);
    square = Math.fround(square * square);
  }
  return result;
}

/** What `complementOfPower` has in place of a decay: for each bit of an exponent 1, and the decay to the bit's power. */
export function factorsOf(decay: number): Float64Array {
  const factors = new Float64Array(62).fill(1);
  for (let at = 1, square = decay; at < factors.length; at += 2, square *= square) factors[at] = square;
  return factors;
}

/**
 * 1 − decay^step for a step >= 1, with the bits that `power` leads to: 1 divided by it is what a moving average that
 * started at 0 is multiplied by. A branch for each bit would cost more than a product with 1.
 */
export function complementOfPower(factors: Float64Array, step: number): number {
  if (step > MAX_INT32) return 1 - hugePower(factors[1]!, step);
  // The power is not more than the factor of its highest bit, and 1 − 2^-54 rounds to 1.
  if (factors[63 - 2 * Math.clz32(step)]! <= 2 ** -54) return 1;
  let result = 1;
  for (let at = 0, rest = step | 0; rest > 0; at += 2, rest >>= 1) result *= factors[at + (rest & 1)]!;
  return 1 - result;
}

/** 1 / (1 − decay^step) in float32, as Optax has it. */
export function singleBiasCorrection(decay: number, step: number): number {
  return Math.fround(1 / Math.fround(1 - singlePower(decay, step)));
}

/** Throws OptionError unless a smoothing constant is at least 0 and less than 1: another has no correction. */
export function checkBelowOne(name: string, value: unknown): void {
  checkNumber(name, value, 0, 1);
  if (value === 1) throw new OptionError(`${name} is 1, expected less`);
}
