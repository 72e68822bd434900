/** What a hostile getter or trap throws: the caller's own error, which the API hands on as it is. */
export class OwnError extends Error {}

const throwing = (): never => {
  throw new OwnError("a trap of the caller's");
};

/** A proxy every trap of which throws. */
function trapped(target: object): object {
  const traps = ["get", "has", "ownKeys", "getPrototypeOf", "getOwnPropertyDescriptor", "set", "defineProperty"];
  return new Proxy(target, Object.fromEntries(traps.map((trap) => [trap, throwing])));
}

function detachedArray(): Float32Array {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** Values that no argument expects in their place, or nearly none, by name; made anew for each call. */
export const hostile: readonly (readonly [name: string, make: () => unknown])[] = [
  ["undefined", () => undefined],
  ["null", () => null],
  ["true", () => true],
  ["NaN", () => Number.NaN],
  ["-1", () => -1],
  ["-0", () => -0],
  ["0.5", () => 0.5],
  ["Infinity", () => Number.POSITIVE_INFINITY],
  ["2 ** 53", () => 2 ** 53],
  ["2 ** 32", () => 2 ** 32],
  ["1e300", () => 1e300],
  ["1n", () => 1n],
  ["a Symbol", () => Symbol("hostile")],
  ["an empty string", () => ""],
  ["a string of 100,000 characters", () => "x".repeat(100_000)],
  ["__proto__", () => "__proto__"],
  ["{}", () => ({})],
  ["Object.create(null)", () => Object.create(null)],
  ["an object with __proto__ as key", () => JSON.parse('{"__proto__": 1, "constructor": 2}')],
  ["a proxy that throws", () => trapped({})],
  ["a proxy of an array that throws", () => trapped([])],
  ["a revoked proxy", () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; }],
  ["an object that throws when it is a string", () => ({ toString: throwing, valueOf: throwing, toJSON: throwing })],
  ["an object with a length that throws", () => ({ get length() { return throwing(); } })],
  ["[]", () => []],
  ["[[]]", () => [[]]],
  ["an array of Symbols", () => [Symbol("a"), Symbol("b")]],
  ["an array of bigints", () => [1n, 2n]],
  ["an array of strings", () => ["1", "2"]],
  ["an array of nulls", () => [null, null]],
  ["a sparse array", () => new Array(3)],
  ["an array that is itself an element", () => { const a: unknown[] = []; a.push(a); return a; }],
  ["an array of 10 ** 5 zeros", () => new Array(100_000).fill(0)],
  ["a detached array", detachedArray],
  ["an empty Float32Array", () => new Float32Array(0)],
  ["a BigInt64Array", () => new BigInt64Array(2)],
  ["a DataView", () => new DataView(new ArrayBuffer(8))],
  ["an ArrayBuffer", () => new ArrayBuffer(8)],
  ["a function", () => () => undefined],
  ["a function that returns a bigint", () => () => 1n],
  ["a class", () => class {}],
  ["a promise", () => Promise.resolve(1)],
  ["a Map", () => new Map([["a", 1]])],
  ["a Date", () => new Date(Number.NaN)],
  ["globalThis", () => globalThis],
]; // biome-ignore format: a line for each value
