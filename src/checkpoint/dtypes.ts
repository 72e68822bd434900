import { detached, isDetached, isNumericArray, tagOf, unexpected } from "../checks.js";
import { fromBrain, fromHalf, toBrain, toHalf } from "./float16.js";

/** Elements of a stored tensor, in row-major order. */
export type StoredData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** `Uint8Array<ArrayBuffer>`, bytes of their own, in the words of TypeScript before 5.7 too. */
export type Bytes = ReturnType<Uint8Array["slice"]>;

interface ArrayType {
  new (buffer: ArrayBuffer, begin?: number, length?: number): StoredData;
}

/**
 * Bits of an element, and the array that has such elements; none where JavaScript has no such array: its bytes are then
 * handed out. For writing, the first dtype of an array's type counts.
 */
const DTYPES: Readonly<Record<string, readonly [bits: number, array?: string]>> = {
  F32: [32, "Float32Array"],
  F64: [64, "Float64Array"],
  I8: [8, "Int8Array"],
  U8: [8, "Uint8Array"],
  I16: [16, "Int16Array"],
  U16: [16, "Uint16Array"],
  I32: [32, "Int32Array"],
  U32: [32, "Uint32Array"],
  I64: [64, "BigInt64Array"],
  U64: [64, "BigUint64Array"],
  BOOL: [8, "Uint8Array"],
  F16: [16, "Uint16Array"],
  BF16: [16, "Uint16Array"],
  C64: [64],
  F8_E4M3: [8],
  F8_E5M2: [8],
  F8_E8M0: [8],
  F8_E4M3FNUZ: [8],
  F8_E5M2FNUZ: [8],
  F6_E2M3: [6],
  F6_E3M2: [6],
  F4: [4],
};

export const DTYPE_NAMES = /* @__PURE__ */ Object.keys(DTYPES);

/** "Float32Array" for one of any realm. */
export function typeNameOf(value: unknown): string {
  return tagOf(value).slice(8, -1);
}

/** Bits of an element; `undefined` if there is no such dtype. */
export function bitsOf(dtype: unknown): number | undefined {
  return typeof dtype === "string" && Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype]![0] : undefined;
}

/** By name, so that a runtime that lacks one can still have the others. */
function arrayType(name: string | undefined): ArrayType | undefined {
  return name === undefined ? undefined : (globalThis as unknown as Record<string, ArrayType>)[name];
}

/** The elements that bytes are; the array takes the bytes over. */
export function decode(dtype: string, bytes: Bytes): StoredData {
  const Type = arrayType(DTYPES[dtype]![1]);
  if (Type === undefined) return bytes;
  const stored = new Type(bytes.buffer);
  if (dtype !== "F16" && dtype !== "BF16") return stored;
  return Float32Array.from(stored as Uint16Array, dtype === "F16" ? fromHalf : fromBrain);
}

/** The dtype that an array is written as when none is named; `undefined` if there is none. */
export function dtypeOf(data: unknown): string | undefined {
  const tag = typeNameOf(data);
  return tag === "Float16Array" ? "F16" : DTYPE_NAMES.find((name) => DTYPES[name]![1] === tag);
}

/** Whether `data` has as many elements, or for a dtype without an array as many bytes, as `size` elements need. */
export function hasSize(dtype: string, data: ArrayLike<unknown>, size: number): boolean {
  const [bits, array] = DTYPES[dtype]!;
  return data.length === (array === undefined ? (size * bits) / 8 : size);
}

/**
 * Writes elements as a dtype into all of `bytes`, which begins at a multiple of an element. Floats are rounded to
 * nearest, ties to even, and NaN is canonical; integers must be exact. Throws OptionError with the name of what is not.
 */
export function encode(dtype: string, data: ArrayLike<unknown>, bytes: Bytes, name: string): void {
  const array = DTYPES[dtype]![1];
  const tag = typeNameOf(data);
  if (array === undefined) {
    if (tag !== "Uint8Array") throw unexpected(name, data, `a Uint8Array with the bytes of ${dtype}`);
    bytes.set(data as Uint8Array);
    return;
  }
  const Type = arrayType(array);
  const isBig = array.startsWith("Big");
  const isNumeric = isNumericArray(data) || (isBig && tag.startsWith("Big"));
  if (Type === undefined || !isNumeric) throw unexpected(name, data, `numbers for ${dtype}`);
  const out = new Type(bytes.buffer, bytes.byteOffset, data.length);
  if (!/^B?F/.test(dtype)) {
    if (tag === array && dtype !== "BOOL") (out as Uint8Array).set(data as Uint8Array);
    else encodeIntegers(dtype, data, out as unknown as unknown[], isBig, name);
  } else {
    if (tag === array && out.BYTES_PER_ELEMENT === 2)
      throw unexpected(name, data, `numbers for ${dtype}, not their bits`);
    encodeFloats(dtype, data as ArrayLike<number>, out as Float32Array, name);
  }
}

function encodeFloats(dtype: string, data: ArrayLike<number>, out: Float32Array | Float64Array, name: string): void {
  const bad = Array.isArray(data) ? data.findIndex((value) => typeof value !== "number") : -1;
  if (bad >= 0) throw unexpected(`${name}[${bad}]`, data[bad], "a number");
  if (isDetached(data)) throw detached(name);
  if (dtype === "F16") for (let i = 0; i < out.length; i++) out[i] = toHalf(data[i]!);
  else if (dtype === "BF16") for (let i = 0; i < out.length; i++) out[i] = toBrain(data[i]!);
  else {
    out.set(data);
    canonicalize(out);
  }
}

/** NaN has many bit patterns, which engines and backends choose differently: one of them is written. */
function canonicalize(floats: Float32Array | Float64Array): void {
  const { buffer, byteOffset, length } = floats;
  // Most arrays have none. A sum is NaN if a number is (or if it has infinities of both signs), and is fast.
  for (let start = 0; start < length; start += 4096) {
    const end = Math.min(start + 4096, length);
    let sum = 0;
    for (let i = start; i < end; i++) sum += floats[i]!;
    if (!Number.isNaN(sum)) continue;
    const words = new Uint32Array(buffer, byteOffset, floats.byteLength / 4);
    const size = words.length / length;
    for (let i = start; i < end; i++) {
      if (!Number.isNaN(floats[i]!)) continue;
      words.fill(0, size * i, size * (i + 1));
      words[size * (i + 1) - 1] = size === 1 ? 0x7fc00000 : 0x7ff80000;
    }
  }
}

function encodeIntegers(dtype: string, data: ArrayLike<unknown>, out: unknown[], isBig: boolean, name: string): void {
  const isBool = dtype === "BOOL";
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    const isExact = isBool ? value === 0 || value === 1 : Number.isSafeInteger(value);
    if (isExact || (isBool && typeof value === "boolean") || (isBig && typeof value === "bigint")) {
      out[i] = isBig ? BigInt(value as number) : Number(value);
      // Out of range it has wrapped around.
      if (Number(out[i]) === Number(value)) continue;
    }
    throw unexpected(`${name}[${i}]`, value, isBool ? "0, 1, true or false" : `an exact integer of ${dtype}`);
  }
}
