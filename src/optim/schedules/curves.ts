// Learning rates as functions of the iteration, counted from 0. All arithmetic is float64 and of IEEE operations alone,
// so an iteration has the same learning rate on every machine.

/** On a straight line from one value to the other while `part` is less than 1. */
export function line(from: number, to: number, part: number): number {
  return part < 1 ? from + (to - from) * part : to;
}

/** Half a cosine: `from` where `part` is 0, `to` from 1 on. */
export function cosine(from: number, to: number, part: number): number {
  return part < 1 ? to + (from - to) * ((1 + cosPi(part)) / 2) : to;
}

/**
 * cos(π·x) for x from 0 to 1, at most 5e-16 off. x is brought to 0 to 1/4 exactly, where the Taylor series of sine and
 * cosine end below 1e-17; Math.cos differs between engines. @internal
 */
export function cosPi(x: number): number {
  if (x > 0.5) return -cosPi(1 - x);
  const isSine = x > 0.25; // sin(π·(1/2 − x)) is near 0 where cos(π·x) is
  const z = Math.PI * (isSine ? 0.5 - x : x);
  let sum = 1;
  for (let k = isSine ? 17 : 18; k > 1; k -= 2) sum = 1 - (sum * z * z) / (k * (k - 1));
  return isSine ? z * sum : sum;
}
