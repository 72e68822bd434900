import { OptionError } from "./errors.js";

/** Characters of a string that a message quotes. */
const QUOTED = 60;

/** A value as an error message shows it: short, and with its type where the value alone would mislead. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "bigint":
      return `${value}n`.length > QUOTED ? "a bigint" : `${value}n`;
    case "function":
      return value.name === "" ? "a function" : `function ${value.name}`;
    case "object":
      return value === null ? "null" : describeObject(value);
    default:
      return cut(String(value));
  }
}

function describeObject(value: object): string {
  try {
    const name = value.constructor?.name;
    if (typeof name !== "string" || name === "") return "object";
    if (Array.isArray(value)) return `Array(${value.length})`;
    if (!ArrayBuffer.isView(value)) return cut(name); // of a file, it may be anything
    const { length } = value as unknown as ArrayLike<unknown>;
    return length === undefined ? `${name}(${value.byteLength} bytes)` : `${name}(${length})`;
  } catch {
    return "object"; // a proxy or getter that throws
  }
}

/** As much of a text as a message quotes. */
export function cut(text: string, length = QUOTED): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** A text in quotes, cut. */
export function quote(text: string): string {
  return JSON.stringify(cut(text));
}

/** Names as a message lists them: the first ten, and how many more there are. */
export function listOf(names: Iterable<string>): string {
  const all = [...names];
  const shown = all
    .slice(0, 10)
    .map((name) => cut(name))
    .join(", ");
  return all.length > 10 ? `${shown} and ${all.length - 10} more` : shown;
}

/** The error of an argument that is not what it should be: its name, what it was, and what was expected. */
export function unexpected(name: string, value: unknown, expected: string): OptionError {
  return new OptionError(`${name} is ${describe(value)}, expected ${expected}${ofAnotherCopy(value, expected)}`);
}

/** What to add if the value is what was expected, but of another copy of the package. */
function ofAnotherCopy(value: unknown, expected: string): string {
  if (typeof value !== "object" || value === null) return "";
  const name = classOf(value);
  if (typeof name !== "string" || !expected.split(/\W+/).includes(name)) return "";
  return `: this ${name} is from another copy of lanewise, which is installed or bundled twice`;
}

function classOf(value: object): unknown {
  try {
    return (value as { lanewiseClass?: unknown }).lanewiseClass;
  } catch {
    return undefined; // a proxy or getter that throws
  }
}

/**
 * "[object Float32Array]" for one of any realm: `instanceof` fails for values from another one (node:vm, iframes). As it
 * is: a slice of it would be an allocation in each step.
 */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}

/** Float32Array of any realm. */
export function isFloat32Array(value: unknown): value is Float32Array {
  return tagOf(value) === "[object Float32Array]";
}

/** Any typed array of numbers (not BigInt), of any realm. */
export function isNumericArray(value: unknown): value is ArrayLike<number> {
  if (Array.isArray(value)) return true;
  return ArrayBuffer.isView(value) && /^\[object (?!Big|DataView).*Array\]$/.test(tagOf(value));
}

/** Whether a view has lost its buffer: Wasm memory that grows leaves the views of it without elements. */
export function isDetached(value: unknown): boolean {
  if (!ArrayBuffer.isView(value) || value.byteLength > 0) return false;
  try {
    new Uint8Array(value.buffer);
    return false;
  } catch {
    return true;
  }
}

/** The error of a view that has lost its buffer. */
export function detached(name: string): OptionError {
  return new OptionError(`${name} is a view of memory that has grown since: pass the tensor, or read its data again`);
}

/** Throws OptionError unless `value` is an array or typed array of numbers that still has its elements. */
export function checkNumericArray(name: string, value: unknown, expected: string): void {
  if (!isNumericArray(value)) throw unexpected(name, value, expected);
  if (isDetached(value)) throw detached(name);
}

/** Throws OptionError unless `value` is a number in [low, high]; NaN never is. */
export function checkNumber(name: string, value: unknown, low: number, high: number): void {
  checkRange(name, value, typeof value === "number", "a number", low, high);
}

/** Throws OptionError unless `value` is a number in [low, ∞) that is finite in float32 too. */
export function checkFinite(name: string, value: unknown, low: number): void {
  const isKind = typeof value === "number" && Number.isFinite(Math.fround(value));
  checkRange(name, value, isKind, "a finite number", low);
}

/** Throws OptionError unless `value` is an integer in [low, high]. */
export function checkInteger(name: string, value: unknown, low: number, high?: number): void {
  checkRange(name, value, Number.isInteger(value), "an integer", low, high);
}

function checkRange(name: string, value: unknown, isKind: boolean, kind: string, low: number, high?: number): void {
  if (isKind && typeof value === "number" && value >= low && value <= (high ?? value)) return;
  throw unexpected(name, value, `${kind} ${high === undefined ? `>= ${low}` : `from ${low} to ${high}`}`);
}

/** Throws OptionError unless `value` is true or false. */
export function checkBoolean(name: string, value: unknown): void {
  if (typeof value === "boolean") return;
  throw unexpected(name, value, "true or false");
}

/** Throws OptionError unless `value` is a function. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw unexpected(name, value, "a function");
}

/** Throws OptionError unless `value` is undefined or an AbortSignal, of any realm. */
export function checkSignal(name: string, value: unknown): void {
  if (value === undefined || typeof (value as AbortSignal | null)?.throwIfAborted === "function") return;
  throw unexpected(name, value, "an AbortSignal");
}

/** Throws OptionError unless `value` is one of `choices`. */
export function checkChoice(name: string, value: unknown, choices: readonly string[]): void {
  if (typeof value === "string" && choices.includes(value)) return;
  throw unexpected(name, value, `one of ${choices.map((c) => `"${c}"`).join(", ")}`);
}

/** What other libraries call options. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  lr: ["learningRate"],
  rho: ["decay"],
  alpha: ["decay"],
  beta: ["momentum", "beta1"],
  epsilon: ["eps"],
  wd: ["weightDecay"],
  clipnorm: ["clipNorm"],
  clipvalue: ["clipValue"],
  globalclipnorm: ["globalClipNorm"],
  usenesterov: ["nesterov"],
};

/** The known name that a key is likely to mean: in other letters, of another library, or one letter off. */
function meantBy(key: string, known: readonly string[]): string | undefined {
  const plain = key.replace(/[_-]/g, "").toLowerCase();
  return (
    known.find((name) => name.toLowerCase() === plain) ??
    SYNONYMS[plain]?.find((name) => known.includes(name)) ??
    known.find((name) => isNear(name.toLowerCase(), plain))
  );
}

/** Whether two words differ by one letter that is wrong, missing, too many, or two that changed places. */
function isNear(a: string, b: string): boolean {
  if (Math.min(a.length, b.length) < 3) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  const swapped = restA.length > 1 && restA[1]! + restA[0] + restA.slice(2) === restB;
  return swapped || restA.slice(1) === restB.slice(1) || restA.slice(1) === restB || restA === restB.slice(1);
}

/** Throws OptionError unless `value` is an object whose every key is known; a misspelt option is not ignored. Allocates nothing. */
export function checkKeys(name: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw unexpected(name, value, `an object${known.length > 6 ? "" : ` { ${known.join(", ")} }`}`);
  }
  for (const key in value) {
    if (known.includes(key)) continue;
    const meant = meantBy(key, known);
    const advice = meant === undefined ? "" : `, did you mean ${meant}?`;
    const found = describe(value);
    const instance = /^object$/i.test(found) ? "" : ` (${name} is ${found})`;
    throw new OptionError(`${name}.${key} is not an option${advice}${instance}; known are ${known.join(", ")}`);
  }
}
