// The formulas of an LSTM, a row at a time. `Usual` is On where gates are sigmoid and the rest is tanh. Otherwise there are
// no pairs of vectors: V8 14 crashes when it is to widen two calls side by side.

import { add, mul } from "../simd";
import { gate, gateBackward, squash, squashBackward } from "./activation";
import { lanesAt, putLanes, Sequence } from "./sequence";

/** The gates of a row, its cells, and φ(c) and h. */
export function forwardRow<Usual>(
  sequence: Sequence, n: usize, a: usize, sum: usize, c: usize, cNext: usize, t: usize, h: usize,
): void {
  const block = n << 2;
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    // Two vectors side by side, loads first, stores last: what wide mode pairs.
    let at = a;
    let s = sum;
    const ai0 = v128.load(at);
    const ai1 = v128.load(at, 16);
    const si0 = v128.load(s);
    const si1 = v128.load(s, 16);
    at += block;
    s += block;
    const af0 = v128.load(at);
    const af1 = v128.load(at, 16);
    const sf0 = v128.load(s);
    const sf1 = v128.load(s, 16);
    at += block;
    s += block;
    const ag0 = v128.load(at);
    const ag1 = v128.load(at, 16);
    const sg0 = v128.load(s);
    const sg1 = v128.load(s, 16);
    at += block;
    s += block;
    const ao0 = v128.load(at);
    const ao1 = v128.load(at, 16);
    const so0 = v128.load(s);
    const so1 = v128.load(s, 16);
    const c0 = v128.load(c);
    const c1 = v128.load(c, 16);
    const i0 = gate<Usual>(sequence, add<v128>(ai0, si0));
    const i1 = gate<Usual>(sequence, add<v128>(ai1, si1));
    const f0 = gate<Usual>(sequence, add<v128>(af0, sf0));
    const f1 = gate<Usual>(sequence, add<v128>(af1, sf1));
    const g0 = squash<Usual>(sequence, add<v128>(ag0, sg0));
    const g1 = squash<Usual>(sequence, add<v128>(ag1, sg1));
    const o0 = gate<Usual>(sequence, add<v128>(ao0, so0));
    const o1 = gate<Usual>(sequence, add<v128>(ao1, so1));
    const n0 = add<v128>(mul<v128>(f0, c0), mul<v128>(i0, g0));
    const n1 = add<v128>(mul<v128>(f1, c1), mul<v128>(i1, g1));
    const t0 = squash<Usual>(sequence, n0);
    const t1 = squash<Usual>(sequence, n1);
    const h0 = mul<v128>(o0, t0);
    const h1 = mul<v128>(o1, t1);
    v128.store(at, o0);
    v128.store(at, o1, 16);
    at -= block;
    v128.store(at, g0);
    v128.store(at, g1, 16);
    at -= block;
    v128.store(at, f0);
    v128.store(at, f1, 16);
    v128.store(a, i0);
    v128.store(a, i1, 16);
    v128.store(cNext, n0);
    v128.store(cNext, n1, 16);
    v128.store(t, t0);
    v128.store(t, t1, 16);
    v128.store(h, h0);
    v128.store(h, h1, 16);
    a += 32;
    sum += 32;
    c += 32;
    cNext += 32;
    t += 32;
    h += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    const ai = lanesAt(a, few);
    const af = lanesAt(a + block, few);
    const ag = lanesAt(a + block * 2, few);
    const ao = lanesAt(a + block * 3, few);
    const i = gate<Usual>(sequence, add<v128>(ai, lanesAt(sum, few)));
    const f = gate<Usual>(sequence, add<v128>(af, lanesAt(sum + block, few)));
    const g = squash<Usual>(sequence, add<v128>(ag, lanesAt(sum + block * 2, few)));
    const o = gate<Usual>(sequence, add<v128>(ao, lanesAt(sum + block * 3, few)));
    const next = add<v128>(mul<v128>(f, lanesAt(c, few)), mul<v128>(i, g));
    const squashed = squash<Usual>(sequence, next);
    const state = mul<v128>(o, squashed);
    putLanes(a, i, few);
    putLanes(a + block, f, few);
    putLanes(a + block * 2, g, few);
    putLanes(a + block * 3, o, few);
    putLanes(cNext, next, few);
    putLanes(t, squashed, few);
    putLanes(h, state, few);
    n -= few;
    a += 16;
    sum += 16;
    c += 16;
    cNext += 16;
    t += 16;
    h += 16;
  }
}

/** Writes da over the gates of a row, and dc for the step before; `dh` is without `dy`. */
export function backwardRow<Usual>(
  sequence: Sequence, n: usize, a: usize, c: usize, t: usize, dc: usize, dh: usize, dy: usize,
): void {
  const block = n << 2;
  for (; isInteger<Usual>() && n >= 8; n -= 8) {
    let at = a;
    const i0 = v128.load(at);
    const i1 = v128.load(at, 16);
    at += block;
    const f0 = v128.load(at);
    const f1 = v128.load(at, 16);
    at += block;
    const g0 = v128.load(at);
    const g1 = v128.load(at, 16);
    at += block;
    const o0 = v128.load(at);
    const o1 = v128.load(at, 16);
    const t0 = v128.load(t);
    const t1 = v128.load(t, 16);
    const c0 = v128.load(c);
    const c1 = v128.load(c, 16);
    const d0 = add<v128>(v128.load(dh), v128.load(dy));
    const d1 = add<v128>(v128.load(dh, 16), v128.load(dy, 16));
    const e0 = add<v128>(v128.load(dc), squashBackward<Usual>(sequence, t0, mul<v128>(d0, o0)));
    const e1 = add<v128>(v128.load(dc, 16), squashBackward<Usual>(sequence, t1, mul<v128>(d1, o1)));
    const do0 = gateBackward<Usual>(sequence, o0, mul<v128>(d0, t0));
    const do1 = gateBackward<Usual>(sequence, o1, mul<v128>(d1, t1));
    const dg0 = squashBackward<Usual>(sequence, g0, mul<v128>(e0, i0));
    const dg1 = squashBackward<Usual>(sequence, g1, mul<v128>(e1, i1));
    const df0 = gateBackward<Usual>(sequence, f0, mul<v128>(e0, c0));
    const df1 = gateBackward<Usual>(sequence, f1, mul<v128>(e1, c1));
    const di0 = gateBackward<Usual>(sequence, i0, mul<v128>(e0, g0));
    const di1 = gateBackward<Usual>(sequence, i1, mul<v128>(e1, g1));
    const before0 = mul<v128>(e0, f0);
    const before1 = mul<v128>(e1, f1);
    v128.store(at, do0);
    v128.store(at, do1, 16);
    at -= block;
    v128.store(at, dg0);
    v128.store(at, dg1, 16);
    at -= block;
    v128.store(at, df0);
    v128.store(at, df1, 16);
    v128.store(a, di0);
    v128.store(a, di1, 16);
    v128.store(dc, before0);
    v128.store(dc, before1, 16);
    a += 32;
    c += 32;
    t += 32;
    dc += 32;
    dh += 32;
    dy += 32;
  }
  while (n) {
    const few = min<usize>(n, 4);
    const i = lanesAt(a, few);
    const f = lanesAt(a + block, few);
    const g = lanesAt(a + block * 2, few);
    const o = lanesAt(a + block * 3, few);
    const squashed = lanesAt(t, few);
    const d = add<v128>(lanesAt(dh, few), lanesAt(dy, few));
    const e = add<v128>(lanesAt(dc, few), squashBackward<Usual>(sequence, squashed, mul<v128>(d, o)));
    const df = gateBackward<Usual>(sequence, f, mul<v128>(e, lanesAt(c, few)));
    putLanes(a, gateBackward<Usual>(sequence, i, mul<v128>(e, g)), few);
    putLanes(a + block, df, few);
    putLanes(a + block * 2, squashBackward<Usual>(sequence, g, mul<v128>(e, i)), few);
    putLanes(a + block * 3, gateBackward<Usual>(sequence, o, mul<v128>(d, squashed)), few);
    putLanes(dc, mul<v128>(e, f), few);
    n -= few;
    a += 16;
    c += 16;
    t += 16;
    dc += 16;
    dh += 16;
    dy += 16;
  }
}
