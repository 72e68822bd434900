import { cut, quote } from "../checks.js";
import { CheckpointError } from "../errors.js";
import type { Shape } from "../tensor.js";
import { bitsOf, DTYPE_NAMES } from "./dtypes.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

/** A tensor as the header describes it: where its bytes begin and end in the data. */
export interface HeaderEntry {
  name: string;
  dtype: string;
  shape: Shape;
  begin: number;
  end: number;
}

/** What a header says. */
export interface Header {
  readonly metadata: Record<string, string>;
  readonly entries: HeaderEntry[];
}

export const METADATA = "__metadata__";
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** The error of a file that is no safetensors file. */
export function damaged(what: string): CheckpointError {
  return new CheckpointError(`safetensors: ${what}`);
}

/**
 * Reads the header of a safetensors file. It knows this one form of JSON alone, and stops at the first byte that does not
 * belong to it: no object is made but of what the form has, and nothing is nested.
 */
export function readHeader(bytes: Uint8Array, maxTensors: number): Header {
  return new HeaderReader(bytes).read(maxTensors);
}

class HeaderReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(maxTensors: number): Header {
    const entries: HeaderEntry[] = [];
    let metadata: Record<string, string> = {};
    this.#object("the header", (key) => {
      if (key === METADATA) metadata = this.#null() ? {} : this.#strings();
      else if (entries.length < maxTensors) entries.push(this.#entry(key));
      else throw damaged(`the header has more than ${maxTensors} tensors, expected at most limits.tensors`);
    });
    this.#space();
    if (this.#at < this.#bytes.length) throw this.#wrong("the end of the header");
    return { metadata, entries };
  }

  #strings(): Record<string, string> {
    const members: [string, string][] = [];
    this.#object(METADATA, (key) => {
      if (this.#peek() !== '"') throw this.#wrong(`a string for ${quote(key)} of ${METADATA}`);
      members.push([key, this.#string()]);
    });
    // Not by assignment: "__proto__" is a name like any other.
    return Object.fromEntries(members);
  }

  #entry(name: string): HeaderEntry {
    const what = `tensor ${quote(name)}`;
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.#object(what, (key) => {
      if (key === "dtype") {
        if (this.#peek() !== '"') throw this.#wrong(`a string for the dtype of ${what}`);
        dtype = this.#string();
      } else if (key === "shape") shape = this.#integers(`the shape of ${what}`);
      else if (key === "data_offsets") offsets = this.#integers(`the data_offsets of ${what}`);
      else throw damaged(`${what} has the unknown field ${quote(key)}`);
    });
    if (dtype === undefined || shape === undefined || offsets === undefined) {
      const missing = dtype === undefined ? "dtype" : shape === undefined ? "shape" : "data_offsets";
      throw damaged(`${what} has no ${missing}`);
    }
    const bits = bitsOf(dtype);
    if (bits === undefined) {
      throw damaged(`${what} has the dtype ${quote(dtype)}, expected one of ${DTYPE_NAMES.join(", ")}`);
    }
    const [begin, end] = offsets as [number, number];
    if (offsets.length !== 2 || begin > end) {
      throw damaged(`${what} has the data_offsets [${cut(`${offsets}`)}], expected [begin, end]`);
    }
    checkSize(what, dtype, bits, shape, end - begin);
    return { name, dtype, shape, begin, end };
  }

  /** An object, whose members `read` reads, each key once. */
  #object(what: string, read: (key: string) => void): void {
    this.#expect("{", `{ for ${what}`);
    const keys = new Set<string>();
    if (this.#peek() === "}") {
      this.#at++;
      return;
    }
    for (;;) {
      if (this.#peek() !== '"') throw this.#wrong(`a key in quotes in ${what}`);
      const key = this.#string();
      if (keys.has(key)) throw damaged(`${what} has the key ${quote(key)} twice`);
      keys.add(key);
      this.#expect(":", '":"');
      this.#space();
      read(key);
      if (this.#peek() === "}") break;
      this.#expect(",", `"," or "}" in ${what}`);
    }
    this.#at++;
  }

  #integers(what: string): number[] {
    const values: number[] = [];
    this.#expect("[", `[ for ${what}`);
    if (this.#peek() !== "]") {
      for (;;) {
        values.push(this.#integer(what));
        if (this.#peek() === "]") break;
        this.#expect(",", `"," or "]" in ${what}`);
      }
    }
    this.#at++;
    return values;
  }

  #integer(what: string): number {
    this.#space();
    const start = this.#at;
    let value = 0;
    for (; this.#at < this.#bytes.length; this.#at++) {
      const digit = this.#bytes[this.#at]! - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const next = String.fromCharCode(this.#bytes[this.#at] ?? 0x20);
    const digits = this.#at - start;
    const isInteger = digits > 0 && (digits === 1 || this.#bytes[start] !== 0x30) && !/[.eE\d]/.test(next);
    if (isInteger && Number.isSafeInteger(value)) return value;
    this.#at = start;
    throw this.#wrong(`integers from 0 to 2^53 - 1 in ${what}`);
  }

  #string(): string {
    const bytes = this.#bytes;
    const start = ++this.#at;
    let isEscaped = false;
    for (; bytes[this.#at] !== 0x22; this.#at++) {
      if (bytes[this.#at] === 0x5c) {
        isEscaped = true;
        this.#at++;
      }
      if ((bytes[this.#at] ?? 0) < 0x20) throw this.#wrong("the end of a string");
    }
    const end = this.#at;
    const text = isEscaped ? this.#unescaped(start, end) : decodeUtf8(bytes, start, end);
    if (typeof text === "number") throw damaged(`the string at byte ${start} of the header is no UTF-8`);
    this.#at = end + 1;
    return text;
  }

  /** Bytes again, not pieces of text: a header of nothing but escapes costs no more than another. */
  #unescaped(start: number, end: number): string | number {
    const bytes = new Uint8Array(end - start);
    let length = 0;
    this.#at = start;
    while (this.#at < end) {
      const byte = this.#bytes[this.#at++]!;
      if (byte !== 0x5c) bytes[length++] = byte;
      else {
        const character = encodeUtf8(this.#escape())!;
        bytes.set(character, length);
        length += character.length;
      }
    }
    return decodeUtf8(bytes, 0, length);
  }

  /** The character that an escape is, after its backslash. Half a surrogate pair is no character. */
  #escape(): string {
    const letter = String.fromCharCode(this.#bytes[this.#at++]!);
    if (letter !== "u") {
      const character = ESCAPES[letter];
      if (character !== undefined) return character;
      this.#at--;
      throw this.#wrong("an escape of JSON");
    }
    const unit = this.#hex();
    if (unit < 0xd800 || unit >= 0xe000) return String.fromCharCode(unit);
    const isFollowed = this.#bytes[this.#at] === 0x5c && this.#bytes[this.#at + 1] === 0x75;
    if (unit < 0xdc00 && isFollowed) {
      this.#at += 2;
      const low = this.#hex();
      if (low >= 0xdc00 && low < 0xe000) return String.fromCharCode(unit, low);
    }
    throw this.#wrong("both halves of a surrogate pair");
  }

  #hex(): number {
    const text = String.fromCharCode(...this.#bytes.subarray(this.#at, this.#at + 4));
    if (!/^[\da-fA-F]{4}$/.test(text)) throw this.#wrong("four hexadecimal digits");
    this.#at += 4;
    return Number.parseInt(text, 16);
  }

  /** Whether `null` comes next, which is then passed. */
  #null(): boolean {
    const isNull = String.fromCharCode(...this.#bytes.subarray(this.#at, this.#at + 4)) === "null";
    if (isNull) this.#at += 4;
    return isNull;
  }

  /** The next character that is no space. */
  #peek(): string {
    this.#space();
    return String.fromCharCode(this.#bytes[this.#at] ?? 0);
  }

  #expect(character: string, what: string): void {
    if (this.#peek() !== character) throw this.#wrong(what);
    this.#at++;
  }

  #space(): void {
    for (; this.#at < this.#bytes.length; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    }
  }

  #wrong(expected: string): CheckpointError {
    const rest = this.#bytes.subarray(this.#at, this.#at + 12);
    const found = rest.length === 0 ? "the end" : quote(String.fromCharCode(...rest));
    return damaged(`byte ${this.#at} of the header is ${found}, expected ${expected}`);
  }
}

/** Throws CheckpointError unless `byteLength` is what dtype and shape need. */
function checkSize(what: string, dtype: string, bits: number, shape: Shape, byteLength: number): void {
  let elements = 1;
  let largest = 0;
  // As the reference does: dimensions before a 0 may overflow, those after it do not.
  for (const dimension of shape) {
    elements *= dimension;
    largest = Math.max(largest, elements);
  }
  if (largest >= 2 ** 64) throw damaged(`${what} has the shape [${cut(`${shape}`)}], which is too large`);
  const size = (elements * bits) / 8;
  if (Number.isInteger(size) && size === byteLength) return;
  throw damaged(`${what} has ${byteLength} bytes, expected ${size} for ${dtype} [${cut(`${shape}`)}]`);
}
