// Normalization of each column of x [rows, columns] over the rows: eight columns at a time, then four, then one.

import { demote, promoteHigh } from "../double";
import { add, loadLanes, mul, splat, storeLanes, sub } from "../simd";
import { addHigh, addLow } from "../sums";
import {
  addHighProducts, addHighSquares, addLowProducts, addLowSquares, reciprocalDeviation, standardize, varianceFrom,
} from "./normalize";

/** ptr + offset, unless nothing is there. */
// @ts-ignore: decorator
@inline function present(ptr: usize, offset: usize): usize {
  return ptr ? ptr + offset : 0;
}

/** A vector of factors or summands; `absent` where there is none. */
// @ts-ignore: decorator
@inline function loadOr<T>(ptr: usize, absent: f32): T {
  return ptr ? loadLanes<T>(ptr) : splat<T>(absent);
}

/** old ← kept·old + taken·value, unless there is none. */
// @ts-ignore: decorator
@inline function blend<T>(ptr: usize, kept: f32, taken: f32, value: T): void {
  if (ptr) storeLanes<T>(ptr, add<T>(mul<T>(splat<T>(kept), loadLanes<T>(ptr)), mul<T>(splat<T>(taken), value)));
}

/** variance · this is what the moving variance takes. */
// @ts-ignore: decorator
@inline function movingFactor(rows: usize, unbiased: bool): f64 {
  return unbiased && rows > 1 ? <f64>rows / <f64>(rows - 1) : 1;
}

/** From the mean of four columns, and the mean of their squared distances from `c`: stores the statistics, gives rstd. */
// @ts-ignore: decorator
@inline function finish4(
  factor: f64, eps: f64, kept: f32, taken: f32, c: v128, meanLow: v128, meanHigh: v128, low: v128, high: v128,
  mean: usize, rstd: usize, movingMean: usize, movingVariance: usize,
): v128 {
  const zero = f64x2.splat(0);
  const dLow = f64x2.sub(meanLow, f64x2.promote_low_f32x4(c));
  const dHigh = f64x2.sub(meanHigh, promoteHigh(c));
  const varianceLow = f64x2.max(f64x2.sub(low, f64x2.mul(dLow, dLow)), zero);
  const varianceHigh = f64x2.max(f64x2.sub(high, f64x2.mul(dHigh, dHigh)), zero);
  const one = f64x2.splat(1), epsilon = f64x2.splat(eps);
  const r = demote(
    f64x2.div(one, f64x2.sqrt(f64x2.add(varianceLow, epsilon))),
    f64x2.div(one, f64x2.sqrt(f64x2.add(varianceHigh, epsilon))),
  );
  v128.store(mean, c);
  v128.store(rstd, r);
  blend<v128>(movingMean, kept, taken, c);
  if (movingVariance) {
    const factors = f64x2.splat(factor);
    blend<v128>(
      movingVariance, kept, taken, demote(f64x2.mul(varianceLow, factors), f64x2.mul(varianceHigh, factors)),
    );
  }
  return r;
}

/** Eight neighboring columns, or four unless `pair`, which is a constant: their statistics, then their rows. */
// @ts-ignore: decorator
@inline function normalize4(
  pair: bool, rows: usize, stride: usize, eps: f64, kept: f32, taken: f32, factor: f64,
  x: usize, gamma: usize, beta: usize, y: usize, mean: usize, rstd: usize, movingMean: usize, movingVariance: usize,
): void {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let at = x;
  for (let row = rows; row; row--, at += stride) {
    const x0 = v128.load(at);
    s0 = addLow(s0, x0);
    s1 = addHigh(s1, x0);
    if (pair) {
      const x1 = v128.load(at, 16);
      s2 = addLow(s2, x1);
      s3 = addHigh(s3, x1);
    }
  }
  const counts = f64x2.splat(<f64>rows);
  s0 = f64x2.div(s0, counts);
  s1 = f64x2.div(s1, counts);
  s2 = f64x2.div(s2, counts);
  s3 = f64x2.div(s3, counts);
  const c0 = demote(s0, s1);
  const c1 = demote(s2, s3);
  let q0 = f64x2.splat(0), q1 = q0, q2 = q0, q3 = q0;
  at = x;
  for (let row = rows; row; row--, at += stride) {
    const d0 = f32x4.sub(v128.load(at), c0);
    q0 = addLowSquares(q0, d0);
    q1 = addHighSquares(q1, d0);
    if (pair) {
      const d1 = f32x4.sub(v128.load(at, 16), c1);
      q2 = addLowSquares(q2, d1);
      q3 = addHighSquares(q3, d1);
    }
  }
  const r0 = finish4(
    factor, eps, kept, taken, c0, s0, s1, f64x2.div(q0, counts), f64x2.div(q1, counts),
    mean, rstd, movingMean, movingVariance,
  );
  const r1 = pair
    ? finish4(
      factor, eps, kept, taken, c1, s2, s3, f64x2.div(q2, counts), f64x2.div(q3, counts),
      mean + 16, rstd + 16, present(movingMean, 16), present(movingVariance, 16),
    )
    : r0;
  scale4(pair, rows, stride, x, c0, c1, r0, r1, gamma, beta, y);
}

/** y = (x − c)·(r·gamma) + beta down the rows of eight columns, or of four. */
// @ts-ignore: decorator
@inline function scale4(
  pair: bool, rows: usize, stride: usize, x: usize, c0: v128, c1: v128, r0: v128, r1: v128,
  gamma: usize, beta: usize, y: usize,
): void {
  const scale0 = f32x4.mul(r0, loadOr<v128>(gamma, 1));
  const scale1 = pair ? f32x4.mul(r1, loadOr<v128>(present(gamma, 16), 1)) : scale0;
  const beta0 = loadOr<v128>(beta, -0.0);
  const beta1 = pair ? loadOr<v128>(present(beta, 16), -0.0) : beta0;
  for (; rows; rows--, x += stride, y += stride) {
    const x0 = v128.load(x);
    if (pair) {
      const x1 = v128.load(x, 16);
      v128.store(y, f32x4.add(standardize<v128>(x0, c0, scale0), beta0));
      v128.store(y, f32x4.add(standardize<v128>(x1, c1, scale1), beta1), 16);
    } else v128.store(y, f32x4.add(standardize<v128>(x0, c0, scale0), beta0));
  }
}

/** One column. */
function normalize1(
  rows: usize, stride: usize, eps: f64, kept: f32, taken: f32, factor: f64,
  x: usize, gamma: usize, beta: usize, y: usize, mean: usize, rstd: usize, movingMean: usize, movingVariance: usize,
): void {
  let sum: f64 = 0;
  let at = x;
  for (let row = rows; row; row--, at += stride) sum += <f64>load<f32>(at);
  const exact = sum / <f64>rows;
  const c = <f32>exact;
  let squares: f64 = 0;
  at = x;
  for (let row = rows; row; row--, at += stride) {
    const d = <f64>(load<f32>(at) - c);
    squares += d * d;
  }
  const variance = varianceFrom(squares / <f64>rows, exact - <f64>c);
  const r = reciprocalDeviation(variance, eps);
  store<f32>(mean, c);
  store<f32>(rstd, r);
  blend<f32>(movingMean, kept, taken, c);
  blend<f32>(movingVariance, kept, taken, <f32>(variance * factor));
  scale1(rows, stride, x, c, r, gamma, beta, y);
}

function scale1(
  rows: usize, stride: usize, x: usize, c: f32, r: f32, gamma: usize, beta: usize, y: usize,
): void {
  const scale = r * loadOr<f32>(gamma, 1);
  const shift = loadOr<f32>(beta, -0.0);
  for (; rows; rows--, x += stride, y += stride) store<f32>(y, standardize<f32>(load<f32>(x), c, scale) + shift);
}

/**
 * Training: y = (x − mean)·(rstd·gamma) + beta for each column of x [rows, columns], with mean and variance of the column
 * and rstd = 1/√(variance + eps). Stores mean and rstd, and, unless they are 0, moves movingMean ← kept·movingMean +
 * taken·mean, and movingVariance alike; its variance is divided by rows − 1 if `unbiased`, by rows otherwise.
 *
 * Memory: rows are `stride` elements apart. gamma and beta may be 0: absent. `yPtr` may equal `xPtr`.
 * Numerics: the sums of x and of (x − c)², c the mean rounded to float32, are in float64, rows in ascending order;
 * x − c is rounded to float32. So the variance has a relative error of 2·2⁻²⁴ at most, however large the mean is beside
 * it, rstd is within 1.5 ulp, and |error of y| ≤ (4·|y − beta| + |y| + |mean·rstd·gamma|)·2⁻²⁴.
 * No rows: nothing is written.
 */
export function batch_norm_f32(
  rows: usize, columns: usize, stride: usize, eps: f32, kept: f32, taken: f32, unbiased: bool,
  xPtr: usize, gammaPtr: usize, betaPtr: usize, yPtr: usize, meanPtr: usize, rstdPtr: usize,
  movingMeanPtr: usize, movingVariancePtr: usize,
): void {
  assert(!((xPtr | gammaPtr | betaPtr | yPtr | meanPtr | rstdPtr) & 3), "operands are 4-byte aligned");
  assert(stride >= columns, "the stride has room for a row");
  if (!rows) return;
  const factor = movingFactor(rows, unbiased);
  stride <<= 2;
  let j: usize = 0;
  for (; columns - j >= 8; j += 8) {
    const at = j << 2;
    normalize4(
      true, rows, stride, eps, kept, taken, factor, xPtr + at, present(gammaPtr, at), present(betaPtr, at), yPtr + at,
      meanPtr + at, rstdPtr + at, present(movingMeanPtr, at), present(movingVariancePtr, at),
    );
  }
  for (; columns - j >= 4; j += 4) {
    const at = j << 2;
    normalize4(
      false, rows, stride, eps, kept, taken, factor, xPtr + at, present(gammaPtr, at), present(betaPtr, at), yPtr + at,
      meanPtr + at, rstdPtr + at, present(movingMeanPtr, at), present(movingVariancePtr, at),
    );
  }
  for (; j < columns; j++) {
    const at = j << 2;
    normalize1(
      rows, stride, eps, kept, taken, factor, xPtr + at, present(gammaPtr, at), present(betaPtr, at), yPtr + at,
      meanPtr + at, rstdPtr + at, present(movingMeanPtr, at), present(movingVariancePtr, at),
    );
  }
}

/**
 * Inference: y = (x − mean)·(gamma/√(variance + eps)) + beta, with a mean and a variance for each column. gamma and beta
 * may be 0: absent. Stores rstd = 1/√(variance + eps) for the gradient, unless `rstdPtr` is 0. `yPtr` may equal `xPtr`.
 */
export function batch_norm_inference_f32(
  rows: usize, columns: usize, stride: usize, eps: f32,
  xPtr: usize, gammaPtr: usize, betaPtr: usize, meanPtr: usize, variancePtr: usize, yPtr: usize, rstdPtr: usize,
): void {
  assert(!((xPtr | gammaPtr | betaPtr | meanPtr | variancePtr | yPtr | rstdPtr) & 3), "operands are 4-byte aligned");
  assert(stride >= columns, "the stride has room for a row");
  stride <<= 2;
  const one = f64x2.splat(1), epsilon = f64x2.splat(eps);
  for (; columns >= 4; columns -= 4) {
    const variance = v128.load(variancePtr);
    const r = demote(
      f64x2.div(one, f64x2.sqrt(addLow(epsilon, variance))), f64x2.div(one, f64x2.sqrt(addHigh(epsilon, variance))),
    );
    const c = v128.load(meanPtr);
    if (rstdPtr) v128.store(rstdPtr, r);
    rstdPtr = present(rstdPtr, 16);
    scale4(false, rows, stride, xPtr, c, c, r, r, gammaPtr, betaPtr, yPtr);
    xPtr += 16;
    gammaPtr = present(gammaPtr, 16);
    betaPtr = present(betaPtr, 16);
    meanPtr += 16;
    variancePtr += 16;
    yPtr += 16;
  }
  for (; columns; columns--) {
    const r = reciprocalDeviation(<f64>load<f32>(variancePtr), <f64>eps);
    if (rstdPtr) store<f32>(rstdPtr, r);
    rstdPtr = present(rstdPtr, 4);
    scale1(rows, stride, xPtr, load<f32>(meanPtr), r, gammaPtr, betaPtr, yPtr);
    xPtr += 4;
    gammaPtr = present(gammaPtr, 4);
    betaPtr = present(betaPtr, 4);
    meanPtr += 4;
    variancePtr += 4;
    yPtr += 4;
  }
}

/** dx = (r·gamma)·((dy − a) − x̂·b), with a and b the means of dy and of dy·x̂. */
// @ts-ignore: decorator
@inline function inputGradient<T>(x: T, dy: T, c: T, r: T, scale: T, a: T, b: T): T {
  return mul<T>(scale, sub<T>(sub<T>(dy, a), mul<T>(standardize<T>(x, c, r), b)));
}

// @ts-ignore: decorator
@inline function backward4(
  pair: bool, fixed: bool, rows: usize, stride: usize, x: usize, dy: usize, gamma: usize, mean: usize, rstd: usize,
  dx: usize, dgamma: usize, dbeta: usize,
): void {
  const c0 = v128.load(mean), r0 = v128.load(rstd);
  const c1 = pair ? v128.load(mean, 16) : c0;
  const r1 = pair ? v128.load(rstd, 16) : r0;
  let a0 = f64x2.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  let xi = x, dyi = dy;
  for (let row = rows; row; row--, xi += stride, dyi += stride) {
    const dy0 = v128.load(dyi);
    const hat0 = standardize<v128>(v128.load(xi), c0, r0);
    a0 = addLow(a0, dy0);
    a1 = addHigh(a1, dy0);
    b0 = addLowProducts(b0, dy0, hat0);
    b1 = addHighProducts(b1, dy0, hat0);
    if (pair) {
      const dy1 = v128.load(dyi, 16);
      const hat1 = standardize<v128>(v128.load(xi, 16), c1, r1);
      a2 = addLow(a2, dy1);
      a3 = addHigh(a3, dy1);
      b2 = addLowProducts(b2, dy1, hat1);
      b3 = addHighProducts(b3, dy1, hat1);
    }
  }
  if (dbeta) v128.store(dbeta, demote(a0, a1));
  if (dgamma) v128.store(dgamma, demote(b0, b1));
  if (pair) {
    if (dbeta) v128.store(dbeta, demote(a2, a3), 16);
    if (dgamma) v128.store(dgamma, demote(b2, b3), 16);
  }
  if (!dx) return;
  const counts = f64x2.splat(fixed ? Infinity : <f64>rows); // what is fixed does not depend on x
  const meanA0 = demote(f64x2.div(a0, counts), f64x2.div(a1, counts));
  const meanB0 = demote(f64x2.div(b0, counts), f64x2.div(b1, counts));
  const meanA1 = demote(f64x2.div(a2, counts), f64x2.div(a3, counts));
  const meanB1 = demote(f64x2.div(b2, counts), f64x2.div(b3, counts));
  const scale0 = f32x4.mul(r0, loadOr<v128>(gamma, 1));
  const scale1 = pair ? f32x4.mul(r1, loadOr<v128>(present(gamma, 16), 1)) : scale0;
  for (; rows; rows--, x += stride, dy += stride, dx += stride) {
    const x0 = v128.load(x), dy0 = v128.load(dy);
    if (pair) {
      const x1 = v128.load(x, 16), dy1 = v128.load(dy, 16);
      v128.store(dx, inputGradient<v128>(x0, dy0, c0, r0, scale0, meanA0, meanB0));
      v128.store(dx, inputGradient<v128>(x1, dy1, c1, r1, scale1, meanA1, meanB1), 16);
    } else v128.store(dx, inputGradient<v128>(x0, dy0, c0, r0, scale0, meanA0, meanB0));
  }
}

function backward1(
  fixed: bool, rows: usize, stride: usize, x: usize, dy: usize, gamma: usize, mean: usize, rstd: usize,
  dx: usize, dgamma: usize, dbeta: usize,
): void {
  const c = load<f32>(mean), r = load<f32>(rstd);
  let a: f64 = 0, b: f64 = 0;
  let xi = x, dyi = dy;
  for (let row = rows; row; row--, xi += stride, dyi += stride) {
    const slope = <f64>load<f32>(dyi);
    a += slope;
    b += slope * <f64>standardize<f32>(load<f32>(xi), c, r);
  }
  if (dbeta) store<f32>(dbeta, <f32>a);
  if (dgamma) store<f32>(dgamma, <f32>b);
  if (!dx) return;
  const count: f64 = fixed ? Infinity : <f64>rows;
  const meanA = <f32>(a / count), meanB = <f32>(b / count);
  const scale = r * loadOr<f32>(gamma, 1);
  for (; rows; rows--, x += stride, dy += stride, dx += stride) {
    store<f32>(dx, inputGradient<f32>(load<f32>(x), load<f32>(dy), c, r, scale, meanA, meanB));
  }
}

/**
 * The gradient of `batch_norm_f32` from its x, mean and rstd: dbeta = Σ dy, dgamma = Σ dy·x̂ with x̂ = (x − mean)·rstd,
 * dx = (rstd·gamma)·((dy − dbeta/rows) − x̂·(dgamma/rows)). With `fixed`, mean and rstd are those of
 * `batch_norm_inference_f32` and do not depend on x: dx = (rstd·gamma)·dy. gamma, dx, dgamma and dbeta may be 0: absent. `dxPtr` may
 * equal `dyPtr` or `xPtr`.
 *
 * Numerics: x̂ in float32, the sums in float64, rows in ascending order.
 */
export function batch_norm_backward_f32(
  rows: usize, columns: usize, stride: usize, fixed: bool, xPtr: usize, dyPtr: usize, gammaPtr: usize, meanPtr: usize,
  rstdPtr: usize, dxPtr: usize, dgammaPtr: usize, dbetaPtr: usize,
): void {
  assert(!((xPtr | dyPtr | gammaPtr | meanPtr | rstdPtr | dxPtr | dgammaPtr | dbetaPtr) & 3), "operands are 4-byte aligned");
  assert(stride >= columns, "the stride has room for a row");
  stride <<= 2;
  let j: usize = 0;
  for (; columns - j >= 8; j += 8) {
    const at = j << 2;
    backward4(
      true, fixed, rows, stride, xPtr + at, dyPtr + at, present(gammaPtr, at), meanPtr + at, rstdPtr + at,
      present(dxPtr, at), present(dgammaPtr, at), present(dbetaPtr, at),
    );
  }
  for (; columns - j >= 4; j += 4) {
    const at = j << 2;
    backward4(
      false, fixed, rows, stride, xPtr + at, dyPtr + at, present(gammaPtr, at), meanPtr + at, rstdPtr + at,
      present(dxPtr, at), present(dgammaPtr, at), present(dbetaPtr, at),
    );
  }
  for (; j < columns; j++) {
    const at = j << 2;
    backward1(
      fixed, rows, stride, xPtr + at, dyPtr + at, present(gammaPtr, at), meanPtr + at, rstdPtr + at,
      present(dxPtr, at), present(dgammaPtr, at), present(dbetaPtr, at),
    );
  }
}
