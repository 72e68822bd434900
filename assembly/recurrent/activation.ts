import { sigmoid, tanh } from "../math";
import { add, mul, On, pmax, pmin, splat, sub, whereLess } from "../simd";
import { Sequence } from "./sequence";

/** Kinds in a sequence's description; GATE_ACTIVATION in src/backend/families/recurrent.ts. */
export const enum Kind {
  Linear,
  Relu,
  Tanh,
  Sigmoid,
  HardSigmoid,
}

/** min(max(slope·x + 0.5, 0), 1); NaN stays NaN. Slopes: 1/6 in Keras 3, 0.2 in Keras 2 and TensorFlow.js. */
// @ts-ignore: decorator
@inline export function hardSigmoid<T>(slope: f32, x: T): T {
  const y = add<T>(mul<T>(splat<T>(slope), x), splat<T>(0.5));
  return pmin<T>(pmax<T>(y, splat<T>(0)), splat<T>(1));
}

/** dy times the derivative of hardSigmoid, from its output y: slope within (0, 1), 0 at and beyond the ends. */
// @ts-ignore: decorator
@inline export function hardSigmoidBackward<T>(slope: f32, y: T, dy: T): T {
  const zero = splat<T>(0);
  return whereLess<T>(zero, y, whereLess<T>(y, splat<T>(1), mul<T>(dy, splat<T>(slope)), zero), zero);
}

/** dy·(1 − y·y). */
// @ts-ignore: decorator
@inline function tanhBackward(y: v128, dy: v128): v128 {
  return mul<v128>(dy, sub<v128>(splat<v128>(1), mul<v128>(y, y)));
}

/** (dy·y)·(1 − y). */
// @ts-ignore: decorator
@inline function sigmoidBackward(y: v128, dy: v128): v128 {
  return mul<v128>(mul<v128>(dy, y), sub<v128>(splat<v128>(1), y));
}

/** Any activation; the usual ones do not come here. */
function anyOf(kind: u32, slope: f32, x: v128): v128 {
  if (kind == Kind.Relu) return pmax<v128>(x, splat<v128>(0));
  if (kind == Kind.Tanh) return tanh<v128>(x);
  if (kind == Kind.Sigmoid) return sigmoid<v128>(x);
  if (kind == Kind.HardSigmoid) return hardSigmoid<v128>(slope, x);
  return x;
}

function anyBackward(kind: u32, slope: f32, y: v128, dy: v128): v128 {
  if (kind == Kind.Relu) return whereLess<v128>(splat<v128>(0), y, dy, splat<v128>(0));
  if (kind == Kind.Tanh) return tanhBackward(y, dy);
  if (kind == Kind.Sigmoid) return sigmoidBackward(y, dy);
  if (kind == Kind.HardSigmoid) return hardSigmoidBackward<v128>(slope, y, dy);
  return dy;
}

/** Whether gates are sigmoid and the rest is tanh: loops of their own, without a choice inside. */
// @ts-ignore: decorator
@inline export function isUsual(sequence: Sequence): bool {
  return sequence.activation == Kind.Tanh && sequence.recurrentActivation == Kind.Sigmoid;
}

// `Usual` is On or Off.

/** The activation of a gate. */
// @ts-ignore: decorator
@inline export function gate<Usual>(sequence: Sequence, x: v128): v128 {
  if (isInteger<Usual>()) return sigmoid<v128>(x);
  return anyOf(sequence.recurrentActivation, sequence.slope, x);
}

// @ts-ignore: decorator
@inline export function gateBackward<Usual>(sequence: Sequence, y: v128, dy: v128): v128 {
  if (isInteger<Usual>()) return sigmoidBackward(y, dy);
  return anyBackward(sequence.recurrentActivation, sequence.slope, y, dy);
}

/** The activation of the candidate and of the cell. */
// @ts-ignore: decorator
@inline export function squash<Usual>(sequence: Sequence, x: v128): v128 {
  if (isInteger<Usual>()) return tanh<v128>(x);
  return anyOf(sequence.activation, sequence.slope, x);
}

// @ts-ignore: decorator
@inline export function squashBackward<Usual>(sequence: Sequence, y: v128, dy: v128): v128 {
  if (isInteger<Usual>()) return tanhBackward(y, dy);
  return anyBackward(sequence.activation, sequence.slope, y, dy);
}
