import { expect, it } from "vitest";
import { expectSameBits } from "../helpers/bits.js";
import { conform, describeConformance, runKernel } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];
const HALF = 2 ** 31;

function dropout(x: Float32Array, seed: number, threshold: number, scale: number): Float32Array {
  const y = new Float32Array(x.length).fill(7);
  const { operands } = conform("dropout", { x, y }, (kernels, ptr) => {
    kernels.dropout_f32(x.length, ptr.x!, ptr.y!, seed, threshold, scale);
  });
  expectSameBits(operands.x!, x, "x is only read");
  return operands.y as Float32Array;
}

/** +1 where an element is kept, −1 where it is dropped. */
function signs(count: number, seed: number, threshold: number): Float32Array {
  const x = new Float32Array(count).fill(1);
  const { operands } = runKernel("simd", { x }, (kernels, ptr) => {
    kernels.dropout_f32(count, ptr.x!, ptr.x!, seed, threshold, 1);
  });
  return (operands.x as Float32Array).map((kept) => 2 * kept - 1);
}

/** Mean of a·b, in units of the deviation that independent fair signs would have. */
function correlation(a: Float32Array, b: Float32Array): number {
  const count = Math.min(a.length, b.length);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[i]! * b[i]!;
  return sum / Math.sqrt(count);
}

describeConformance("dropout_f32", () => {
  const mask = signs(1021, 42, HALF);

  it.each(SIZES)("count %i", (count) => {
    const x = randomValues(count, count + 1);
    if (count > 40) x.set(SPECIAL_VALUES, 11);
    const y = dropout(x, 42, HALF, 2.000001);
    const scale = Math.fround(2.000001);
    for (let i = 0; i < count; i++) {
      // The mask does not depend on the count, nor on what is masked: dy meets the same one.
      expect(y[i], `element ${i}, x = ${x[i]}`).toBe(mask[i]! > 0 ? Math.fround(x[i]! * scale) : 0);
    }
  });

  it("works in place", () => {
    const x = randomValues(127, 3);
    const { operands } = conform("in place", { x }, (kernels, ptr) => {
      kernels.dropout_f32(127, ptr.x!, ptr.x!, 9, HALF, 2);
    });
    expectSameBits(operands.x!, dropout(x, 9, HALF, 2), "in place");
  });

  it("compares the hash with the threshold as unsigned numbers", () => {
    const x = new Float32Array(1021).fill(1);
    const kept = (threshold: number) => dropout(x, 7, threshold, 1).reduce((sum, y) => sum + y, 0);
    expect(kept(0)).toBe(1021);
    expect(kept(0xffffffff)).toBe(0);
    expect(Math.abs(kept(0x20000000) / 1021 - 7 / 8)).toBeLessThan(0.05);
    expect(Math.abs(kept(0xe0000000) / 1021 - 1 / 8)).toBeLessThan(0.05);
  });

  it("takes any seed, and another seed gives another mask", () => {
    const x = new Float32Array(127).fill(1);
    const masks = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)].map((seed) => dropout(x, seed, HALF, 1).join(""));
    expect(new Set(masks).size).toBe(masks.length);
  });

  it("keeps the share that was asked for", () => {
    const count = 2 ** 20;
    for (const seed of [0, 1, 123456789]) {
      for (const rate of [0.1, 0.5, 0.8]) {
        const kept = (signs(count, seed, Math.round(rate * 2 ** 32)).reduce((sum, s) => sum + s, 0) / count + 1) / 2;
        const deviation = Math.sqrt((rate * (1 - rate)) / count);
        expect(Math.abs(kept - (1 - rate)), `rate ${rate}, seed ${seed}`).toBeLessThan(5 * deviation);
      }
    }
  });

  it("is uncorrelated with itself, shifted, and with the masks of neighboring seeds", () => {
    const count = 2 ** 18;
    const reference = signs(count, 1000, HALF);
    for (const lag of [1, 2, 3, 4, 5, 7, 8, 16, 32, 64, 100, 128, 256, 784, 1024, 4096, 65536]) {
      expect(Math.abs(correlation(reference, reference.subarray(lag))), `lag ${lag}`).toBeLessThan(5);
    }
    for (const seed of [1001, 999, 1002, 1008, 1256, 1000 + 2 ** 16, 1000 + 2 ** 30, 1000 - 2 ** 31, -1000]) {
      const other = signs(count, seed, HALF);
      for (const lag of [0, 1, 2, 4, 8, 24]) {
        expect(Math.abs(correlation(other, reference.subarray(lag))), `seed ${seed}, lag ${lag}`).toBeLessThan(5);
      }
    }
  });

  it("has runs of every short pattern equally often", () => {
    const count = 2 ** 20;
    const bits = signs(count, 5, HALF);
    const patterns = new Float64Array(256);
    for (let i = 0; i < count; i += 8) {
      let pattern = 0;
      for (let k = 0; k < 8; k++) pattern = pattern * 2 + Number(bits[i + k]! > 0);
      patterns[pattern]!++;
    }
    const expected = count / 8 / 256;
    const chiSquared = patterns.reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0);
    expect(Math.abs(chiSquared - 255)).toBeLessThan(5 * Math.sqrt(2 * 255));
  });
});
