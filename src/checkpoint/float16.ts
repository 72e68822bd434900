const word = /* @__PURE__ */ new Uint32Array(1);
const float = /* @__PURE__ */ new Float32Array(word.buffer);

/** The value of a bfloat16: the upper half of a float32. */
export function fromBrain(bits: number): number {
  word[0] = bits << 16;
  return float[0]!;
}

/** The value of an IEEE binary16: 5 bits of exponent, 10 of fraction. */
export function fromHalf(bits: number): number {
  const exponent = (bits >>> 10) & 31;
  if (exponent === 0) return (bits & 0x8000 ? -1 : 1) * (bits & 0x3ff) * 2 ** -24;
  const rebiased = exponent === 31 ? 255 : exponent + 112;
  word[0] = ((bits & 0x8000) << 16) | (rebiased << 23) | ((bits & 0x3ff) << 13);
  return float[0]!;
}

/** The bfloat16 nearest to a number, ties to even; NaN is 0x7fc0. */
export function toBrain(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const bits = sticky(value);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The IEEE binary16 nearest to a number, ties to even; NaN is 0x7e00. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const bits = sticky(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 2^16
  if (magnitude < 0x38800000) {
    // Below 2^-14 the result is a count of steps of 2^-24.
    const steps = Math.abs(float[0]!) * 2 ** 24;
    const whole = Math.floor(steps);
    const rest = steps - whole;
    return sign | (whole + +(rest > 0.5 || (rest === 0.5 && whole % 2 === 1)));
  }
  const rebiased = magnitude - 0x38000000;
  return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
}

/**
 * The bits of a float64 as a float32, cut, and with a last bit of 1 if anything was cut off: rounded once more to fewer
 * bits it gives what one rounding would have given. Leaves them in `float`, too.
 */
function sticky(value: number): number {
  float[0] = value;
  const nearest = float[0]!;
  if (nearest !== value) {
    if (Math.abs(nearest) > Math.abs(value)) word[0]!--;
    word[0]! |= 1;
  }
  return word[0]!;
}
