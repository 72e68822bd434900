import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { readSafetensors, type StoredTensor, writeSafetensors } from "../../../src/checkpoint/index.js";
import { CheckpointError, OptionError, ShapeError } from "../../../src/index.js";
import { expectSameBits } from "../../helpers/bits.js";
import { SPECIAL_VALUES } from "../../helpers/random.js";
import { fileOf } from "../../helpers/safetensors.js";

const reference = new Uint8Array(readFileSync(new URL("fixtures/dtypes.safetensors", import.meta.url)));

describe("a file of the reference implementation", () => {
  const { tensors, metadata } = readSafetensors(reference);
  const dataOf = (name: string) => tensors.get(name)!.data;

  it("has its names, dtypes, shapes and metadata", () => {
    const found = Object.fromEntries(Array.from(tensors, ([name, { dtype, shape }]) => [name, `${dtype} [${shape}]`]));
    expect(found).toEqual(
      Object.fromEntries([
        ["f64", "F64 [3]"],
        ["f32", "F32 [2,3]"],
        ["f16", "F16 [10]"],
        ["bf16", "BF16 [7]"],
        ["i64", "I64 []"],
        ["u64", "U64 [1]"],
        ["i32", "I32 [2]"],
        ["u32", "U32 [1]"],
        ["i16", "I16 [2]"],
        ["u16", "U16 [1]"],
        ["i8", "I8 [2]"],
        ["u8", "U8 [3]"],
        ["bool", "BOOL [3]"],
        ["empty", "F32 [3,0]"],
        ["Gewicht/größe ∂ 🜁", "F32 [1]"],
        ["__proto__", "F32 [1]"],
      ]),
    );
    expect(Object.entries(metadata).sort()).toEqual([
      ["__proto__", "a key like any other"],
      ["note", 'Ä "quoted" \\ 🜁'],
    ]);
  });

  it("has its numbers", () => {
    expect(dataOf("f64")).toEqual(Float64Array.of(1 / 3, -0, Number.POSITIVE_INFINITY));
    expectSameBits(dataOf("f32") as Float32Array, [1.5, -2.5, 3.5, 1e-45, 3.4028234663852886e38, 0.1], "f32");
    expect(dataOf("i64")).toEqual(BigInt64Array.of(-(2n ** 63n)));
    expect(dataOf("u64")).toEqual(BigUint64Array.of(2n ** 53n + 1n));
    expect(dataOf("i32")).toEqual(Int32Array.of(-(2 ** 31), 7));
    expect(dataOf("u32")).toEqual(Uint32Array.of(2 ** 32 - 1));
    expect(dataOf("i16")).toEqual(Int16Array.of(-32768, 5));
    expect(dataOf("u16")).toEqual(Uint16Array.of(65535));
    expect(dataOf("i8")).toEqual(Int8Array.of(-128, 127));
    expect(dataOf("u8")).toEqual(Uint8Array.of(0, 255, 3));
    expect(dataOf("bool")).toEqual(Uint8Array.of(1, 0, 1));
    expect(dataOf("empty")).toEqual(new Float32Array(0));
    expect(dataOf("__proto__")).toEqual(Float32Array.of(5));
  });

  it("has its 16-bit floats, widened exactly", () => {
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
    const halves = [1.5, -0, 65504, 2 ** -24, 2 ** -14, -(2 ** -15), inf, -inf, nan, 0.333251953125];
    expectSameBits(dataOf("f16") as Float32Array, halves, "f16");
    const brains = [1.5, -0, 255 * 2 ** 120, 2 ** -133, -inf, nan, 0.333984375];
    expectSameBits(dataOf("bf16") as Float32Array, brains, "bf16");
  });

  it("comes out again as it went in, 16-bit floats too", () => {
    const again = readSafetensors(writeSafetensors(tensors, metadata));
    for (const [name, tensor] of tensors) expect(again.tensors.get(name)).toEqual(tensor);
    expect(again.metadata).toEqual(metadata);
    expect(again.tensors.size).toBe(tensors.size);
  });

  it("is refused when it is cut off or longer, by whatever length", () => {
    for (let length = 0; length < reference.length; length++) {
      expect(() => readSafetensors(reference.subarray(0, length)), `${length}`).toThrow(CheckpointError);
    }
    expect(() => readSafetensors(Uint8Array.from([...reference, 0]))).toThrow(/data has \d+ bytes, expected/);
  });
});

describe("writeSafetensors", () => {
  const f32 = (...values: number[]): StoredTensor => ({ shape: [values.length], data: Float32Array.from(values) });

  it("keeps the bits of special values", () => {
    const { tensors } = readSafetensors(writeSafetensors([["x", f32(...SPECIAL_VALUES)]]));
    expectSameBits(tensors.get("x")!.data as Float32Array, SPECIAL_VALUES, "x");
  });

  it("aligns the data to 8 bytes and each tensor to its elements, whatever the names", () => {
    for (let length = 1; length < 20; length++) {
      const file = writeSafetensors([
        ["x".repeat(length), { shape: [3], data: new Uint8Array(3) }],
        ["y", f32(1)],
        ["z", { shape: [1], data: new Float64Array(1) }],
      ]);
      const header = Number(new DataView(file.buffer).getBigUint64(0, true));
      expect(header % 8).toBe(0);
      const entries = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + header)));
      expect(entries.z.data_offsets).toEqual([0, 8]);
      expect(entries.y.data_offsets).toEqual([8, 12]);
    }
  });

  it("gives the same bytes for the same tensors", () => {
    const once = writeSafetensors([["x", f32(1, 2)]], { a: "1" });
    expect(writeSafetensors(new Map([["x", f32(1, 2)]]), { a: "1" })).toEqual(once);
    expect(writeSafetensors([["x", f32(1, 3)]], { a: "1" })).not.toEqual(once);
  });

  it("writes views, and arrays of another realm", () => {
    const data = runInNewContext("new Float32Array([7, 8, 9]).subarray(1)") as Float32Array;
    expect(readSafetensors(writeSafetensors([["x", { shape: [2], data }]])).tensors.get("x")!.data).toEqual(
      Float32Array.of(8, 9),
    );
  });

  it("keeps names that are numbers in their order", () => {
    const { tensors } = readSafetensors(writeSafetensors(["10", "2", "b", "a"].map((name) => [name, f32(1)] as const)));
    expect([...tensors.keys()]).toEqual(["10", "2", "b", "a"]);
  });

  it("writes no tensors at all", () => {
    expect(readSafetensors(writeSafetensors([]))).toEqual({ tensors: new Map(), metadata: {} });
  });

  it.each<[string, () => unknown, typeof OptionError | typeof ShapeError, RegExp]>([
    ["a record", () => writeSafetensors({ x: f32(1) } as never), OptionError, /tensors is Object, expected a Map/],
    [
      "a name twice",
      () =>
        writeSafetensors([
          ["x", f32(1)],
          ["x", f32(2)],
        ]),
      OptionError,
      /the name "x"/,
    ],
    ["the name of the metadata", () => writeSafetensors([["__metadata__", f32(1)]]), OptionError, /__metadata__/],
    ["half a surrogate pair", () => writeSafetensors([["\ud800", f32(1)]]), OptionError, /well-formed/],
    [
      "a size that is not the shape's",
      () => writeSafetensors([["x", { shape: [2, 2], data: new Int8Array(3) }]]),
      ShapeError,
      /x\.data has 3 elements, expected 4 for \[2,2\]/,
    ],
    [
      "plain arrays",
      () => writeSafetensors([["x", { shape: [1], data: [1] as never }]]),
      OptionError,
      /tensors\.x\.data is Array\(1\)/,
    ],
    [
      "clamped bytes",
      () => writeSafetensors([["x", { shape: [1], data: new Uint8ClampedArray(1) as never }]]),
      OptionError,
      /x\.data is Uint8ClampedArray/,
    ],
    [
      "metadata that are no strings",
      () => writeSafetensors([], { epoch: 3 as never }),
      OptionError,
      /metadata\.epoch is 3/,
    ],
    [
      "metadata that are a Map",
      () => writeSafetensors([], new Map([["a", "b"]]) as never),
      OptionError,
      /metadata is Map/,
    ],
    ["metadata that are a list", () => writeSafetensors([], ["a"] as never), OptionError, /metadata is Array\(1\)/],
    ["metadata that are text", () => writeSafetensors([], "a" as never), OptionError, /metadata is "a"/],
    ["no metadata", () => writeSafetensors([], null as never), OptionError, /metadata is null/],
    ["names alone", () => writeSafetensors(["x"] as never), OptionError, /a tensor is "x", expected \[name/],
    ["a name without a tensor", () => writeSafetensors([["x"]] as never), OptionError, /tensors\.x is undefined/],
  ])("refuses %s", (_, write, error, text) => {
    expect(write).toThrow(error);
    expect(write).toThrow(text);
  });
});

describe("readSafetensors", () => {
  const entry = (fields: object = {}) => JSON.stringify({ dtype: "F32", shape: [1], data_offsets: [0, 4], ...fields });
  const one = (fields: object, length = 4) => fileOf(`{"x":${entry(fields)}}`, new Uint8Array(length));
  const two = (x: number[], y: number[], length: number) =>
    fileOf(`{"x":${entry({ data_offsets: x })},"y":${entry({ data_offsets: y })}}`, new Uint8Array(length));
  const withLength = (length: bigint) => {
    const bytes = one({});
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };

  const cut = fileOf("{} ").subarray(0, -1);

  it("takes the file that the refused ones differ from, at any address, and keeps no view of it", () => {
    const good = two([0, 4], [4, 8], 8);
    for (let shift = 0; shift < 8; shift++) {
      const moved = new Uint8Array(good.length + shift).subarray(shift);
      moved.set(good);
      const { tensors } = readSafetensors(moved);
      expect([...tensors.keys()]).toEqual(["x", "y"]);
      moved.fill(255);
      expect(tensors.get("y")).toEqual({ dtype: "F32", shape: [1], data: Float32Array.of(0) });
    }
  });

  it("takes tensors in any order of the header, in the order of their data", () => {
    const names = (file: Uint8Array) => [...readSafetensors(file).tensors.keys()];
    expect(names(two([4, 8], [0, 4], 8))).toEqual(["y", "x"]);
  });

  it("takes a header of just the limit, and padding", () => {
    const file = fileOf(`{"x":${entry()}}      `, new Uint8Array(4));
    const headerBytes = file.length - 12;
    expect(readSafetensors(file, { headerBytes }).tensors.size).toBe(1);
    expect(() => readSafetensors(file, { headerBytes: headerBytes - 1 })).toThrow(
      /header has \d+ bytes, expected at most/,
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /the file is empty/],
    ["a header beyond the file", withLength(1000n), /1000 bytes, but only \d+ follow/],
    ["a header a byte beyond the file", cut, /3 bytes, but only 2 follow/],
    ["a header over the limit", withLength(100_000_001n), /100000001 bytes, but only \d+ follow/],
    ["a header of 2⁶⁴ − 1 bytes", withLength(2n ** 64n - 1n), /18446744073709552000 bytes, but only/],
    ["an empty header", fileOf(""), /the header is empty/],
    [
      "text that is no UTF-8",
      fileOf(Buffer.from(`{"\xff":${entry()}}`, "latin1"), new Uint8Array(4)),
      /the string at byte 2 of the header is no UTF-8/,
    ],
    ["a byte order mark", fileOf(`\ufeff{}`), /the header begins with "ï", expected "{"/],
    ["text that is no JSON", fileOf("{x}"), /byte 1 of the header is "x}", expected a key in quotes/],
    ["a list", fileOf("[]"), /the header begins with "\[", expected "{"/],
    ["a list after a space", fileOf(" []"), /byte 1 of the header is "\[\]", expected {/],
    ["a name twice", fileOf(`{"x":${entry()},"x":${entry()}}`, new Uint8Array(4)), /key "x" twice/],
    ["a name twice, once escaped", fileOf(`{"x":${entry()},"\\u0078":${entry()}}`, new Uint8Array(4)), /key "x" twice/],
    [
      "a field twice",
      fileOf(`{"x":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, new Uint8Array(4)),
      /key "dtype" twice/,
    ],
    ["metadata twice", fileOf(`{"__metadata__":{},"__metadata__":{}}`), /key "__metadata__" twice/],
    ["a key of the metadata twice", fileOf(`{"__metadata__":{"a":"1","a":"2"}}`), /key "a" twice/],
    [
      "deep nesting",
      fileOf(`{"x":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}}`),
      /tensor "x" has the unknown field "a"/,
    ],
    ["an object in a tensor", fileOf(`{"x":{"dtype":{}}}`), /expected a string for the dtype of tensor "x"/],
    ["deep nesting of lists", fileOf(`{"x":${"[".repeat(5000)}1${"]".repeat(5000)}}`), /expected { for tensor "x"/],
    ["metadata that are no strings", fileOf(`{"__metadata__":{"a":1}}`), /expected a string for "a" of __metadata__/],
    ["metadata that are a list", fileOf(`{"__metadata__":["a"]}`), /expected { for __metadata__/],
    ["a value of the metadata that is null", fileOf(`{"__metadata__":{"a":null}}`), /expected a string for "a"/],
    ["a tensor that is none", fileOf(`{"x":3}`), /byte 5 of the header is "3}", expected { for tensor "x"/],
    ["an unknown field", one({ strides: [1] }), /unknown field "strides"/],
    ["an unknown dtype", one({ dtype: "F128" }), /dtype "F128", expected one of F32, /],
    ["a dtype of the prototype", one({ dtype: "toString" }), /dtype "toString"/],
    ["no dtype", one({ dtype: undefined }), /tensor "x" has no dtype/],
    ["a shape that is none", one({ shape: 1 }), /expected \[ for the shape of tensor "x"/],
    ["a negative dimension", one({ shape: [-1, -1] }), /"-1,-1\],.*, expected integers from 0/],
    ["a dimension of -0", fileOf(`{"x":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}`), /expected integers/],
    ["a fraction of a dimension", one({ shape: [0.5, 2] }), /expected integers/],
    ["a dimension that is text", one({ shape: ["1"] }), /expected integers/],
    ["an unsafe dimension", one({ shape: [2 ** 53] }), /expected integers/],
    ["dimensions whose product overflows", one({ shape: Array(70).fill(2 ** 30) }), /which is too large/],
    ["a negative offset", one({ data_offsets: [-4, 0] }), /data_offsets/],
    ["a fraction of an offset", one({ data_offsets: [0.5, 4.5] }), /data_offsets/],
    ["offsets the wrong way round", one({ data_offsets: [4, 0] }), /data_offsets/],
    ["three offsets", one({ data_offsets: [0, 4, 4] }), /data_offsets \[0,4,4\], expected \[begin, end\]/],
    ["a size that is not the shape's", one({ shape: [2] }), /4 bytes, expected 8 for F32 \[2\]/],
    ["a size that is not the dtype's", one({ dtype: "F16" }), /4 bytes, expected 2 for F16 \[1\]/],
    ["data beyond the end", one({}, 3), /data has 3 bytes, expected 4/],
    ["bytes left over", one({}, 5), /data has 5 bytes, expected 4/],
    ["data without a tensor", fileOf("{}", new Uint8Array(1)), /data has 1 bytes, expected 0/],
    ["a hole at the start", one({ data_offsets: [4, 8] }, 8), /begins at byte 4 of the data, expected 0/],
    ["a hole between tensors", two([0, 4], [5, 9], 9), /"y" begins at byte 5 of the data, expected 4/],
    ["tensors that overlap", two([0, 4], [3, 7], 7), /"y" begins at byte 3 of the data, expected 4/],
    ["two names for the same bytes", two([0, 4], [0, 4], 4), /"y" begins at byte 0 of the data, expected 4/],
  ])("refuses %s", (_, file, text) => {
    expect(() => readSafetensors(file)).toThrow(CheckpointError);
    expect(() => readSafetensors(file)).toThrow(text);
  });

  it("refuses what is no file at all", () => {
    expect(() => readSafetensors([] as never)).toThrow(/bytes is Array\(0\), expected a Uint8Array or an ArrayBuffer/);
    expect(() => readSafetensors(reference, { header: 1 } as never)).toThrow(/limits\.header is not an option/);
    expect(() => readSafetensors(reference, { headerBytes: Number.NaN })).toThrow(OptionError);
  });
});
