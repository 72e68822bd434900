import type { CallNumber, KernelArguments, Operand } from "./family.js";

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

/** Bytes of its words. */
const WORDS_BYTES = 76;

/** Bytes that a window takes: its words, and what `…_scratch_bytes` work with. */
export const WINDOW_BYTES = 640;

/** A word of the window that argument 0 is the address of. */
export const windowWord = (args: KernelArguments, words: Int32Array, index: number): number =>
  words[(args[0]! >>> 2) + index]!;

/** A number of the window by name. */
export const windowNumber = (args: KernelArguments, words: Int32Array, name: keyof typeof WINDOW): number =>
  windowWord(args, words, WINDOW[name]);

/**
 * The operands of a call whose argument 0 is a window and which computes units `args[1]` … `args[1] + args[2] − 1` of the
 * result that `argument` is the address of.
 *
 * @param floats elements of a unit
 */
export const windowOperands = (argument: number, floats: CallNumber): readonly Operand[] => [
  { argument: 0, use: "read", bytes: () => WORDS_BYTES },
  {
    argument,
    use: "write",
    offset: (args, words) => 4 * args[1]! * floats(args, words),
    bytes: (args, words) => 4 * args[2]! * floats(args, words),
  },
];

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
