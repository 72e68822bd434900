import { expect } from "vitest";

/** The float32 bit patterns of an array; every NaN becomes one and the same pattern. */
export function bitsOf(values: ArrayLike<number>): Uint32Array {
  const floats = Float32Array.from(values);
  const bits = new Uint32Array(floats.buffer);
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & 0x7fffffff) > 0x7f800000) bits[i] = 0x7fc00000;
  return bits;
}

/** Fails, naming the first element that differs, unless both hold the same float32 bits (NaN as a class). */
export function expectSameBits(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  // Not by `expect`, which takes longer than most comparisons.
  if (actual.length !== expected.length) expect(actual.length, `${what}: length`).toBe(expected.length);
  const a = bitsOf(actual);
  const b = bitsOf(expected);
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    const hex = (x: number) => x.toString(16).padStart(8, "0");
    expect.fail(`${what}[${i}] is ${actual[i]} (${hex(a[i]!)}), expected ${expected[i]} (${hex(b[i]!)})`);
  }
}

/** Distance in units in the last place of float32 between a float32 and a float64 reference value. */
export function ulpDistance(actual: number, reference: number): number {
  if (Number.isNaN(actual) || Number.isNaN(reference)) {
    return Number.isNaN(actual) && Number.isNaN(reference) ? 0 : Number.POSITIVE_INFINITY;
  }
  if (actual === reference || Math.fround(reference) === actual) return 0;
  if (!Number.isFinite(actual)) return Number.POSITIVE_INFINITY;
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(reference))));
  return Math.abs(actual - reference) / 2 ** (exponent - 23);
}
