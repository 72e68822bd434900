/** Eight float64 partial sums, numbered from `at` on, joined as assembly/sums.ts joins them. */
export function joinPartialSums(s: Float64Array, at = 0): number {
  return s[at]! + s[at + 2]! + (s[at + 4]! + s[at + 6]!) + (s[at + 1]! + s[at + 3]! + (s[at + 5]! + s[at + 7]!));
}

const partial = /* @__PURE__ */ new Float64Array(8);

/**
 * Σ of `count` addends in float64: addend i of the whole eights goes to partial sum i mod 8, these are joined, the rest
 * is added one by one.
 */
export function sumOfRun(count: number, addend: (i: number) => number): number {
  partial.fill(0);
  const whole = count - (count % 8);
  for (let i = 0; i < whole; i++) partial[i % 8]! += addend(i);
  let sum = joinPartialSums(partial);
  for (let i = whole; i < count; i++) sum += addend(i);
  return sum;
}
