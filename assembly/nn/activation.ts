import { ACTIVATION_IDENTITY, ACTIVATION_RELU, ACTIVATION_SIGMOID, ACTIVATION_TANH } from "../../src/abi/activation";
import { sigmoid, tanh } from "../math";
import { add, loadLanes, mul, pmax, splat, storeLanes, sub, whereLess } from "../simd";

/** Elements of y, and as many of dy, that fit into a level-2 cache beside everything else. */
const CACHED_COUNT: usize = 65536;

/** activation(x). Where `activation` is a constant, the choice costs nothing. */
// @ts-ignore: decorator
@inline export function activate<T>(activation: i32, x: T): T {
  if (activation == ACTIVATION_RELU) return pmax<T>(x, splat<T>(0)); // NaN stays NaN, −0 stays −0
  if (activation == ACTIVATION_TANH) return tanh<T>(x);
  if (activation == ACTIVATION_SIGMOID) return sigmoid<T>(x);
  return x;
}

/** dy · activation′ from y = activation(x), which is relu, tanh or sigmoid. */
// @ts-ignore: decorator
@inline function backward<T>(activation: i32, y: T, dy: T): T {
  const one = splat<T>(1);
  if (activation == ACTIVATION_RELU) return whereLess<T>(splat<T>(0), y, dy, splat<T>(0));
  if (activation == ACTIVATION_TANH) return mul<T>(dy, sub<T>(one, mul<T>(y, y)));
  return mul<T>(mul<T>(dy, y), sub<T>(one, y));
}

/** The loop of every activation; `kind` is a constant of each call. */
// @ts-ignore: decorator
@inline function map(kind: i32, count: usize, x: usize, y: usize): void {
  const end = x + (count << 2);
  for (const last = x + ((count >> 3) << 5); x != last; x += 32, y += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = activate<v128>(kind, x0);
    const y1 = activate<v128>(kind, x1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
  }
  for (; x != end; x += 4, y += 4) store<f32>(y, activate<f32>(kind, load<f32>(x)));
}

/**
 * `width` neighboring Ts of every row, `rowBytes` apart, and their sums unless `sums` is 0. `width` is a constant, 1 or
 * 4, so that the sums stay in registers; for T = f32 it is 1.
 */
// @ts-ignore: decorator
@inline function stripe<T>(
  activation: i32, width: i32, rows: usize, rowBytes: usize, y: usize, dy: usize, dx: usize, sums: usize,
): void {
  let s0 = splat<T>(0);
  let s1 = f32x4.splat(0), s2 = s1, s3 = s1;
  const changes = activation != ACTIVATION_IDENTITY;
  for (; rows > 0; rows--, y += rowBytes, dy += rowBytes, dx += rowBytes) {
    const dx0 = changes ? backward<T>(activation, loadLanes<T>(y), loadLanes<T>(dy)) : loadLanes<T>(dy);
    if (width == 1) {
      if (changes) storeLanes<T>(dx, dx0);
    } else {
      const dx1 = changes ? backward<v128>(activation, v128.load(y, 16), v128.load(dy, 16)) : v128.load(dy, 16);
      if (changes) {
        storeLanes<T>(dx, dx0);
        v128.store(dx, dx1, 16);
      }
      s1 = f32x4.add(s1, dx1);
      const dx2 = changes ? backward<v128>(activation, v128.load(y, 32), v128.load(dy, 32)) : v128.load(dy, 32);
      const dx3 = changes ? backward<v128>(activation, v128.load(y, 48), v128.load(dy, 48)) : v128.load(dy, 48);
      if (changes) {
        v128.store(dx, dx2, 32);
        v128.store(dx, dx3, 48);
      }
      s2 = f32x4.add(s2, dx2);
      s3 = f32x4.add(s3, dx3);
    }
    s0 = add<T>(s0, dx0);
  }
  if (!sums) return;
  storeLanes<T>(sums, s0);
  if (width == 1) return;
  v128.store(sums, s1, 16);
  v128.store(sums, s2, 32);
  v128.store(sums, s3, 48);
}

/** The stripes of every activation's backward pass; `kind` is a constant of each call. */
// @ts-ignore: decorator
@inline function mapBackward(
  kind: i32, rows: usize, columns: usize, y: usize, dy: usize, dx: usize, sums: usize,
): void {
  const sumBytes: usize = sums ? 4 : 0;
  const rowBytes: usize = sums ? columns << 2 : 64;
  while (columns >= 16) {
    const taken: usize = sums ? 16 : columns & ~15; // without sums the stripes of the one row are rows themselves
    stripe<v128>(kind, 4, sums ? rows : taken >> 4, rowBytes, y, dy, dx, sums);
    columns -= taken;
    y += taken << 2;
    dy += taken << 2;
    dx += taken << 2;
    sums += 16 * sumBytes;
  }
  for (; columns >= 4; columns -= 4, y += 16, dy += 16, dx += 16, sums += 4 * sumBytes) {
    stripe<v128>(kind, 1, rows, rowBytes, y, dy, dx, sums);
  }
  for (; columns > 0; columns--, y += 4, dy += 4, dx += 4, sums += sumBytes) {
    stripe<f32>(kind, 1, rows, rowBytes, y, dy, dx, sums);
  }
}

// One function for each kind: inlined into one, the loops would be merged again, with the choice inside.

function relu(count: usize, x: usize, y: usize): void {
  map(ACTIVATION_RELU, count, x, y);
}

function tanhs(count: usize, x: usize, y: usize): void {
  map(ACTIVATION_TANH, count, x, y);
}

function sigmoids(count: usize, x: usize, y: usize): void {
  map(ACTIVATION_SIGMOID, count, x, y);
}

function identityBackward(rows: usize, columns: usize, y: usize, dy: usize, dx: usize, sums: usize): void {
  mapBackward(ACTIVATION_IDENTITY, rows, columns, y, dy, dx, sums);
}

function reluBackward(rows: usize, columns: usize, y: usize, dy: usize, dx: usize, sums: usize): void {
  mapBackward(ACTIVATION_RELU, rows, columns, y, dy, dx, sums);
}

function tanhBackward(rows: usize, columns: usize, y: usize, dy: usize, dx: usize, sums: usize): void {
  mapBackward(ACTIVATION_TANH, rows, columns, y, dy, dx, sums);
}

function sigmoidBackward(rows: usize, columns: usize, y: usize, dy: usize, dx: usize, sums: usize): void {
  mapBackward(ACTIVATION_SIGMOID, rows, columns, y, dy, dx, sums);
}

/**
 * y = activation(x) for relu, tanh and sigmoid.
 *
 * Requires: `yPtr` equals `xPtr`, or the two do not overlap.
 * Numerics: ULP errors in math.ts. relu keeps NaN, as PyTorch's does, and −0.
 */
export function activation_f32(activation: i32, count: usize, xPtr: usize, yPtr: usize): void {
  assert(activation > ACTIVATION_IDENTITY && activation <= ACTIVATION_SIGMOID, "unknown activation");
  if (activation == ACTIVATION_RELU) relu(count, xPtr, yPtr);
  else if (activation == ACTIVATION_TANH) tanhs(count, xPtr, yPtr);
  else sigmoids(count, xPtr, yPtr);
}

/**
 * dx = dy · activation′, from the output y = activation(x): relu dy where y > 0, else 0; tanh dy·(1 − y·y);
 * sigmoid (dy·y)·(1 − y). In the same pass sums[j] = dx[0, j] + dx[1, j] + …, the gradient of a bias, unless `sumsPtr`
 * is 0.
 *
 * Registers: 4 sums of 4 columns; y and dy are read once, dx and the sums only written.
 * Requires: `dxPtr` equals `dyPtr` or `yPtr`, or overlaps neither; for identity it equals `dyPtr`, which stays as it is,
 * and y is not read. The sums overlap nothing.
 * Remainder: stripes of 16 columns, then of 4 and of 1. Without sums all rows count as one; and where the operands leave
 * the cache, so that stripes would fetch every row in pieces, the sums are a second pass.
 * Numerics: each sum starts at +0 and adds its rows in ascending order; no rows give +0.
 * Tried: docs/decisions/0008-training-step.md.
 */
export function activation_backward_f32(
  activation: i32, rows: usize, columns: usize, yPtr: usize, dyPtr: usize, dxPtr: usize, sumsPtr: usize,
): void {
  assert(activation >= ACTIVATION_IDENTITY && activation <= ACTIVATION_SIGMOID, "unknown activation");
  assert(activation != ACTIVATION_IDENTITY || dxPtr == dyPtr, "identity leaves dy where it is");
  if (!sumsPtr) {
    columns *= rows;
    rows = 1;
  } else if (activation != ACTIVATION_IDENTITY && rows * columns > CACHED_COUNT) {
    activation_backward_f32(activation, rows, columns, yPtr, dyPtr, dxPtr, 0);
    activation = ACTIVATION_IDENTITY;
    dyPtr = dxPtr;
  }
  if (activation == ACTIVATION_RELU) reluBackward(rows, columns, yPtr, dyPtr, dxPtr, sumsPtr);
  else if (activation == ACTIVATION_TANH) tanhBackward(rows, columns, yPtr, dyPtr, dxPtr, sumsPtr);
  else if (activation == ACTIVATION_SIGMOID) sigmoidBackward(rows, columns, yPtr, dyPtr, dxPtr, sumsPtr);
  else identityBackward(rows, columns, yPtr, dyPtr, dxPtr, sumsPtr);
}
