// Lane helpers. A formula is written once over `T` and instantiated with `v128` (four float32 lanes)
// for the body of a loop and with `f32` for its remainder, so both round alike.

/** float32 lanes in one `T`. */
// @ts-ignore: decorator
@inline export function lanes<T>(): usize {
  return isVector<T>() ? 4 : 1;
}

// @ts-ignore: decorator
@inline export function splat<T>(x: f32): T {
  if (isVector<T>()) return f32x4.splat(x);
  else return x;
}

// @ts-ignore: decorator
@inline export function loadLanes<T>(ptr: usize): T {
  if (isVector<T>()) return v128.load(ptr);
  else return load<f32>(ptr);
}

// @ts-ignore: decorator
@inline export function storeLanes<T>(ptr: usize, x: T): void {
  if (isVector<T>()) v128.store(ptr, x);
  else store<f32>(ptr, x);
}

/** The second of two neighboring Ts. */
// @ts-ignore: decorator
@inline export function loadSecond<T>(ptr: usize): T {
  if (isVector<T>()) return v128.load(ptr, 16);
  else return load<f32>(ptr, 4);
}

// @ts-ignore: decorator
@inline export function storeSecond<T>(ptr: usize, x: T): void {
  if (isVector<T>()) v128.store(ptr, x, 16);
  else store<f32>(ptr, x, 4);
}

// @ts-ignore: decorator
@inline export function add<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.add(a, b);
  else return a + b;
}

// @ts-ignore: decorator
@inline export function sub<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.sub(a, b);
  else return a - b;
}

// @ts-ignore: decorator
@inline export function mul<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.mul(a, b);
  else return a * b;
}

// @ts-ignore: decorator
@inline export function div<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.div(a, b);
  else return a / b;
}

// @ts-ignore: decorator
@inline export function sqrt<T>(a: T): T {
  if (isVector<T>()) return f32x4.sqrt(a);
  else return f32.sqrt(a);
}

// @ts-ignore: decorator
@inline export function neg<T>(a: T): T {
  if (isVector<T>()) return f32x4.neg(a);
  else return -a;
}

// @ts-ignore: decorator
@inline export function abs<T>(a: T): T {
  if (isVector<T>()) return f32x4.abs(a);
  else return f32.abs(a);
}

/** The larger one; NaN if either is. */
// @ts-ignore: decorator
@inline export function max<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.max(a, b);
  else return f32.max(a, b);
}

/** `b < a ? b : a`: one instruction, and a NaN in `a` stays NaN. */
// @ts-ignore: decorator
@inline export function pmin<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.pmin(a, b);
  else return b < a ? b : a;
}

/** `a < b ? b : a`: one instruction, and a NaN in `a` stays NaN. */
// @ts-ignore: decorator
@inline export function pmax<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.pmax(a, b);
  else return a < b ? b : a;
}

/** Tells the binaries apart: whether `madd` may fuse. */
export function is_relaxed(): bool {
  return ASC_FEATURE_RELAXED_SIMD;
}

/** `a < b ? x : y`; a NaN in `a` or `b` gives `y`. */
// @ts-ignore: decorator
@inline export function whereLess<T>(a: T, b: T, x: T, y: T): T {
  if (isVector<T>()) return v128.bitselect(x, y, f32x4.lt(a, b));
  else return a < b ? x : y;
}

/** All bits of a lane where `a == b`, else none; none for a NaN. */
// @ts-ignore: decorator
@inline export function equalBits<T>(a: T, b: T): T {
  if (isVector<T>()) return f32x4.eq(a, b);
  else return reinterpret<f32>(a == b ? -1 : 0);
}

/** The bits of `a` that `b` has not. */
// @ts-ignore: decorator
@inline export function withoutBits<T>(a: T, b: T): T {
  if (isVector<T>()) return v128.andnot(a, b);
  else return reinterpret<f32>(reinterpret<i32>(a) & ~reinterpret<i32>(b));
}

// Lanes seen as 32-bit integers: a `T` that carries bits is still a `T`, and no instruction is spent on the change.

// @ts-ignore: decorator
@inline export function splatBits<T>(bits: i32): T {
  if (isVector<T>()) return i32x4.splat(bits);
  else return reinterpret<f32>(bits);
}

// @ts-ignore: decorator
@inline export function addBits<T>(a: T, b: T): T {
  if (isVector<T>()) return i32x4.add(a, b);
  else return reinterpret<f32>(reinterpret<i32>(a) + reinterpret<i32>(b));
}

// @ts-ignore: decorator
@inline export function subBits<T>(a: T, b: T): T {
  if (isVector<T>()) return i32x4.sub(a, b);
  else return reinterpret<f32>(reinterpret<i32>(a) - reinterpret<i32>(b));
}

// @ts-ignore: decorator
@inline export function andBits<T>(a: T, b: T): T {
  if (isVector<T>()) return v128.and(a, b);
  else return reinterpret<f32>(reinterpret<i32>(a) & reinterpret<i32>(b));
}

// @ts-ignore: decorator
@inline export function orBits<T>(a: T, b: T): T {
  if (isVector<T>()) return v128.or(a, b);
  else return reinterpret<f32>(reinterpret<i32>(a) | reinterpret<i32>(b));
}

// @ts-ignore: decorator
@inline export function xorBits<T>(a: T, b: T): T {
  if (isVector<T>()) return v128.xor(a, b);
  else return reinterpret<f32>(reinterpret<i32>(a) ^ reinterpret<i32>(b));
}

// @ts-ignore: decorator
@inline export function shiftLeftBits<T>(a: T, distance: i32): T {
  if (isVector<T>()) return i32x4.shl(a, distance);
  else return reinterpret<f32>(reinterpret<i32>(a) << distance);
}

/** Arithmetic shift: the sign bit moves in. */
// @ts-ignore: decorator
@inline export function shiftRightBits<T>(a: T, distance: i32): T {
  if (isVector<T>()) return i32x4.shr_s(a, distance);
  else return reinterpret<f32>(reinterpret<i32>(a) >> distance);
}

/** The integer in each lane as a float32. */
// @ts-ignore: decorator
@inline export function floatFromBits<T>(a: T): T {
  if (isVector<T>()) return f32x4.convert_i32x4_s(a);
  else return <f32>reinterpret<i32>(a);
}

/**
 * A flag as a type argument, asked with `isInteger<Flag>()`: decided while compiling. A constant argument of an inlined
 * function is folded only by the optimizer, which may merge the specialized copies again before it does so.
 */
export type On = i32;
export type Off = f32;
