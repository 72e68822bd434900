import { describe, expect, it } from "vitest";
import { bfloat16, CODECS, float32, int8 } from "../../src/distributed/compression.js";
import { expectSameBits } from "../helpers/bits.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const COUNTS = [0, 1, 2, 127, 128, 129, 1000];

describe.each(Object.entries(CODECS))("%s", (_, codec) => {
  it.each(COUNTS)("what was decoded is encoded to the same values again, %i of them", (count) => {
    const once = codec.decode(codec.encode(randomValues(count, count, 6)), count)!;
    expect(once).toHaveLength(count);
    expectSameBits(codec.decode(codec.encode(once), count)!, once, "again");
  });

  it("refuses another number of bytes, and reads at any address", () => {
    const values = randomValues(10, 1);
    const bytes = codec.encode(values);
    expect(codec.decode(bytes.subarray(1), 10)).toBeUndefined();
    expect(codec.decode(bytes, 11)).toBeUndefined();
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expectSameBits(codec.decode(shifted.subarray(1), 10)!, codec.decode(bytes, 10)!, "shifted");
  });
});

it("float32 keeps every value", () => {
  const values = Float32Array.from(SPECIAL_VALUES);
  expectSameBits(float32.decode(float32.encode(values), values.length)!, values, "values");
});

describe("bfloat16", () => {
  /** The nearest of the two neighbours by exact comparison in float64; at a tie the one whose last bit is 0. */
  function nearest(value: number): number {
    const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
    const floatOf = (half: number) => {
      // After the largest finite value, the next of an exponent range without end.
      if ((half & 0x7fff) === 0x7f80) return (half & 0x8000 ? -1 : 1) * 2 ** 128;
      return new Float32Array(Uint32Array.of(half << 16).buffer)[0]!;
    };
    const [low, high] = [bits >>> 16, (bits >>> 16) + 1];
    const [below, above] = [Math.abs(value - floatOf(low)), Math.abs(floatOf(high) - value)];
    const chosen = below < above || (below === above && low % 2 === 0) ? low : high;
    return new Float32Array(Uint32Array.of(chosen << 16).buffer)[0]!;
  }

  it("rounds to the nearest, ties to even: at borders, subnormals, overflow, and for many values", () => {
    const borders = [1, 1.00390625, 1.01171875, 1.0039063692092896, 3.4e38, 3.3895e38, 3.39e38, 1e-40, 2 ** -149, 0];
    const values = Float32Array.from([...borders, ...borders.map((x) => -x), ...randomValues(5000, 9, 60)]);
    const expected = values.map(nearest);
    expectSameBits(bfloat16.decode(bfloat16.encode(values), values.length)!, expected, "values");
    expect(nearest(3.4e38)).toBe(Number.POSITIVE_INFINITY);
    expect([nearest(1.00390625), nearest(1.01171875)]).toEqual([1, 1.015625]);
    const infinite = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    expectSameBits(bfloat16.decode(bfloat16.encode(Float32Array.from(infinite)), 2)!, infinite, "infinities");
  });

  it("keeps NaN, whatever its bits", () => {
    const values = new Float32Array(Uint32Array.of(0x7f800001, 0xffffffff).buffer);
    expect([...bfloat16.decode(bfloat16.encode(values), 2)!]).toEqual([Number.NaN, Number.NaN]);
  });

  it("errs by 2⁻⁸ of the value at most, in half the bytes", () => {
    const values = randomValues(5000, 3, 20);
    const bytes = bfloat16.encode(values);
    expect(bytes).toHaveLength(10000);
    bfloat16.decode(bytes, 5000)!.forEach((value, i) => {
      expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(Math.abs(values[i]!) * 2 ** -8);
    });
  });
});

describe("int8", () => {
  it("errs by half of 1/127 of the largest of 128 values at most, in about a quarter of the bytes", () => {
    const values = randomValues(1000, 4, 3);
    const bytes = int8.encode(values);
    expect(bytes).toHaveLength(1000 + 4 * 8);
    int8.decode(bytes, 1000)!.forEach((value, i) => {
      const group = values.subarray(i - (i % 128), i - (i % 128) + 128);
      const largest = Math.max(...[...group].map(Math.abs));
      expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual((largest / 127) * 0.5001);
    });
  });

  it("makes a group NaN that is not finite, and leaves the others alone", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const values = new Float32Array(256).fill(2);
      values[3] = bad;
      const decoded = int8.decode(int8.encode(values), 256)!;
      expect([...decoded.subarray(0, 128)].every(Number.isNaN)).toBe(true);
      expect([...decoded.subarray(128)]).toEqual(new Array(128).fill(2));
    }
    expect([...int8.decode(int8.encode(new Float32Array(5)), 5)!]).toEqual([0, 0, 0, 0, 0]);
  });
});
