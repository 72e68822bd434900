import { describe, quote } from "../checks.js";
import { CheckpointError, OptionError } from "../errors.js";
import { isRecord } from "../optim/parameters.js";
import { dtypeOf, type StoredData } from "./dtypes.js";
import type { StoredTensor, TensorSource } from "./safetensors.js";

/** Plain data as JSON has it. `null` is an array, stored as the tensor of that path; see `pack` for `{ "$": … }`. */
export type Packed = { [key: string]: Packed } | Packed[] | number | string | boolean | null;

/** How deep plain data may be nested. */
const DEPTH = 32;
/** The key of what JSON has no word for. */
const MARK = "$";
const SPECIAL: readonly (readonly [word: string, value: unknown])[] = [
  ["null", null],
  ["undefined", undefined],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["-0", -0],
];

/**
 * Turns plain data into JSON and tensors: numbers, strings, booleans, null, undefined, bigints, typed arrays, and lists
 * and records of them. Typed arrays go into `tensors`, under their path. What JSON has no word for, such as NaN and −0,
 * becomes `{ "$": "NaN" }`, a bigint `{ "$": "12n" }`; keys that begin with `$` get one more.
 *
 * @throws OptionError with the path of what is no plain data
 */
export function pack(value: unknown, path: string, tensors: Map<string, TensorSource>, depth = 0): Packed {
  if (depth > DEPTH) throw new OptionError(`${path} is nested deeper than ${DEPTH} times`);
  const special = SPECIAL.find((entry) => Object.is(entry[1], value));
  if (special) return { [MARK]: special[0] };
  if (typeof value === "number" || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return { [MARK]: `${value}n` };
  if (dtypeOf(value) !== undefined) {
    if (tensors.has(path)) throw new OptionError(`two arrays would both be stored as ${quote(path)}`);
    const data = value as StoredData;
    tensors.set(path, { shape: [data.length], data });
    return null;
  }
  if (Array.isArray(value)) return value.map((member, i) => pack(member, join(path, `${i}`), tensors, depth + 1));
  if (!isRecord(value)) throw new OptionError(`${path} is ${describe(value)}, expected plain data`);
  // Not by assignment: "__proto__" is a name like any other.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [
        key.startsWith(MARK) ? MARK + key : key,
        pack(member, join(path, key), tensors, depth + 1),
      ]),
  );
}

/**
 * The reverse: takes the arrays out of `tensors`. `marked`: whether `{ "$": … }` has a meaning.
 *
 * @throws CheckpointError for an array that is missing, and for a mark without a meaning
 */
export function unpack(value: Packed, path: string, tensors: Map<string, StoredTensor>, marked: boolean): unknown {
  if (value === null) {
    const stored = tensors.get(path);
    if (stored === undefined) throw new CheckpointError(`${quote(path)} is missing`);
    tensors.delete(path);
    return stored.data;
  }
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((member, i) => unpack(member, join(path, `${i}`), tensors, marked));
  if (marked && Object.hasOwn(value, MARK)) return unmark(value[MARK], path);
  const members = Object.entries(value).map(([written, member]) => {
    const key = marked && written.startsWith(MARK) ? written.slice(MARK.length) : written;
    return [key, unpack(member, join(path, key), tensors, marked)] as const;
  });
  return Object.fromEntries(members);
}

/** The paths of the arrays of packed data. */
export function arraysOf(value: Packed, path: string): string[] {
  if (value === null) return [path];
  if (typeof value !== "object" || Object.hasOwn(value, MARK)) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    arraysOf(member, join(path, key.startsWith(MARK) ? key.slice(MARK.length) : key)),
  );
}

function unmark(word: Packed | undefined, path: string): unknown {
  const special = SPECIAL.find((entry) => entry[0] === word);
  if (special) return special[1];
  if (typeof word === "string" && /^-?\d{1,1000}n$/.test(word)) return BigInt(word.slice(0, -1));
  throw new CheckpointError(`${quote(path)} is marked as ${describe(word)}, which this version does not know`);
}

function join(path: string, key: string): string {
  return `${path}/${key}`;
}
