import { Window } from "../conv/window";

/** The first tap whose position `start + tap·dilation` is not below `limit`. */
// @ts-ignore: decorator
@inline function tapAt(start: i32, dilation: i32, limit: i32): i32 {
  return limit <= start ? 0 : (limit - start + dilation - 1) / dilation;
}

/** Position of the first tap inside, of an output at `out`. */
// @ts-ignore: decorator
@inline export function firstInside(out: i32, stride: i32, pad: i32, dilation: i32): i32 {
  const start = out * stride - pad;
  return start + tapAt(start, dilation, 0) * dilation;
}

/** How many taps are inside. */
// @ts-ignore: decorator
@inline export function countInside(out: i32, stride: i32, pad: i32, dilation: i32, taps: i32, size: i32): i32 {
  const start = out * stride - pad;
  return max(min(tapAt(start, dilation, size), taps) - tapAt(start, dilation, 0), 0);
}

/** Asserts what every kernel requires of a window. */
export function checkPool(w: Window): void {
  assert(w.kernelHeight > 0 && w.kernelWidth > 0, "a window has at least one element");
  assert(w.strideHeight > 0 && w.strideWidth > 0, "strides are positive");
  assert(w.dilationHeight > 0 && w.dilationWidth > 0, "dilations are positive");
  assert(w.inChannels == w.outChannels, "pooling keeps the channels");
}
