import { demote, promoteHigh } from "../double";
import { splat } from "../simd";
import { activateDouble, activateSingle, slopeDouble, slopeSingle, Unary } from "./formulas";

/** The loop of the activations in float32; `kind` is a constant of each call. */
// @ts-ignore: decorator
@inline function mapSingle(kind: i32, count: usize, alpha: f32, x: usize, y: usize): void {
  const alphas = splat<v128>(alpha);
  for (; count >= 8; count -= 8, x += 32, y += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = activateSingle<v128>(kind, x0, alphas);
    const y1 = activateSingle<v128>(kind, x1, alphas);
    v128.store(y, y0);
    v128.store(y, y1, 16);
  }
  for (; count; count--, x += 4, y += 4) store<f32>(y, activateSingle<f32>(kind, load<f32>(x), alpha));
}

/** The first of four elements if only it is left, else all of them. */
// @ts-ignore: decorator
@inline function loadSome(whole: bool, ptr: usize): v128 {
  return whole ? v128.load(ptr) : v128.load32_zero(ptr);
}

// @ts-ignore: decorator
@inline function storeSome(whole: bool, ptr: usize, x: v128): void {
  if (whole) v128.store(ptr, x);
  else v128.store32_lane(ptr, x, 0);
}

/**
 * The loop of the activations in float64: four elements at a time, the last count mod 4 one by one. The long formula
 * is in the binary once.
 */
// @ts-ignore: decorator
@inline function mapDouble(kind: i32, count: usize, alpha: f64, x: usize, y: usize): void {
  const alphas = f64x2.splat(alpha);
  while (count) {
    const whole = count >= 4;
    const xi = loadSome(whole, x);
    const low = activateDouble<v128>(kind, f64x2.promote_low_f32x4(xi), alphas);
    const high = activateDouble<v128>(kind, promoteHigh(xi), alphas);
    storeSome(whole, y, demote(low, high));
    const step: usize = whole ? 4 : 1;
    count -= step;
    x += step << 2;
    y += step << 2;
  }
}

// @ts-ignore: decorator
@inline function mapSingleBackward(kind: i32, count: usize, alpha: f32, x: usize, dy: usize, dx: usize): void {
  const alphas = splat<v128>(alpha);
  for (; count >= 8; count -= 8, x += 32, dy += 32, dx += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const dx0 = f32x4.mul(dy0, slopeSingle<v128>(kind, x0, alphas));
    const dx1 = f32x4.mul(dy1, slopeSingle<v128>(kind, x1, alphas));
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
  }
  for (; count; count--, x += 4, dy += 4, dx += 4) {
    store<f32>(dx, load<f32>(dy) * slopeSingle<f32>(kind, load<f32>(x), alpha));
  }
}

// @ts-ignore: decorator
@inline function mapDoubleBackward(kind: i32, count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  const alphas = f64x2.splat(alpha);
  while (count) {
    const whole = count >= 4;
    const xi = loadSome(whole, x);
    const dyi = loadSome(whole, dy);
    const low = slopeDouble<v128>(kind, f64x2.promote_low_f32x4(xi), alphas);
    const high = slopeDouble<v128>(kind, promoteHigh(xi), alphas);
    storeSome(
      whole, dx, demote(f64x2.mul(f64x2.promote_low_f32x4(dyi), low), f64x2.mul(promoteHigh(dyi), high)),
    );
    const step: usize = whole ? 4 : 1;
    count -= step;
    x += step << 2;
    dy += step << 2;
    dx += step << 2;
  }
}

// One function for each kind: inlined into one, the loops would be merged again, with the choice inside.

function leakyRelu(count: usize, alpha: f64, x: usize, y: usize): void {
  mapSingle(Unary.LeakyRelu, count, <f32>alpha, x, y);
}

function hardSigmoid(count: usize, alpha: f64, x: usize, y: usize): void {
  mapSingle(Unary.HardSigmoid, count, <f32>alpha, x, y);
}

function hardSwish(count: usize, alpha: f64, x: usize, y: usize): void {
  mapSingle(Unary.HardSwish, count, <f32>alpha, x, y);
}

function relu6(count: usize, alpha: f64, x: usize, y: usize): void {
  mapSingle(Unary.Relu6, count, <f32>alpha, x, y);
}

function softsign(count: usize, alpha: f64, x: usize, y: usize): void {
  mapSingle(Unary.Softsign, count, <f32>alpha, x, y);
}

function softplus(count: usize, alpha: f64, x: usize, y: usize): void {
  mapSingle(Unary.Softplus, count, <f32>alpha, x, y);
}

function elu(count: usize, alpha: f64, x: usize, y: usize): void {
  mapDouble(Unary.Elu, count, alpha, x, y);
}

function selu(count: usize, alpha: f64, x: usize, y: usize): void {
  mapDouble(Unary.Selu, count, alpha, x, y);
}

function gelu(count: usize, alpha: f64, x: usize, y: usize): void {
  mapDouble(Unary.Gelu, count, alpha, x, y);
}

function geluTanh(count: usize, alpha: f64, x: usize, y: usize): void {
  mapDouble(Unary.GeluTanh, count, alpha, x, y);
}

function silu(count: usize, alpha: f64, x: usize, y: usize): void {
  mapDouble(Unary.Silu, count, alpha, x, y);
}

function mish(count: usize, alpha: f64, x: usize, y: usize): void {
  mapDouble(Unary.Mish, count, alpha, x, y);
}

function leakyReluBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapSingleBackward(Unary.LeakyRelu, count, <f32>alpha, x, dy, dx);
}

function hardSigmoidBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapSingleBackward(Unary.HardSigmoid, count, <f32>alpha, x, dy, dx);
}

function hardSwishBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapSingleBackward(Unary.HardSwish, count, <f32>alpha, x, dy, dx);
}

function relu6Backward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapSingleBackward(Unary.Relu6, count, <f32>alpha, x, dy, dx);
}

function softsignBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapSingleBackward(Unary.Softsign, count, <f32>alpha, x, dy, dx);
}

function softplusBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapSingleBackward(Unary.Softplus, count, <f32>alpha, x, dy, dx);
}

function eluBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapDoubleBackward(Unary.Elu, count, alpha, x, dy, dx);
}

function seluBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapDoubleBackward(Unary.Selu, count, alpha, x, dy, dx);
}

function geluBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapDoubleBackward(Unary.Gelu, count, alpha, x, dy, dx);
}

function geluTanhBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapDoubleBackward(Unary.GeluTanh, count, alpha, x, dy, dx);
}

function siluBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapDoubleBackward(Unary.Silu, count, alpha, x, dy, dx);
}

function mishBackward(count: usize, alpha: f64, x: usize, dy: usize, dx: usize): void {
  mapDoubleBackward(Unary.Mish, count, alpha, x, dy, dx);
}

/**
 * y = f(x), element by element. `alpha` is the slope below 0 of LeakyRelu, the half width of HardSigmoid (3 or 2.5), and
 * what Elu's exponential is multiplied by; the others ignore it.
 *
 * Requires: `yPtr` equals `xPtr`, or the two do not overlap.
 * Numerics: LeakyRelu to Softplus in float32, the others in float64 and rounded once. ULP errors over all float32:
 * tests/slow/activation.test.ts.
 */
export function unary_f32(kind: i32, count: usize, alpha: f64, xPtr: usize, yPtr: usize): void {
  assert(kind >= 0 && kind <= Unary.Mish, "unknown activation");
  assert(!((xPtr | yPtr) & 3), "operands are 4-byte aligned");
  if (kind == Unary.LeakyRelu) leakyRelu(count, alpha, xPtr, yPtr);
  else if (kind == Unary.HardSigmoid) hardSigmoid(count, alpha, xPtr, yPtr);
  else if (kind == Unary.HardSwish) hardSwish(count, alpha, xPtr, yPtr);
  else if (kind == Unary.Relu6) relu6(count, alpha, xPtr, yPtr);
  else if (kind == Unary.Softsign) softsign(count, alpha, xPtr, yPtr);
  else if (kind == Unary.Softplus) softplus(count, alpha, xPtr, yPtr);
  else if (kind == Unary.Elu) elu(count, alpha, xPtr, yPtr);
  else if (kind == Unary.Selu) selu(count, alpha, xPtr, yPtr);
  else if (kind == Unary.Gelu) gelu(count, alpha, xPtr, yPtr);
  else if (kind == Unary.GeluTanh) geluTanh(count, alpha, xPtr, yPtr);
  else if (kind == Unary.Silu) silu(count, alpha, xPtr, yPtr);
  else mish(count, alpha, xPtr, yPtr);
}

/**
 * dx = dy·f′(x). The derivative is that of the right side where f has a corner, but of the left side for LeakyRelu, and
 * 0 at the ends of HardSigmoid's ramp and at 0 and 6 for Relu6.
 *
 * Requires: `dxPtr` equals `dyPtr` or `xPtr`, or overlaps neither.
 * Numerics: LeakyRelu to Softplus f′ in float32 and the product rounded, the others in float64 and rounded once.
 */
export function unary_backward_f32(kind: i32, count: usize, alpha: f64, xPtr: usize, dyPtr: usize, dxPtr: usize): void {
  assert(kind >= 0 && kind <= Unary.Mish, "unknown activation");
  assert(!((xPtr | dyPtr | dxPtr) & 3), "operands are 4-byte aligned");
  if (kind == Unary.LeakyRelu) leakyReluBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.HardSigmoid) hardSigmoidBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.HardSwish) hardSwishBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.Relu6) relu6Backward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.Softsign) softsignBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.Softplus) softplusBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.Elu) eluBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.Selu) seluBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.Gelu) geluBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.GeluTanh) geluTanhBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else if (kind == Unary.Silu) siluBackward(count, alpha, xPtr, dyPtr, dxPtr);
  else mishBackward(count, alpha, xPtr, dyPtr, dxPtr);
}
