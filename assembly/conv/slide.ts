import { add, loadLanes, loadSecond, mul, pmax, splat, storeLanes, storeSecond } from "../simd";

/**
 * out[i] = max(start[i] + Σ x[i + p]·w[p] + bias, floor) for i = 0, 1, 2, of `nv` (1 or 2, a constant) Ts of channels: a
 * window over a row slides by one element of x, so each is loaded once for three sums. `rows` such sums one after the
 * other, of n >= 1 terms. Three pixels of y with the taps of a row as terms; or three taps of dw with its pixels.
 *
 * Registers: 6 sums, 6 of x, 2 of w. Memory: all steps in bytes; `start` and `bias` are absent where they are 0: +0, and
 * −0 as bias. Touches: n + 2 elements of x, n of w in each row. Numerics: a sum adds its terms in the order of rows, then p.
 */
// @ts-ignore: decorator
@inline export function slide<T>(
  nv: usize, rows: i32, n: i32, x: usize, xRow: usize, xStep: usize, w: usize, wRow: usize, wStep: usize,
  start: usize, bias: usize, floor: f32, out: usize, outStep: usize,
): void {
  let s00 = splat<T>(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
  if (start) {
    s00 = loadLanes<T>(start);
    if (nv > 1) s01 = loadSecond<T>(start);
    s10 = loadLanes<T>(start + outStep);
    if (nv > 1) s11 = loadSecond<T>(start + outStep);
    s20 = loadLanes<T>(start + outStep * 2);
    if (nv > 1) s21 = loadSecond<T>(start + outStep * 2);
  }
  for (; rows > 0; rows--, x += xRow, w += wRow) {
    let at = x;
    let wAt = w;
    let x00 = loadLanes<T>(at);
    let x01 = nv > 1 ? loadSecond<T>(at) : x00;
    at += xStep;
    let x10 = loadLanes<T>(at);
    let x11 = nv > 1 ? loadSecond<T>(at) : x10;
    for (let p = n; p; p--) {
      at += xStep;
      const x20 = loadLanes<T>(at);
      const x21 = nv > 1 ? loadSecond<T>(at) : x20;
      const w0 = loadLanes<T>(wAt);
      const w1 = nv > 1 ? loadSecond<T>(wAt) : w0;
      wAt += wStep;
      s00 = add<T>(s00, mul<T>(x00, w0));
      if (nv > 1) s01 = add<T>(s01, mul<T>(x01, w1));
      s10 = add<T>(s10, mul<T>(x10, w0));
      if (nv > 1) s11 = add<T>(s11, mul<T>(x11, w1));
      s20 = add<T>(s20, mul<T>(x20, w0));
      if (nv > 1) s21 = add<T>(s21, mul<T>(x21, w1));
      x00 = x10;
      if (nv > 1) x01 = x11;
      x10 = x20;
      if (nv > 1) x11 = x21;
    }
  }
  let b0 = splat<T>(-0.0), b1 = b0;
  if (bias) {
    b0 = loadLanes<T>(bias);
    if (nv > 1) b1 = loadSecond<T>(bias);
  }
  const low = splat<T>(floor);
  storePixel<T>(nv, out, s00, s01, b0, b1, low);
  storePixel<T>(nv, out + outStep, s10, s11, b0, b1, low);
  storePixel<T>(nv, out + outStep * 2, s20, s21, b0, b1, low);
}

/** Stores max(sum + bias, low) of `nv` Ts of channels. */
// @ts-ignore: decorator
@inline export function storePixel<T>(nv: usize, out: usize, s0: T, s1: T, b0: T, b1: T, low: T): void {
  storeLanes<T>(out, pmax<T>(add<T>(s0, b0), low));
  if (nv > 1) storeSecond<T>(out, pmax<T>(add<T>(s1, b1), low));
}
