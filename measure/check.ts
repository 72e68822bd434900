/** Unit roundoff of float32. */
export const U = 2 ** -24;

/** γ: what `operations` roundings in a row can do to a result, relatively. */
export function gamma(operations: number): number {
  return (operations * U) / (1 - operations * U);
}

/** Throws unless two results have the same bits; one NaN is as good as another. */
export function checkSame(name: string, actual: Float32Array, expected: Float32Array): void {
  checkEach(name, actual, expected, (a, b) => Object.is(a, b));
}

/** Throws unless each element is within its bound of what is expected. */
export function checkWithin(name: string, actual: Float32Array, expected: Float32Array, bound: Float32Array): void {
  // Not within the bound, rather than beyond it: NaN fails.
  checkEach(name, actual, expected, (a, b, i) => Math.abs(a - b) <= bound[i]!);
}

function checkEach(
  name: string,
  actual: Float32Array,
  expected: Float32Array,
  right: (actual: number, expected: number, index: number) => boolean,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${name}: ${actual.length} numbers, expected ${expected.length}`);
  }
  const wrong = actual.findIndex((value, i) => !right(value, expected[i]!, i));
  if (wrong !== -1) throw new Error(`${name}: element ${wrong} is ${actual[wrong]}, expected ${expected[wrong]}`);
}
