// The formulas of a GRU, a row at a time. `Usual` is On where gates are sigmoid and the rest is tanh. Otherwise there are
// no pairs of vectors: V8 14 crashes when it is to widen two calls side by side.

import { add, mul, splat, sub } from "../simd";
import { gate, gateBackward, squash, squashBackward } from "./activation";
import { fewAt, lanesAt, putFew, putLanes, Sequence } from "./sequence";

/** z·h + (1 − z)·g. */
// @ts-ignore: decorator
@inline function mix(z: v128, h: v128, g: v128): v128 {
  return add<v128>(mul<v128>(z, h), mul<v128>(sub<v128>(splat<v128>(1), z), g));
}

/** A row with resetAfter. */
export function afterRow<Usual>(
  sequence: Sequence, n: usize, a: usize, sum: usize, bias: usize, m: usize, h: usize, next: usize,
): void {
  const block = n << 2;
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    let at = a;
    let s = sum;
    let b = bias;
    const az0 = v128.load(at);
    const az1 = v128.load(at, 16);
    const sz0 = add<v128>(v128.load(s), v128.load(b));
    const sz1 = add<v128>(v128.load(s, 16), v128.load(b, 16));
    at += block;
    s += block;
    b += block;
    const ar0 = v128.load(at);
    const ar1 = v128.load(at, 16);
    const sr0 = add<v128>(v128.load(s), v128.load(b));
    const sr1 = add<v128>(v128.load(s, 16), v128.load(b, 16));
    at += block;
    s += block;
    b += block;
    const ah0 = v128.load(at);
    const ah1 = v128.load(at, 16);
    const m0 = add<v128>(v128.load(s), v128.load(b));
    const m1 = add<v128>(v128.load(s, 16), v128.load(b, 16));
    const h0 = v128.load(h);
    const h1 = v128.load(h, 16);
    const z0 = gate<Usual>(sequence, add<v128>(az0, sz0));
    const z1 = gate<Usual>(sequence, add<v128>(az1, sz1));
    const r0 = gate<Usual>(sequence, add<v128>(ar0, sr0));
    const r1 = gate<Usual>(sequence, add<v128>(ar1, sr1));
    const g0 = squash<Usual>(sequence, add<v128>(ah0, mul<v128>(r0, m0)));
    const g1 = squash<Usual>(sequence, add<v128>(ah1, mul<v128>(r1, m1)));
    const n0 = mix(z0, h0, g0);
    const n1 = mix(z1, h1, g1);
    v128.store(at, g0);
    v128.store(at, g1, 16);
    at -= block;
    v128.store(at, r0);
    v128.store(at, r1, 16);
    v128.store(a, z0);
    v128.store(a, z1, 16);
    v128.store(m, m0);
    v128.store(m, m1, 16);
    v128.store(next, n0);
    v128.store(next, n1, 16);
    a += 32;
    sum += 32;
    bias += 32;
    m += 32;
    h += 32;
    next += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    const sz = add<v128>(lanesAt(sum, few), lanesAt(bias, few));
    const sr = add<v128>(lanesAt(sum + block, few), lanesAt(bias + block, few));
    const sh = add<v128>(lanesAt(sum + block * 2, few), lanesAt(bias + block * 2, few));
    const z = gate<Usual>(sequence, add<v128>(lanesAt(a, few), sz));
    const r = gate<Usual>(sequence, add<v128>(lanesAt(a + block, few), sr));
    const g = squash<Usual>(sequence, add<v128>(lanesAt(a + block * 2, few), mul<v128>(r, sh)));
    putLanes(next, mix(z, lanesAt(h, few), g), few);
    putLanes(a, z, few);
    putLanes(a + block, r, few);
    putLanes(a + block * 2, g, few);
    putLanes(m, sh, few);
    n -= few;
    a += 16;
    sum += 16;
    bias += 16;
    m += 16;
    h += 16;
    next += 16;
  }
}

/** z, r and m = r·h of a row without resetAfter. */
export function resetRow<Usual>(sequence: Sequence, n: usize, a: usize, sum: usize, h: usize, m: usize): void {
  const block = n << 2;
  for (; n >= 4; n -= 4) {
    resetLanes<Usual>(sequence, block, 4, a, sum, h, m);
    a += 16;
    sum += 16;
    h += 16;
    m += 16;
  }
  if (n) resetLanes<Usual>(sequence, block, n, a, sum, h, m);
}

// @ts-ignore: decorator
@inline function resetLanes<Usual>(
  sequence: Sequence, block: usize, few: usize, a: usize, sum: usize, h: usize, m: usize,
): void {
  const z = gate<Usual>(sequence, add<v128>(fewAt(a, few), fewAt(sum, few)));
  const r = gate<Usual>(sequence, add<v128>(fewAt(a + block, few), fewAt(sum + block, few)));
  putFew(a, z, few);
  putFew(a + block, r, few);
  putFew(m, mul<v128>(r, fewAt(h, few)), few);
}

/** g and h of a row without resetAfter, whose z is there; `sum` is m·Uₕ. */
export function beforeRow<Usual>(sequence: Sequence, n: usize, a: usize, sum: usize, h: usize, next: usize): void {
  const block = n << 2;
  for (; n >= 4; n -= 4) {
    beforeLanes<Usual>(sequence, block, 4, a, sum, h, next);
    a += 16;
    sum += 16;
    h += 16;
    next += 16;
  }
  if (n) beforeLanes<Usual>(sequence, block, n, a, sum, h, next);
}

// @ts-ignore: decorator
@inline function beforeLanes<Usual>(
  sequence: Sequence, block: usize, few: usize, a: usize, sum: usize, h: usize, next: usize,
): void {
  const g = squash<Usual>(sequence, add<v128>(fewAt(a + block * 2, few), fewAt(sum, few)));
  putFew(next, mix(fewAt(a, few), fewAt(h, few), g), few);
  putFew(a + block * 2, g, few);
}

/** Writes da over the gates of a row with resetAfter, dm over m, and dh·z. */
export function afterBackward<Usual>(
  sequence: Sequence, n: usize, a: usize, m: usize, h: usize, dh: usize, direct: usize,
): void {
  const block = n << 2;
  const one = splat<v128>(1);
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    let at = a;
    const z0 = v128.load(at);
    const z1 = v128.load(at, 16);
    at += block;
    const r0 = v128.load(at);
    const r1 = v128.load(at, 16);
    at += block;
    const g0 = v128.load(at);
    const g1 = v128.load(at, 16);
    const m0 = v128.load(m);
    const m1 = v128.load(m, 16);
    const h0 = v128.load(h);
    const h1 = v128.load(h, 16);
    const d0 = v128.load(dh);
    const d1 = v128.load(dh, 16);
    const dz0 = gateBackward<Usual>(sequence, z0, mul<v128>(d0, sub<v128>(h0, g0)));
    const dz1 = gateBackward<Usual>(sequence, z1, mul<v128>(d1, sub<v128>(h1, g1)));
    const dg0 = squashBackward<Usual>(sequence, g0, mul<v128>(d0, sub<v128>(one, z0)));
    const dg1 = squashBackward<Usual>(sequence, g1, mul<v128>(d1, sub<v128>(one, z1)));
    const dr0 = gateBackward<Usual>(sequence, r0, mul<v128>(dg0, m0));
    const dr1 = gateBackward<Usual>(sequence, r1, mul<v128>(dg1, m1));
    const dm0 = mul<v128>(dg0, r0);
    const dm1 = mul<v128>(dg1, r1);
    const p0 = mul<v128>(d0, z0);
    const p1 = mul<v128>(d1, z1);
    v128.store(at, dg0);
    v128.store(at, dg1, 16);
    at -= block;
    v128.store(at, dr0);
    v128.store(at, dr1, 16);
    v128.store(a, dz0);
    v128.store(a, dz1, 16);
    v128.store(m, dm0);
    v128.store(m, dm1, 16);
    v128.store(direct, p0);
    v128.store(direct, p1, 16);
    a += 32;
    m += 32;
    h += 32;
    dh += 32;
    direct += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    const z = lanesAt(a, few);
    const r = lanesAt(a + block, few);
    const g = lanesAt(a + block * 2, few);
    const d = lanesAt(dh, few);
    const dg = squashBackward<Usual>(sequence, g, mul<v128>(d, sub<v128>(one, z)));
    putLanes(a, gateBackward<Usual>(sequence, z, mul<v128>(d, sub<v128>(lanesAt(h, few), g))), few);
    putLanes(a + block, gateBackward<Usual>(sequence, r, mul<v128>(dg, lanesAt(m, few))), few);
    putLanes(a + block * 2, dg, few);
    putLanes(m, mul<v128>(dg, r), few);
    putLanes(direct, mul<v128>(d, z), few);
    n -= few;
    a += 16;
    m += 16;
    h += 16;
    dh += 16;
    direct += 16;
  }
}

/** Writes da_z and daₕ over z and g of a row without resetAfter, and dh·z. */
export function beforeBackward<Usual>(sequence: Sequence, n: usize, a: usize, h: usize, dh: usize, direct: usize): void {
  const block = n << 2;
  for (; n >= 4; n -= 4) {
    beforeBackwardLanes<Usual>(sequence, block, 4, a, h, dh, direct);
    a += 16;
    h += 16;
    dh += 16;
    direct += 16;
  }
  if (n) beforeBackwardLanes<Usual>(sequence, block, n, a, h, dh, direct);
}

// @ts-ignore: decorator
@inline function beforeBackwardLanes<Usual>(
  sequence: Sequence, block: usize, few: usize, a: usize, h: usize, dh: usize, direct: usize,
): void {
  const z = fewAt(a, few);
  const g = fewAt(a + block * 2, few);
  const d = fewAt(dh, few);
  const dz = gateBackward<Usual>(sequence, z, mul<v128>(d, sub<v128>(fewAt(h, few), g)));
  putFew(a, dz, few);
  putFew(a + block * 2, squashBackward<Usual>(sequence, g, mul<v128>(d, sub<v128>(splat<v128>(1), z))), few);
  putFew(direct, mul<v128>(d, z), few);
}

/** Writes daᵣ over r of a row without resetAfter, and adds dm·r to what is passed on. */
export function resetBackward<Usual>(sequence: Sequence, n: usize, a: usize, h: usize, dm: usize, direct: usize): void {
  a += n << 2;
  for (; n >= 4; n -= 4) {
    resetBackwardLanes<Usual>(sequence, 4, a, h, dm, direct);
    a += 16;
    h += 16;
    dm += 16;
    direct += 16;
  }
  if (n) resetBackwardLanes<Usual>(sequence, n, a, h, dm, direct);
}

// @ts-ignore: decorator
@inline function resetBackwardLanes<Usual>(
  sequence: Sequence, few: usize, r: usize, h: usize, dm: usize, direct: usize,
): void {
  const reset = fewAt(r, few);
  const d = fewAt(dm, few);
  putFew(r, gateBackward<Usual>(sequence, reset, mul<v128>(d, fewAt(h, few))), few);
  putFew(direct, add<v128>(fewAt(direct, few), mul<v128>(d, reset)), few);
}
