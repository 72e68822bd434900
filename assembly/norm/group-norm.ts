// Normalization within an example: of x [batch, spatial, groups, width] over spatial and width. Layer normalization is
// that of one group and one place; root mean square normalization leaves the mean out.

import { demote } from "../double";
import { add, loadLanes, mul, splat, storeLanes, sub } from "../simd";
import { addHigh, addLow, joinPartialSums } from "../sums";
import {
  addHighProducts, addHighSquares, addLowProducts, addLowSquares, reciprocalDeviation, standardize, varianceFrom,
} from "./normalize";

/** Σ of all elements of `spatial` runs of `width`, `stride` bytes apart; see `group_norm_f32`, Numerics. */
function sum(spatial: usize, width: usize, stride: usize, x: usize): f64 {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let rest: f64 = 0;
  for (; spatial; spatial--, x += stride) {
    let at = x;
    let count = width;
    for (; count >= 8; count -= 8, at += 32) {
      const x0 = v128.load(at);
      const x1 = v128.load(at, 16);
      s0 = addLow(s0, x0);
      s1 = addHigh(s1, x0);
      s2 = addLow(s2, x1);
      s3 = addHigh(s3, x1);
    }
    if (count >= 4) {
      const x0 = v128.load(at);
      s0 = addLow(s0, x0);
      s1 = addHigh(s1, x0);
      at += 16;
      count -= 4;
    }
    for (; count; count--, at += 4) rest += <f64>load<f32>(at);
  }
  return joinPartialSums(s0, s1, s2, s3) + rest;
}

/** Σ(x − c)², in the same order. */
function sumOfSquares(spatial: usize, width: usize, stride: usize, x: usize, c: f32): f64 {
  const cs = f32x4.splat(c);
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let rest: f64 = 0;
  for (; spatial; spatial--, x += stride) {
    let at = x;
    let count = width;
    for (; count >= 8; count -= 8, at += 32) {
      const d0 = f32x4.sub(v128.load(at), cs);
      const d1 = f32x4.sub(v128.load(at, 16), cs);
      s0 = addLowSquares(s0, d0);
      s1 = addHighSquares(s1, d0);
      s2 = addLowSquares(s2, d1);
      s3 = addHighSquares(s3, d1);
    }
    if (count >= 4) {
      const d0 = f32x4.sub(v128.load(at), cs);
      s0 = addLowSquares(s0, d0);
      s1 = addHighSquares(s1, d0);
      at += 16;
      count -= 4;
    }
    for (; count; count--, at += 4) {
      const d = <f64>(load<f32>(at) - c);
      rest += d * d;
    }
  }
  return joinPartialSums(s0, s1, s2, s3) + rest;
}

// @ts-ignore: decorator
@inline function scaled<T>(x: T, gamma: usize): T {
  return gamma ? mul<T>(x, loadLanes<T>(gamma)) : x;
}

// @ts-ignore: decorator
@inline function shifted<T>(x: T, beta: usize): T {
  return beta ? add<T>(x, loadLanes<T>(beta)) : x;
}

/** y = ((x − c)·r)·gamma + beta for `count` neighbors. */
function normalizeRun(count: usize, c: f32, r: f32, x: usize, gamma: usize, beta: usize, y: usize): void {
  const cs = splat<v128>(c), rs = splat<v128>(r);
  const gammaStep: usize = gamma ? 16 : 0;
  const betaStep: usize = beta ? 16 : 0;
  for (; count >= 8; count -= 8, x += 32, y += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const hat0 = scaled<v128>(standardize<v128>(x0, cs, rs), gamma);
    const hat1 = scaled<v128>(standardize<v128>(x1, cs, rs), gamma + gammaStep);
    const y0 = shifted<v128>(hat0, beta);
    const y1 = shifted<v128>(hat1, beta + betaStep);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    gamma += gammaStep << 1;
    beta += betaStep << 1;
  }
  for (; count; count--, x += 4, y += 4) {
    store<f32>(y, shifted<f32>(scaled<f32>(standardize<f32>(load<f32>(x), c, r), gamma), beta));
    gamma += gammaStep >> 2;
    beta += betaStep >> 2;
  }
}

/**
 * y = ((x − mean)·rstd)·gamma + beta for x [batch, spatial, groups, width], with the mean and rstd = 1/√(variance + eps)
 * of each example's group, which are stored as [batch, groups]; gamma and beta [groups, width] may be 0: absent. Unless
 * `centered`, the mean is 0, and the variance the mean of the squares. `yPtr` may equal `xPtr`.
 *
 * Numerics: the sums of x and of (x − c)², c the mean rounded to float32, are in float64: element j of the whole fours
 * of a run of `width` goes to partial sum j mod 8, these are joined as ((s0 + s2) + (s4 + s6)) + ((s1 + s3) + (s5 + s7)),
 * the elements beyond the fours form a sum of their own, which is added last; runs in ascending order. x − c is rounded
 * to float32. So the variance has a relative error of 2·2⁻²⁴ at most, however large the mean is beside it, rstd is
 * within 1.5 ulp, and |error of y| ≤ (4·|y − beta| + |y| + |mean·rstd·gamma|)·2⁻²⁴.
 */
export function group_norm_f32(
  batch: usize, spatial: usize, groups: usize, width: usize, centered: bool, eps: f32,
  xPtr: usize, gammaPtr: usize, betaPtr: usize, yPtr: usize, meanPtr: usize, rstdPtr: usize,
): void {
  assert(!((xPtr | gammaPtr | betaPtr | yPtr | meanPtr | rstdPtr) & 3), "operands are 4-byte aligned");
  const stride = (groups * width) << 2;
  const count = <f64>(spatial * width);
  for (; batch; batch--) {
    for (let group: usize = 0; group < groups; group++, meanPtr += 4, rstdPtr += 4) {
      const offset = (group * width) << 2;
      const x = xPtr + offset;
      const mean = centered ? sum(spatial, width, stride, x) / count : 0;
      const c = <f32>mean;
      const squares = sumOfSquares(spatial, width, stride, x, c);
      const r = reciprocalDeviation(varianceFrom(squares / count, mean - <f64>c), <f64>eps);
      store<f32>(meanPtr, c);
      store<f32>(rstdPtr, r);
      const gamma = gammaPtr ? gammaPtr + offset : 0;
      const beta = betaPtr ? betaPtr + offset : 0;
      for (let at: usize = 0; at < spatial * stride; at += stride) {
        normalizeRun(width, c, r, x + at, gamma, beta, yPtr + offset + at);
      }
    }
    xPtr += spatial * stride;
    yPtr += spatial * stride;
  }
}

/** dx = r·((g − a) − x̂·b) with g = dy·gamma, and a and b the means of g and of g·x̂. */
// @ts-ignore: decorator
@inline function inputGradient<T>(x: T, dy: T, gamma: usize, c: T, r: T, a: T, b: T): T {
  return mul<T>(r, sub<T>(sub<T>(scaled<T>(dy, gamma), a), mul<T>(standardize<T>(x, c, r), b)));
}

function gradientRun(
  count: usize, c: f32, r: f32, a: f32, b: f32, x: usize, dy: usize, gamma: usize, dx: usize,
): void {
  const cs = splat<v128>(c), rs = splat<v128>(r), as = splat<v128>(a), bs = splat<v128>(b);
  const step: usize = gamma ? 16 : 0;
  for (; count >= 8; count -= 8, x += 32, dy += 32, dx += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const dx0 = inputGradient<v128>(x0, dy0, gamma, cs, rs, as, bs);
    const dx1 = inputGradient<v128>(x1, dy1, gamma + step, cs, rs, as, bs);
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
    gamma += step << 1;
  }
  for (; count; count--, x += 4, dy += 4, dx += 4) {
    store<f32>(dx, inputGradient<f32>(load<f32>(x), load<f32>(dy), gamma, c, r, a, b));
    gamma += step >> 2;
  }
}

/** dx of one example's group. */
function groupBackward(
  spatial: usize, width: usize, stride: usize, centered: bool, x: usize, dy: usize, gamma: usize, c: f32, r: f32,
  dx: usize,
): void {
  const cs = splat<v128>(c), rs = splat<v128>(r);
  const step: usize = gamma ? 16 : 0;
  let a0 = f64x2.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  let restA: f64 = 0, restB: f64 = 0;
  const end = spatial * stride;
  for (let place: usize = 0; place < end; place += stride) {
    let xi = x + place, dyi = dy + place, gi = gamma;
    let count = width;
    for (; count >= 8; count -= 8, xi += 32, dyi += 32) {
      const g0 = scaled<v128>(v128.load(dyi), gi);
      const g1 = scaled<v128>(v128.load(dyi, 16), gi + step);
      const hat0 = standardize<v128>(v128.load(xi), cs, rs);
      const hat1 = standardize<v128>(v128.load(xi, 16), cs, rs);
      a0 = addLow(a0, g0);
      a1 = addHigh(a1, g0);
      a2 = addLow(a2, g1);
      a3 = addHigh(a3, g1);
      b0 = addLowProducts(b0, g0, hat0);
      b1 = addHighProducts(b1, g0, hat0);
      b2 = addLowProducts(b2, g1, hat1);
      b3 = addHighProducts(b3, g1, hat1);
      gi += step << 1;
    }
    if (count >= 4) {
      const g0 = scaled<v128>(v128.load(dyi), gi);
      const hat0 = standardize<v128>(v128.load(xi), cs, rs);
      a0 = addLow(a0, g0);
      a1 = addHigh(a1, g0);
      b0 = addLowProducts(b0, g0, hat0);
      b1 = addHighProducts(b1, g0, hat0);
      gi += step;
      xi += 16;
      dyi += 16;
      count -= 4;
    }
    for (; count; count--, xi += 4, dyi += 4) {
      const g = <f64>scaled<f32>(load<f32>(dyi), gi);
      restA += g;
      restB += g * <f64>standardize<f32>(load<f32>(xi), c, r);
      gi += step >> 2;
    }
  }
  const elements = <f64>(spatial * width);
  const a: f32 = centered ? <f32>((joinPartialSums(a0, a1, a2, a3) + restA) / elements) : 0;
  const b = <f32>((joinPartialSums(b0, b1, b2, b3) + restB) / elements);
  for (let place: usize = 0; place < end; place += stride) {
    gradientRun(width, c, r, a, b, x + place, dy + place, gamma, dx + place);
  }
}

/**
 * dx of `group_norm_f32` from its x, mean and rstd: rstd·((g − a) − x̂·b) with g = dy·gamma, x̂ = (x − mean)·rstd, and a
 * and b the means of g and of g·x̂ over the group; a is 0 unless `centered`. `dxPtr` may equal `dyPtr` or `xPtr`.
 *
 * Numerics: g and x̂ in float32, their sums as those of `group_norm_f32`.
 */
export function group_norm_backward_f32(
  batch: usize, spatial: usize, groups: usize, width: usize, centered: bool,
  xPtr: usize, dyPtr: usize, gammaPtr: usize, meanPtr: usize, rstdPtr: usize, dxPtr: usize,
): void {
  assert(!((xPtr | dyPtr | gammaPtr | meanPtr | rstdPtr | dxPtr) & 3), "operands are 4-byte aligned");
  const stride = (groups * width) << 2;
  for (; batch; batch--) {
    for (let group: usize = 0; group < groups; group++, meanPtr += 4, rstdPtr += 4) {
      const offset = (group * width) << 2;
      groupBackward(
        spatial, width, stride, centered, xPtr + offset, dyPtr + offset, gammaPtr ? gammaPtr + offset : 0,
        load<f32>(meanPtr), load<f32>(rstdPtr), dxPtr + offset,
      );
    }
    xPtr += spatial * stride;
    dyPtr += spatial * stride;
    dxPtr += spatial * stride;
  }
}

/** Four neighboring channels of one group, or eight if `pair`, a constant. Addresses are those of the first channel. */
// @ts-ignore: decorator
@inline function parameters4(
  pair: bool, batch: usize, spatial: usize, stride: usize, groupBytes: usize, x: usize, dy: usize, mean: usize,
  rstd: usize, dgamma: usize, dbeta: usize,
): void {
  let a0 = f64x2.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (; batch; batch--, mean += groupBytes, rstd += groupBytes) {
    const c = v128.load32_splat(mean), r = v128.load32_splat(rstd);
    for (let place = spatial; place; place--, x += stride, dy += stride) {
      const dy0 = v128.load(dy);
      const hat0 = standardize<v128>(v128.load(x), c, r);
      a0 = addLow(a0, dy0);
      a1 = addHigh(a1, dy0);
      b0 = addLowProducts(b0, dy0, hat0);
      b1 = addHighProducts(b1, dy0, hat0);
      if (pair) {
        const dy1 = v128.load(dy, 16);
        const hat1 = standardize<v128>(v128.load(x, 16), c, r);
        a2 = addLow(a2, dy1);
        a3 = addHigh(a3, dy1);
        b2 = addLowProducts(b2, dy1, hat1);
        b3 = addHighProducts(b3, dy1, hat1);
      }
    }
  }
  if (dbeta) v128.store(dbeta, demote(a0, a1));
  if (dgamma) v128.store(dgamma, demote(b0, b1));
  if (pair) {
    if (dbeta) v128.store(dbeta, demote(a2, a3), 16);
    if (dgamma) v128.store(dgamma, demote(b2, b3), 16);
  }
}

function parameters1(
  batch: usize, spatial: usize, stride: usize, groupBytes: usize, x: usize, dy: usize, mean: usize, rstd: usize,
  dgamma: usize, dbeta: usize,
): void {
  let a: f64 = 0, b: f64 = 0;
  for (; batch; batch--, mean += groupBytes, rstd += groupBytes) {
    const c = load<f32>(mean), r = load<f32>(rstd);
    for (let place = spatial; place; place--, x += stride, dy += stride) {
      const slope = <f64>load<f32>(dy);
      a += slope;
      b += slope * <f64>standardize<f32>(load<f32>(x), c, r);
    }
  }
  if (dbeta) store<f32>(dbeta, <f32>a);
  if (dgamma) store<f32>(dgamma, <f32>b);
}

/**
 * dbeta = Σ dy and dgamma = Σ dy·x̂ of `group_norm_f32` over batch and spatial, for `count` channels from channel `first`
 * on; either may be 0: absent. Every address is that of channel 0.
 *
 * Numerics: x̂ in float32, the sums in float64, in ascending order.
 */
export function group_norm_parameters_f32(
  first: usize, count: usize, batch: usize, spatial: usize, groups: usize, width: usize,
  xPtr: usize, dyPtr: usize, meanPtr: usize, rstdPtr: usize, dgammaPtr: usize, dbetaPtr: usize,
): void {
  assert(!((xPtr | dyPtr | meanPtr | rstdPtr | dgammaPtr | dbetaPtr) & 3), "operands are 4-byte aligned");
  assert(first + count <= groups * width, "there are as many channels");
  const stride = (groups * width) << 2;
  const groupBytes = groups << 2;
  while (count) {
    const group = first / width;
    const left = min<usize>(count, (group + 1) * width - first); // channels of one group share mean and rstd
    const at = first << 2;
    const x = xPtr + at, dy = dyPtr + at, mean = meanPtr + (group << 2), rstd = rstdPtr + (group << 2);
    const dgamma = dgammaPtr ? dgammaPtr + at : 0;
    const dbeta = dbetaPtr ? dbetaPtr + at : 0;
    let taken: usize = 1;
    if (left >= 8) {
      parameters4(true, batch, spatial, stride, groupBytes, x, dy, mean, rstd, dgamma, dbeta);
      taken = 8;
    } else if (left >= 4) {
      parameters4(false, batch, spatial, stride, groupBytes, x, dy, mean, rstd, dgamma, dbeta);
      taken = 4;
    } else parameters1(batch, spatial, stride, groupBytes, x, dy, mean, rstd, dgamma, dbeta);
    first += taken;
    count -= taken;
  }
}
