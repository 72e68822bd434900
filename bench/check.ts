/** Unit roundoff of float32. */
export const U = 2 ** -24;

/** γ: what `operations` roundings in a row can do to a result, relatively. */
export function gamma(operations: number): number {
  return (operations * U) / (1 - operations * U);
}

/** Throws unless two results have the same bits. */
export function checkSame(name: string, actual: Float32Array, expected: Float32Array): void {
  checkEach(name, actual, expected, () => 0);
}

/** Throws unless each element is within its bound of what is expected. */
export function checkWithin(name: string, actual: Float32Array, expected: Float32Array, bound: Float32Array): void {
  checkEach(name, actual, expected, (i) => bound[i]!);
}

function checkEach(name: string, actual: Float32Array, expected: Float32Array, bound: (index: number) => number): void {
  if (actual.length !== expected.length) {
    throw new Error(`${name}: ${actual.length} numbers, expected ${expected.length}`);
  }
  for (let i = 0; i < actual.length; i++) {
    // Not within the bound, rather than beyond it: NaN fails.
    if (!(Math.abs(actual[i]! - expected[i]!) <= bound(i))) {
      throw new Error(`${name}: element ${i} is ${actual[i]}, expected ${expected[i]} ± ${bound(i)}`);
    }
  }
}
