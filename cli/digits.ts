import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import type { Digits } from "../examples/digits/data.js";

/** Pixels of an image, 14 × 14, and the gray of a white one. scripts/digits.mjs writes the file. */
const PIXELS = 14 * 14;
const WHITE = 7;
/** The share that is held out for the test. */
const HELD_OUT = 0.2;

/** The digits that come with the command: a byte for each label, then one for each pixel. Every tenth is of one kind. */
export function loadDigits(file: URL): { train: Digits; test: Digits } {
  const bytes = new Uint8Array(brotliDecompressSync(readFileSync(file)));
  const count = bytes.length / (1 + PIXELS);
  const take = (from: number, to: number): Digits => ({
    count: to - from,
    images: Float32Array.from(bytes.subarray(count + from * PIXELS, count + to * PIXELS), (gray) => gray / WHITE),
    labels: bytes.slice(from, to),
  });
  const held = count * (1 - HELD_OUT);
  return { train: take(0, held), test: take(held, count) };
}
