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

/** The same with every product rounded to float32, as XLA computes it. */
function singlePower(base: number, exponent: number): number {
  let result = 1;
  let square = Math.fround(base);
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = Math.fround(result * square);
    square = Math.fround(square * square);
  }
  return result;
}

/** 1 / (1 − decay^step), what a moving average that started at 0 is multiplied by. */
export function biasCorrection(decay: number, step: number): number {
  return 1 / (1 - power(decay, step));
}

/** The same in float32, as Optax has it. */
export function singleBiasCorrection(decay: number, step: number): number {
  return Math.fround(1 / Math.fround(1 - singlePower(decay, step)));
}

/** Throws OptionError unless a smoothing constant is at least 0 and less than 1: another has no correction. */
export function checkBelowOne(name: string, value: unknown): void {
  checkNumber(name, value, 0, 1);
  if (value === 1) throw new OptionError(`${name} is 1, expected less`);
}
