// eˣ in float64, operation by operation as in assembly/double.ts: the engines' own Math.exp differ in their last bits.

const ROUND = 6755399441055744;
const LOG2_E = Math.LOG2E;
const LN2_HI = 0.6931471803691238;
const LN2_LO = 1.9082149292705877e-10;

/** The high word of a float64, whose low word is 0. */
const power = /* @__PURE__ */ (() => {
  const value = new Float64Array(1);
  const words = new Int32Array(value.buffer);
  const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  return { value, words, high: isLittleEndian ? 1 : 0 };
})();

/** 2ⁿ for −1023 < n < 1024. */
function powerOfTwo(n: number): number {
  power.words[power.high] = (n + 1023) << 20;
  return power.value[0]!;
}

function roundedLog2(x: number): number {
  return ROUND + x * LOG2_E - ROUND;
}

function expm1Reduced(isPrecise: boolean, x: number, n: number): number {
  const r = x - n * LN2_HI - n * LN2_LO;
  let p: number;
  if (isPrecise) {
    p = 2.7620088445409746e-7 + r * 2.510038549551032e-8;
    p = 2.7557268459997064e-6 + r * p;
    p = 2.4801521295954376e-5 + r * p;
    p = 0.00019841269863053618 + r * p;
    p = 0.0013888888917213717 + r * p;
    p = 0.008333333333330062 + r * p;
    p = 0.04166666666662413 + r * p;
    p = 0.16666666666666669 + r * p;
    p = 0.5000000000000001 + r * p;
  } else {
    p = 0.0013933649996309251 + r * 0.00019890990824673654;
    p = 0.0083333109254809 + r * p;
    p = 0.041666464925285904 + r * p;
    p = 0.16666666681623232 + r * p;
    p = 0.500000001346581 + r * p;
  }
  return r + r * r * p;
}

/** eˣ of a float64 from −700 to 700, with a relative error of 2⁻³², or of 2⁻⁵² if `isPrecise`. */
export function exp(isPrecise: boolean, x: number): number {
  const n = roundedLog2(x);
  return (1 + expm1Reduced(isPrecise, x, n)) * powerOfTwo(n);
}

/** eˣ − 1 of a float64 from −700 to 700, with a relative error of 2⁻³¹. */
export function expm1(x: number): number {
  const n = roundedLog2(x);
  const scale = powerOfTwo(n);
  return scale - 1 + scale * expm1Reduced(false, x, n);
}
