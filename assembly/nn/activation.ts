import { sigmoid, tanh } from "../math";
import { mul, pmax, splat, sub, whereLess } from "../simd";

/** The `activation` argument of kernels; ACTIVATION in src/backend/backend.ts. */
const enum Activation {
  Identity,
  Relu,
  Tanh,
  Sigmoid,
}

/** activation(x). Where `activation` is a constant, the choice costs nothing. */
// @ts-ignore: decorator
@inline export function activate<T>(activation: i32, x: T): T {
  if (activation == Activation.Relu) return pmax<T>(x, splat<T>(0)); // NaN stays NaN, −0 stays −0
  if (activation == Activation.Tanh) return tanh<T>(x);
  if (activation == Activation.Sigmoid) return sigmoid<T>(x);
  return x;
}

/** dy · activation′ from y = activation(x), which is relu, tanh or sigmoid. */
// @ts-ignore: decorator
@inline function backward<T>(activation: i32, y: T, dy: T): T {
  const one = splat<T>(1);
  if (activation == Activation.Relu) return whereLess<T>(splat<T>(0), y, dy, splat<T>(0));
  if (activation == Activation.Tanh) return mul<T>(dy, sub<T>(one, mul<T>(y, y)));
  return mul<T>(mul<T>(dy, y), sub<T>(one, y));
}

/** The loop of every activation; `kind` is a constant of each call. */
// @ts-ignore: decorator
@inline function map(kind: i32, count: usize, x: usize, y: usize): void {
  const end = x + (count << 2);
  for (const last = x + ((count >> 3) << 5); x < last; x += 32, y += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = activate<v128>(kind, x0);
    const y1 = activate<v128>(kind, x1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
  }
  for (; x < end; x += 4, y += 4) store<f32>(y, activate<f32>(kind, load<f32>(x)));
}

// @ts-ignore: decorator
@inline function mapBackward(activation: i32, count: usize, y: usize, dy: usize, dx: usize): void {
  const end = y + (count << 2);
  for (const last = y + ((count >> 3) << 5); y < last; y += 32, dy += 32, dx += 32) {
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const dx0 = backward<v128>(activation, y0, dy0);
    const dx1 = backward<v128>(activation, y1, dy1);
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
  }
  for (; y < end; y += 4, dy += 4, dx += 4) {
    store<f32>(dx, backward<f32>(activation, load<f32>(y), load<f32>(dy)));
  }
}

// One function for each kind: inlined into one, the loops would be merged again, with the choice inside.

function identity(count: usize, x: usize, y: usize): void {
  map(Activation.Identity, count, x, y);
}

function relu(count: usize, x: usize, y: usize): void {
  map(Activation.Relu, count, x, y);
}

function tanhs(count: usize, x: usize, y: usize): void {
  map(Activation.Tanh, count, x, y);
}

function sigmoids(count: usize, x: usize, y: usize): void {
  map(Activation.Sigmoid, count, x, y);
}

function reluBackward(count: usize, y: usize, dy: usize, dx: usize): void {
  mapBackward(Activation.Relu, count, y, dy, dx);
}

function tanhBackward(count: usize, y: usize, dy: usize, dx: usize): void {
  mapBackward(Activation.Tanh, count, y, dy, dx);
}

function sigmoidBackward(count: usize, y: usize, dy: usize, dx: usize): void {
  mapBackward(Activation.Sigmoid, count, y, dy, dx);
}

/**
 * y = activation(x).
 *
 * Requires: `yPtr` equals `xPtr`, or the two do not overlap.
 * Numerics: ULP errors in math.ts. relu keeps NaN, as PyTorch's does, and −0.
 */
export function activation_f32(activation: i32, count: usize, xPtr: usize, yPtr: usize): void {
  assert(activation >= Activation.Identity && activation <= Activation.Sigmoid, "unknown activation");
  if (activation == Activation.Relu) relu(count, xPtr, yPtr);
  else if (activation == Activation.Tanh) tanhs(count, xPtr, yPtr);
  else if (activation == Activation.Sigmoid) sigmoids(count, xPtr, yPtr);
  else identity(count, xPtr, yPtr);
}

/**
 * dx = dy · activation′, from the output y = activation(x): relu dy where y > 0, else 0; tanh dy·(1 − y·y);
 * sigmoid (dy·y)·(1 − y).
 *
 * Requires: `dxPtr` equals `dyPtr` or `yPtr`, or overlaps neither.
 */
export function activation_backward_f32(
  activation: i32, count: usize, yPtr: usize, dyPtr: usize, dxPtr: usize,
): void {
  assert(activation >= Activation.Identity && activation <= Activation.Sigmoid, "unknown activation");
  if (activation == Activation.Relu) reluBackward(count, yPtr, dyPtr, dxPtr);
  else if (activation == Activation.Tanh) tanhBackward(count, yPtr, dyPtr, dxPtr);
  else if (activation == Activation.Sigmoid) sigmoidBackward(count, yPtr, dyPtr, dxPtr);
  else identity(count, dyPtr, dxPtr);
}
