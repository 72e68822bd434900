/** Bytes of a window's words. The HEAD_BYTES behind them are working space of the `…_scratch_bytes`. */
export const WINDOW_BYTES: usize = 80;
/** Bytes of the structs that stand at the beginning of scratch. */
export const HEAD_BYTES: usize = 512;

/**
 * What the kernels of convolution and pooling take by address: words that the host writes once (WINDOW in
 * src/backend/window.ts). Images are NHWC float32, x of [batch, inHeight, inWidth, inChannels] and y of [batch, outHeight,
 * outWidth, outChannels]. Output (oy, ox) sees x at (oy·stride − pad + ky·dilation, …) for every (ky, kx) of the window;
 * what is outside x counts as +0, so every padding and every size of y can be told.
 */
@unmanaged
export class Window {
  batch: u32;
  inHeight: i32;
  inWidth: i32;
  inChannels: u32;
  outHeight: i32;
  outWidth: i32;
  outChannels: u32;
  kernelHeight: i32;
  kernelWidth: i32;
  strideHeight: i32;
  strideWidth: i32;
  dilationHeight: i32;
  dilationWidth: i32;
  padTop: i32;
  padLeft: i32;
  groups: u32;
  /** What the `…_scratch_bytes` have returned: threads cut scratch by it. */
  forwardScratch: u32;
  inputScratch: u32;
  weightScratch: u32;
}

/** Asserts what every kernel requires of a window. */
export function check(w: Window): void {
  assert(w.kernelHeight > 0 && w.kernelWidth > 0, "a window has at least one element");
  assert(w.strideHeight > 0 && w.strideWidth > 0, "strides are positive");
  assert(w.dilationHeight > 0 && w.dilationWidth > 0, "dilations are positive");
  assert(w.groups && !(w.inChannels % w.groups) && !(w.outChannels % w.groups), "groups divide the channels");
}

// @ts-ignore: decorator
@inline export function windowAt(ptr: usize): Window {
  return changetype<Window>(ptr);
}
