/** A small generator for test data (mulberry32): uniform in [0, 1). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` float32 values in [-scale, scale). */
export function randomValues(length: number, seed: number, scale = 1): Float32Array {
  const next = randomSource(seed);
  return Float32Array.from({ length }, () => (next() * 2 - 1) * scale);
}

/** Values that break careless code: NaN, ±Infinity, ±0, subnormals, the largest and smallest normal numbers. */
export const SPECIAL_VALUES: readonly number[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  1,
  -1,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  -(2 ** -126),
  2 ** -127 * 1.5,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  1.0000001192092896,
  1e-30,
  -1e20,
];

/** Integers so small that every product and sum of them is exact in float32. */
export function smallIntegers(length: number, seed: number): Float32Array {
  return randomValues(length, seed, 8).map(Math.trunc);
}

/** Random values, one in thirty of them special. */
export function specialValues(length: number, seed: number): Float32Array {
  const next = randomSource(seed);
  const special = () => SPECIAL_VALUES[Math.floor(next() * SPECIAL_VALUES.length)]!;
  return randomValues(length, seed).map((x) => (next() < 0.03 ? special() : x));
}
