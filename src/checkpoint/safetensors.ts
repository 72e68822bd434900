import { checkInteger, checkKeys, describe, quote, unexpected } from "../checks.js";
import { OptionError, ShapeError } from "../errors.js";
import { isRecord } from "../optim/parameters.js";
import { type Shape, sizeOf } from "../tensor.js";
import {
  type Bytes,
  bitsOf,
  DTYPE_NAMES,
  decode,
  dtypeOf,
  encode,
  hasSize,
  type StoredData,
  typeNameOf,
} from "./dtypes.js";
import { kindOf } from "./foreign.js";
import { damaged, type Header, METADATA, readHeader } from "./header.js";
import { encodeUtf8 } from "./utf8.js";

/** A tensor of a safetensors file. */
export interface StoredTensor {
  readonly shape: Shape;
  /**
   * F16 and BF16 are widened to a Float32Array; BOOL is 0 and 1; a dtype for which JavaScript has no array (C64, and
   * floats of 8, 6 and 4 bits) is a Uint8Array of its bytes.
   */
  readonly data: StoredData;
  /** The file's own word, such as `"F32"` or `"BF16"`. */
  readonly dtype?: string;
}

/** A tensor to be written. */
export interface TensorSource {
  readonly shape: Shape;
  /** A typed array, or with `dtype` also a plain array. */
  readonly data: StoredData | ArrayLike<number> | ArrayLike<bigint> | ArrayLike<boolean>;
  /**
   * Default: that of the array's type. To `"F16"`, `"BF16"` and `"F32"` numbers are rounded to nearest, ties to even; for
   * integers, `"I64"` among them, they must be exact. A dtype without an array of its own takes a Uint8Array of bytes.
   */
  readonly dtype?: string;
}

/** The contents of a safetensors file. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** How much `readSafetensors` takes in. */
export interface SafetensorsLimits {
  /** Longest header, in bytes. Default 100,000,000, as in the reference implementation. */
  headerBytes?: number;
  /** Most tensors. Default 1,000,000. */
  tensors?: number;
}

/** The longest header that the reference implementation reads. */
const HEADER_BYTES = 100_000_000;

/** Bytes of a tensor in the header, without its name, at least. */
const ENTRY_BYTES = '"":{"dtype":"F4","shape":[],"data_offsets":[0,0]}'.length;

/**
 * Reads a file in the safetensors format.
 *
 * The file is not trusted. Its header is read byte by byte, up to the first that does not belong there, and everything
 * it says is checked before a tensor is made: no more is allocated than the file is long (twice that for 16-bit floats),
 * and a few hundred bytes for each tensor that it names. It is stricter than the reference implementation in that a
 * tensor is an object of dtype, shape and data_offsets and nothing else, no name occurs twice, and no dimension is above
 * 2⁵³ − 1.
 *
 * | operand | type | |
 * |---|---|---|
 * | bytes | a whole file | read |
 * | tensors | copies, in the order of their data | returned |
 *
 * Cost: one pass over the header, one over the data.
 *
 * @param bytes the file; a Node Buffer is a Uint8Array too, and a Uint8Array may be a view of shared memory
 * @param limits see `SafetensorsLimits`
 * @throws CheckpointError that says what is wrong with the file, or what it is instead; OptionError
 * @example
 * const { tensors, metadata } = readSafetensors(await readFile("model.safetensors"));
 * const { shape, data } = tensors.get("0.weight");
 * @see https://github.com/huggingface/safetensors#format
 */
export function readSafetensors(bytes: Uint8Array | ArrayBuffer, limits: SafetensorsLimits = {}): Safetensors {
  const file = (typeNameOf(bytes) === "ArrayBuffer" ? new Uint8Array(bytes) : bytes) as Uint8Array;
  if (typeNameOf(file) !== "Uint8Array") throw unexpected("bytes", bytes, "a Uint8Array or an ArrayBuffer");
  checkKeys("limits", limits, ["headerBytes", "tensors"]);
  const { headerBytes = HEADER_BYTES, tensors = 1_000_000 } = limits;
  checkInteger("limits.headerBytes", headerBytes, 0);
  checkInteger("limits.tensors", tensors, 0);
  const length = headerLength(file, headerBytes);
  const { metadata, entries } = parseHeader(file, length, tensors);
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const data = file.subarray(8 + length);
  let end = 0;
  for (const entry of entries) {
    if (entry.begin !== end) {
      throw damaged(`tensor ${quote(entry.name)} begins at byte ${entry.begin} of the data, expected ${end}`);
    }
    end = entry.end;
  }
  if (data.length !== end) {
    const cause = data.length < end ? "the file is cut off" : "something follows the last tensor";
    throw damaged(`the data has ${data.length} bytes, expected ${end}: ${cause}`);
  }
  const read = entries.map(({ name, dtype, shape, begin, end }): [string, StoredTensor] => {
    // A copy: the bytes may be at any address, and the caller may drop the file.
    const copy = new Uint8Array(end - begin);
    copy.set(data.subarray(begin, end));
    return [name, { dtype, shape, data: decode(dtype, copy) }];
  });
  return { tensors: new Map(read), metadata };
}

/**
 * Writes a file in the safetensors format. The same tensors and metadata give the same bytes; every NaN of F64, F32, F16
 * and BF16 is written as the canonical one (in F32 0x7fc00000).
 *
 * Tensors with the widest elements come first, else their order is kept, so that each begins at a multiple of its
 * element's size in the file.
 *
 * @param tensors names with their tensors, for instance a Map; `dtype`, or else the type of `data`, decides the dtype
 * @param metadata strings by name
 * @throws OptionError, also for more names than fit into a header of 100,000,000 bytes, which readers refuse; ShapeError
 * @example
 * const bytes = writeSafetensors([["w", { shape: [2], data: Float32Array.of(1, 2) }]], { note: "two numbers" });
 * const half = writeSafetensors([["w", { shape: [2], data: Float32Array.of(1, 2), dtype: "BF16" }]]);
 * @see https://github.com/huggingface/safetensors#format
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, TensorSource]>,
  metadata: Readonly<Record<string, string>> = {},
): Bytes {
  if (typeof tensors?.[Symbol.iterator] !== "function" || ArrayBuffer.isView(tensors)) {
    throw unexpected("tensors", tensors, "a Map or another iterable of [name, tensor]");
  }
  checkPlain("metadata", metadata);
  for (const [key, value] of Object.entries(metadata)) {
    checkText("a key of metadata", key);
    checkText(`metadata.${key}`, value);
  }
  const seen = new Set<string>();
  let least = 0;
  const entries = Array.from(tensors, (entry: unknown) => {
    if (!Array.isArray(entry)) throw unexpected("a tensor", entry, "[name, tensor]");
    const [name, tensor] = entry as [string, TensorSource];
    checkText("a tensor's name", name);
    if (seen.has(name) || name === METADATA)
      throw new OptionError(`tensors has the name ${quote(name)}, expected another`);
    seen.add(name);
    // Before millions of descriptions fill the memory.
    least += ENTRY_BYTES + name.length;
    checkHeader(least);
    return describeTensor(name, tensor);
  }).sort((a, b) => b.bits - a.bits);

  let end = 0;
  const described = entries.map(({ name, dtype, shape, byteLength }) => {
    const begin = end;
    end += byteLength;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const about = Object.keys(metadata).length > 0 ? [[METADATA, metadata] as const] : [];
  // Not by assignment: "__proto__" is a name like any other.
  const text = encodeUtf8(JSON.stringify(Object.fromEntries<unknown>([...about, ...described])))!;
  const start = 8 + Math.ceil(text.length / 8) * 8;
  checkHeader(start - 8);
  const bytes = new Uint8Array(start + end);
  new DataView(bytes.buffer).setUint32(0, start - 8, true);
  bytes.fill(0x20, 8, start);
  bytes.set(text, 8);
  let begin = start;
  for (const { name, dtype, data, byteLength } of entries) {
    encode(dtype, data, bytes.subarray(begin, begin + byteLength), `tensors.${name}.data`);
    begin += byteLength;
  }
  return bytes;
}

/** Throws OptionError if readers refuse a header of `bytes` bytes; it may have more. */
function checkHeader(bytes: number): void {
  if (bytes <= HEADER_BYTES) return;
  throw new OptionError(
    `tensors and metadata make a header of at least ${bytes} bytes, expected at most ${HEADER_BYTES}`,
  );
}

/** Throws OptionError if `count` tensors do not fit into a header, whatever their names are. */
export function checkTensorCount(count: number): void {
  checkHeader(count * ENTRY_BYTES);
}

/** What is written of a tensor. Throws OptionError or ShapeError unless it is one. */
function describeTensor(name: string, tensor: TensorSource) {
  checkPlain(`tensors.${name}`, tensor);
  const { shape, data, dtype = dtypeOf(data) } = tensor;
  if (dtype === undefined) throw unexpected(`tensors.${name}.data`, data, "a typed array, or a dtype beside it");
  const bits = bitsOf(dtype);
  if (bits === undefined) {
    throw unexpected(`tensors.${name}.dtype`, dtype, `one of ${DTYPE_NAMES.join(", ")}`);
  }
  const size = sizeOf(shape);
  if (typeof data?.length !== "number" || !hasSize(dtype, data, size)) {
    const found = data?.length === undefined ? `is ${describe(data)}` : `has ${data.length} elements`;
    throw new ShapeError(`tensors.${name}.data ${found}, expected ${size} for [${shape}] of ${dtype}`);
  }
  return { name, shape, data, dtype, bits, byteLength: (size * bits) / 8 };
}

/** Throws OptionError unless `value` is a plain object: of a Map, for instance, nothing would be written. */
export function checkPlain(name: string, value: unknown): void {
  if (!isRecord(value)) throw unexpected(name, value, "a plain object");
}

function checkText(name: string, value: unknown): void {
  if (typeof value === "string" && encodeUtf8(value) !== undefined) return;
  throw unexpected(name, value, "a well-formed string");
}

function headerLength(bytes: Uint8Array, limit: number): number {
  if (bytes.length === 0) throw damaged("the file is empty");
  if (bytes.length < 8) throw foreign(bytes, `the file has ${bytes.length} bytes, expected at least 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  const rest = bytes.length - 8;
  if (length > rest) {
    throw foreign(bytes, `the header has ${length} bytes, but only ${rest} follow: the file is cut off`);
  }
  if (length > limit) throw damaged(`the header has ${length} bytes, expected at most ${limit}`);
  return length;
}

function parseHeader(bytes: Uint8Array, length: number, maxTensors: number): Header {
  const header = bytes.subarray(8, 8 + length);
  if (length === 0) throw damaged("the header is empty");
  const first = String.fromCharCode(header[0]!);
  if (!/[{\s]/.test(first)) throw foreign(bytes, `the header begins with ${quote(first)}, expected "{"`);
  return readHeader(header, maxTensors);
}

/** The error of a file that is likely something else. */
function foreign(bytes: Uint8Array, what: string) {
  const kind = kindOf(bytes);
  return damaged(kind === undefined ? what : `this is not a safetensors file: ${kind}`);
}

/** What `readSafetensors` has read, or the file itself. */
export function toSafetensors(file: Uint8Array | ArrayBuffer | Safetensors, limits?: SafetensorsLimits): Safetensors {
  if (/^(Uint8Array|ArrayBuffer)$/.test(typeNameOf(file))) return readSafetensors(file as Uint8Array, limits);
  const { tensors, metadata } = (file ?? {}) as Safetensors;
  if (tensors instanceof Map && isRecord(metadata)) return { tensors, metadata };
  throw unexpected("bytes", file, "a Uint8Array, an ArrayBuffer, or what readSafetensors returns");
}
