import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBrain, fromHalf, toBrain, toHalf } from "../../../src/checkpoint/float16.js";
import { readSafetensors, writeSafetensors } from "../../../src/checkpoint/index.js";
import { decodeUtf8, encodeUtf8 } from "../../../src/checkpoint/utf8.js";
import { OptionError } from "../../../src/index.js";

describe("UTF-8", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const reference = (bytes: Uint8Array) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return undefined;
    }
  };
  const same = (bytes: Uint8Array) => {
    const text = decodeUtf8(bytes, 0, bytes.length);
    expect(typeof text === "number" ? undefined : text).toBe(reference(bytes));
  };

  it("is read as TextDecoder reads it, all sequences of two bytes and many longer ones", () => {
    for (let a = 0; a < 256; a++) for (let b = 0; b < 256; b++) same(Uint8Array.of(a, b));
    const lead = fc.constantFrom(
      0x41,
      0xc2,
      0xdf,
      0xe0,
      0xe1,
      0xec,
      0xed,
      0xee,
      0xef,
      0xf0,
      0xf1,
      0xf3,
      0xf4,
      0xf5,
      0xff,
    );
    const more = fc.constantFrom(0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0);
    const sequence = fc.tuple(lead, more, more, more).map((bytes) => bytes);
    fc.assert(
      fc.property(fc.array(sequence, { maxLength: 4 }), fc.nat(3), (sequences, cut) => {
        const bytes = Uint8Array.from(sequences.flat());
        same(bytes.subarray(0, Math.max(0, bytes.length - cut)));
      }),
      { numRuns: 5000 },
    );
  });

  it("is written as TextEncoder writes it, longer than one piece too", () => {
    const encoder = new TextEncoder();
    for (const length of [0, 1, 4095, 4096, 4097, 20_000]) {
      const text = "a∂🜁ö"
        .repeat(length / 4 + 1)
        .slice(0, length)
        .replace(/[\ud800-\udbff]$/, "x");
      const bytes = encodeUtf8(text)!;
      expect(Buffer.from(bytes).equals(encoder.encode(text))).toBe(true);
      expect(decodeUtf8(bytes, 0, bytes.length)).toBe(text);
    }
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(encodeUtf8(text)).toEqual(new Uint8Array(encoder.encode(text)));
      }),
    );
  });

  it("has no half surrogate pairs", () => {
    for (const text of ["\ud800", "\udc00", "a\ud800", "\ud800a", "\udc00\ud800", "\ud83d\ud83d\ude00"]) {
      expect(encodeUtf8(text)).toBeUndefined();
    }
  });
});

describe.each([
  ["F16", toHalf, fromHalf, 0x7c00],
  ["BF16", toBrain, fromBrain, 0x7f80],
] as const)("%s", (_, to, from, infinity) => {
  it("has every finite value, and both infinities, exactly", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if ((bits & 0x7fff) > infinity) expect(from(bits)).toBeNaN();
      else if (to(from(bits)) !== bits) expect.fail(`${bits.toString(16)} becomes ${to(from(bits)).toString(16)}`);
    }
    expect((to(Number.NaN) & 0x7fff) > infinity).toBe(true);
  });

  it("rounds to nearest, ties to even, from float64, between all neighbors", () => {
    // The largest value, and what would come after it, if it were finite.
    const end = 2 * from(infinity - 1) - from(infinity - 2);
    for (let bits = 0; bits < infinity; bits++) {
      const low = from(bits);
      const high = bits + 1 === infinity ? end : from(bits + 1);
      const tie = low / 2 + high / 2; // exact: a few bits
      const even = bits % 2 === 0 ? bits : bits + 1;
      const step = tie * 2 ** -52 || 2 ** -1074;
      const found = [to(low), to(tie - step), to(tie), to(tie + step), to(-tie), to(-(tie + step))];
      const expected = [bits, bits, even, bits + 1, 0x8000 | even, 0x8000 | (bits + 1)];
      if (`${found}` !== `${expected}`) expect.fail(`at ${low}: ${found}, expected ${expected}`);
    }
    for (const value of [end * 2, 1e300, Number.POSITIVE_INFINITY])
      expect([to(value), to(-value)]).toEqual([infinity, 0x8000 | infinity]);
    expect([to(0), to(-0), to(5e-324), to(-5e-324)]).toEqual([0, 0x8000, 0, 0x8000]);
  });
});

describe("numbers for a dtype", () => {
  const write = (dtype: string, data: unknown, shape = [(data as ArrayLike<unknown>).length]) =>
    readSafetensors(writeSafetensors([["x", { shape, data: data as Float32Array, dtype }]])).tensors.get("x")!;

  it("are rounded to floats, and exact as integers", () => {
    expect(write("F32", [1, 0.1]).data).toEqual(Float32Array.of(1, 0.1));
    expect(write("F32", Float64Array.of(0.1)).data).toEqual(Float32Array.of(0.1));
    expect(write("F64", Float32Array.of(0.1)).data).toEqual(Float64Array.of(Math.fround(0.1)));
    expect(write("F16", [0.1]).data).toEqual(Float32Array.of(0.0999755859375));
    expect(write("BF16", Float32Array.of(0.1)).data).toEqual(Float32Array.of(0.10009765625));
    expect(write("I64", [0, -(2 ** 53 - 1)]).data).toEqual(BigInt64Array.of(0n, -(2n ** 53n - 1n)));
    expect(write("I64", [-(2n ** 63n), 5]).data).toEqual(BigInt64Array.of(-(2n ** 63n), 5n));
    expect(write("I64", Float32Array.of(3)).data).toEqual(BigInt64Array.of(3n));
    expect(write("U64", BigInt64Array.of(7n)).data).toEqual(BigUint64Array.of(7n));
    expect(write("I32", Float64Array.of(-(2 ** 31))).data).toEqual(Int32Array.of(-(2 ** 31)));
    expect(write("U8", [255]).data).toEqual(Uint8Array.of(255));
    expect(write("BOOL", [true, 0, 1, false]).data).toEqual(Uint8Array.of(1, 0, 1, 0));
    expect(write("F8_E4M3", Uint8Array.of(9))).toEqual({ dtype: "F8_E4M3", shape: [1], data: Uint8Array.of(9) });
    expect(write("F4", Uint8Array.of(9), [1, 2])).toEqual({ dtype: "F4", shape: [1, 2], data: Uint8Array.of(9) });
  });

  it.each<[string, string, unknown, RegExp]>([
    ["a fraction", "I64", [1, 2.5], /x\.data\[1\] is 2\.5, expected an exact integer of I64/],
    ["what is not exact", "I64", [2 ** 53], /expected an exact integer of I64/],
    ["NaN", "I32", Float32Array.of(Number.NaN), /is NaN, expected an exact integer of I32/],
    ["what is out of range", "U8", [256], /is 256, expected an exact integer of U8/],
    ["a negative number", "U64", [-1], /is -1, expected/],
    ["a bigint out of range", "I64", [2n ** 63n], /expected an exact integer of I64/],
    ["a bigint", "I32", [1n], /is 1n, expected an exact integer of I32/],
    ["a number", "BOOL", [2], /is 2, expected 0, 1, true or false/],
    ["text", "F32", ["1"], /x\.data\[0\] is "1", expected a number/],
    ["text for integers", "I64", ["1"], /is "1", expected an exact integer/],
    ["bits", "F16", Uint16Array.of(1), /is Uint16Array\(1\), expected numbers for F16, not their bits/],
    ["numbers for bytes", "F8_E4M3", [1], /is Array\(1\), expected a Uint8Array with the bytes of F8_E4M3/],
    ["bigints", "F32", BigInt64Array.of(1n), /is BigInt64Array\(1\), expected numbers for F32/],
    ["an unknown dtype", "F128", [1], /tensors\.x\.dtype is "F128", expected one of F32/],
  ])("are not %s", (_, dtype, data, message) => {
    expect(() => write(dtype, data)).toThrow(OptionError);
    expect(() => write(dtype, data)).toThrow(message);
  });

  it("fill whole bytes", () => {
    expect(() => write("F4", Uint8Array.of(1, 2), [3])).toThrow(/has 2 elements, expected 3 for \[3\] of F4/);
    expect(() => write("C64", Uint8Array.of(1), [1])).toThrow(/has 1 elements/);
  });

  it("may be Float16Arrays, where there are any", () => {
    const data = Object.defineProperty(Float32Array.of(1.5, 0.1), Symbol.toStringTag, { value: "Float16Array" });
    // A stand-in: Node 20 has none. Its elements are numbers, as a Float16Array's are.
    const file = writeSafetensors([["x", { shape: [2], data }]]);
    expect(readSafetensors(file).tensors.get("x")).toMatchObject({ dtype: "F16" });
  });
});
