import { checkInteger, checkKeys, describe, unexpected } from "../checks.js";
import { CheckpointError, OptionError, ShapeError } from "../errors.js";
import { isRecord } from "../optim/parameters.js";
import { type Shape, sizeOf } from "../tensor.js";

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

/** A tensor of a safetensors file. */
export interface StoredTensor {
  readonly shape: Shape;
  /** 16-bit floats (F16, BF16) are widened to a Float32Array; BOOL is 0 and 1. */
  readonly data: StoredData;
  /** The file's own word, such as `"F32"` or `"BF16"`. Writing goes by the type of `data` alone. */
  readonly dtype?: string;
}

/** What a safetensors file holds. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** How much `readSafetensors` takes in. */
export interface SafetensorsLimits {
  /** Longest header, in bytes. Default 100,000,000, as in the reference implementation. */
  headerBytes?: number;
}

/** The array of each dtype. For writing the first of a type counts. */
const ARRAYS = {
  F32: Float32Array,
  F64: Float64Array,
  I8: Int8Array,
  U8: Uint8Array,
  I16: Int16Array,
  U16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  BOOL: Uint8Array,
  F16: Uint16Array,
  BF16: Uint16Array,
};

type Dtype = keyof typeof ARRAYS;

const METADATA = "__metadata__";

/** A tensor as the header describes it: where its bytes begin and end in the data. */
interface HeaderEntry {
  name: string;
  dtype: Dtype;
  shape: Shape;
  begin: number;
  end: number;
}

/**
 * Reads a file in the safetensors format.
 *
 * The file is not trusted: everything that its header says is checked before a tensor is made, and no more is allocated
 * than the file is long (twice that for 16-bit floats). It is stricter than the reference implementation in three
 * points: names may not occur twice, fields other than dtype, shape and data_offsets are refused, and the header begins
 * with "{". Numbers like 2.0 and 1e2, which are integers to JavaScript, pass.
 *
 * | operand | type | |
 * |---|---|---|
 * | bytes | a whole file | read |
 * | tensors | copies, in the order of their data | returned |
 *
 * Cost: two passes over the header, one over the data.
 *
 * @param bytes the file; a Node Buffer is a Uint8Array too
 * @param limits see `SafetensorsLimits`
 * @throws CheckpointError that says what is wrong with the file; OptionError
 * @example
 * const { tensors, metadata } = readSafetensors(await readFile("model.safetensors"));
 * const { shape, data } = tensors.get("0.weight");
 * @see https://github.com/huggingface/safetensors#format
 */
export function readSafetensors(bytes: Uint8Array, limits: SafetensorsLimits = {}): Safetensors {
  if (tagOf(bytes) !== "Uint8Array") throw unexpected("bytes", bytes, "a Uint8Array");
  checkKeys("limits", limits, ["headerBytes"]);
  const { headerBytes = 100_000_000 } = limits;
  checkInteger("limits.headerBytes", headerBytes, 0);
  const length = headerLength(bytes, headerBytes);
  const { [METADATA]: metadata = {}, ...rest } = parseHeader(bytes.subarray(8, 8 + length));
  checkMetadata(metadata);
  const entries = Object.entries(rest).map(([name, value]) => readEntry(name, value));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const data = bytes.subarray(8 + length);
  let end = 0;
  for (const entry of entries) {
    if (entry.begin !== end) {
      throw damaged(`tensor "${entry.name}" begins at byte ${entry.begin} of the data, expected ${end}`);
    }
    end = entry.end;
  }
  if (data.length !== end) throw damaged(`the data has ${data.length} bytes, expected ${end}`);
  return { tensors: new Map(entries.map((entry) => [entry.name, load(entry, data)])), metadata };
}

/**
 * Writes a file in the safetensors format. The same tensors and metadata give the same bytes.
 *
 * Tensors with the widest elements come first, else their order is kept, so that each begins at a multiple of its
 * element's size in the file.
 *
 * @param tensors names with their tensors, for instance a Map; the type of `data` decides the dtype
 * @param metadata strings by name
 * @throws OptionError, ShapeError
 * @example
 * const bytes = writeSafetensors([["w", { shape: [2], data: Float32Array.of(1, 2) }]], { note: "two numbers" });
 * @see https://github.com/huggingface/safetensors#format
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, StoredTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  if (typeof tensors?.[Symbol.iterator] !== "function") {
    throw unexpected("tensors", tensors, "a Map or another iterable of [name, tensor]");
  }
  checkPlain("metadata", metadata);
  const seen = new Set<string>();
  const entries = Array.from(tensors, (entry: unknown) => {
    if (!Array.isArray(entry)) throw unexpected("a tensor", entry, "[name, tensor]");
    const [name, tensor] = entry as [string, StoredTensor];
    checkText("a tensor's name", name);
    checkPlain(`tensors.${name}`, tensor);
    const { shape, data } = tensor;
    if (seen.has(name) || name === METADATA) throw new OptionError(`tensors has the name "${name}", expected another`);
    seen.add(name);
    const dtype = (Object.keys(ARRAYS) as Dtype[]).find((key) => ARRAYS[key].name === tagOf(data));
    if (dtype === undefined) throw unexpected(`tensors.${name}.data`, data, "a typed array");
    if (sizeOf(shape) !== data.length) {
      throw new ShapeError(
        `tensors.${name}.data has ${data.length} elements, expected ${sizeOf(shape)} for [${shape}]`,
      );
    }
    return { name, dtype, shape, data };
  }).sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  for (const [key, value] of Object.entries(metadata)) {
    checkText("a key of metadata", key);
    checkText(`metadata.${key}`, value);
  }

  let end = 0;
  const described = entries.map(({ name, dtype, shape, data }) => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const about = Object.keys(metadata).length > 0 ? [[METADATA, metadata] as const] : [];
  // Not by assignment: "__proto__" is a name like any other.
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries<unknown>([...about, ...described])));
  const start = 8 + Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(start + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.fill(0x20, 8, start);
  bytes.set(text, 8);
  entries.forEach(({ data }, i) => {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + described[i]![1].data_offsets[0]!);
  });
  return bytes;
}

/** Throws OptionError unless `value` is a plain object: of a Map, for instance, nothing would be written. */
export function checkPlain(name: string, value: unknown): void {
  if (!isRecord(value)) throw unexpected(name, value, "a plain object");
}

/** The error of a file that is no safetensors file. */
function damaged(what: string): CheckpointError {
  return new CheckpointError(`safetensors: ${what}`);
}

/** "Float32Array" for one of any realm. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function checkText(name: string, value: unknown): void {
  // Half a surrogate pair has no UTF-8.
  if (typeof value === "string" && !/\p{Surrogate}/u.test(value)) return;
  throw unexpected(name, value, "a well-formed string");
}

function headerLength(bytes: Uint8Array, limit: number): number {
  if (bytes.length < 8) throw damaged(`the file has ${bytes.length} bytes, expected at least 8`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > limit) throw damaged(`the header has ${length} bytes, expected at most ${limit}`);
  if (length > bytes.length - 8) {
    throw damaged(`the header has ${length} bytes, but only ${bytes.length - 8} follow: the file is cut off`);
  }
  return length;
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const header: unknown = JSON.parse(text);
    if (text[0] === "{") {
      checkDistinctKeys(text);
      return header as Record<string, unknown>;
    }
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw damaged(`the header is no JSON in UTF-8: ${(error as Error).message}`);
  }
  throw damaged('the header does not begin with "{"');
}

/** JSON.parse keeps the last of two equal keys without a word. `text` is valid JSON. */
function checkDistinctKeys(text: string): void {
  const open: Set<unknown>[] = [];
  let start = 0;
  let end = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      start = i;
      while (text[++i] !== '"') if (text[i] === "\\") i++;
      end = i + 1;
    } else if (character === "}") open.pop();
    else if (character === "{") {
      // A header has two levels of objects; counting them bounds what a hostile one makes this allocate.
      if (open.push(new Set()) > 2) throw damaged("the header is nested too deeply");
    } else if (character === ":") {
      const key: unknown = JSON.parse(text.slice(start, end));
      const keys = open.at(-1)!;
      if (keys.has(key)) throw damaged(`the header has the key ${describe(key)} twice`);
      keys.add(key);
    }
  }
}

function checkMetadata(value: unknown): asserts value is Record<string, string> {
  const isRecord =
    tagOf(value) === "Object" && Object.values(value as object).every((text) => typeof text === "string");
  if (!isRecord) throw damaged(`${METADATA} is ${describe(value)}, expected strings by name`);
}

function readEntry(name: string, value: unknown): HeaderEntry {
  const what = `tensor "${name}"`;
  if (tagOf(value) !== "Object") throw damaged(`${what} is ${describe(value)}, expected an object`);
  const { dtype, shape, data_offsets: offsets, ...rest } = value as Record<string, unknown>;
  const extra = Object.keys(rest)[0];
  if (extra !== undefined) throw damaged(`${what} has the unknown field "${extra}"`);
  if (typeof dtype !== "string" || !Object.hasOwn(ARRAYS, dtype)) {
    throw damaged(`${what} has the dtype ${describe(dtype)}, expected one of ${Object.keys(ARRAYS).join(", ")}`);
  }
  if (!isCounts(shape)) throw damaged(`${what} has the shape ${describe(shape)}, expected integers >= 0`);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw damaged(`${what} has the data_offsets ${describe(offsets)}, expected [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  const size = sizeOf(shape) * ARRAYS[dtype as Dtype].BYTES_PER_ELEMENT;
  if (end - begin !== size) throw damaged(`${what} has ${end - begin} bytes, expected ${size} for ${dtype} [${shape}]`);
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0 && !Object.is(count, -0))
  );
}

/** The tensor of an entry, copied: its bytes may lie at any address, and the file may go. */
function load({ dtype, shape, begin, end }: HeaderEntry, data: Uint8Array): StoredTensor {
  const bytes = new Uint8Array(end - begin);
  bytes.set(data.subarray(begin, end));
  const stored = new ARRAYS[dtype](bytes.buffer);
  if (dtype !== "F16" && dtype !== "BF16") return { dtype, shape, data: stored };
  return { dtype, shape, data: Float32Array.from(stored as Uint16Array, dtype === "F16" ? fromHalf : fromBrain) };
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The value of a bfloat16: the upper half of a float32. */
function fromBrain(bits: number): number {
  word[0] = bits << 16;
  return float[0]!;
}

/** The value of an IEEE binary16: 5 bits of exponent, 10 of fraction. */
function fromHalf(bits: number): number {
  const exponent = (bits >>> 10) & 31;
  if (exponent === 0) return (bits & 0x8000 ? -1 : 1) * (bits & 0x3ff) * 2 ** -24;
  const rebiased = exponent === 31 ? 255 : exponent + 112;
  word[0] = ((bits & 0x8000) << 16) | (rebiased << 23) | ((bits & 0x3ff) << 13);
  return float[0]!;
}
