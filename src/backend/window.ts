/**
 * The words of a window in linear memory, as assembly/conv/window.ts reads them: what a convolution or a pooling does to
 * its images. `pad…` may be anything that fits 32 bits, so every padding rule can be told with the output's size.
 */
export const WINDOW = {
  batch: 0,
  inHeight: 1,
  inWidth: 2,
  inChannels: 3,
  outHeight: 4,
  outWidth: 5,
  outChannels: 6,
  kernelHeight: 7,
  kernelWidth: 8,
  strideHeight: 9,
  strideWidth: 10,
  dilationHeight: 11,
  dilationWidth: 12,
  padTop: 13,
  padLeft: 14,
  groups: 15,
} as const;

/** The numbers of a window by name. */
export type Window = { readonly [Name in keyof typeof WINDOW]: number };

/** Where `…_scratch_bytes` leave what they return, in words: for y, for the input's gradient, for the weight's. */
export const WINDOW_SCRATCH = { forward: 16, input: 17, weight: 18 } as const;

/** Bytes that a window takes: its words, and what `…_scratch_bytes` work with. */
export const WINDOW_BYTES = 640;

/** Writes a window at an address. `…_scratch_bytes` are to be asked anew. */
export function writeWindow(words: Int32Array, ptr: number, window: Window): void {
  const at = ptr >>> 2;
  for (const [name, word] of Object.entries(WINDOW)) words[at + word] = window[name as keyof Window];
  for (const word of Object.values(WINDOW_SCRATCH)) words[at + word] = 0;
}

/** Reads them. */
export function readWindow(words: Int32Array, ptr: number): Window {
  const at = ptr >>> 2;
  return Object.fromEntries(
    Object.entries(WINDOW).map(([name, word]) => [name, words[at + word]!]),
  ) as unknown as Window;
}
