import type { CoreKernels } from "../../families/core.js";
import { AT_ONCE, compileBy, MARKS, sideOf } from "./revectorize.js";
import { product, SIZE, warmUpCore } from "./warm-up.js";
import { SCRATCH } from "./warm-up-steps.js";

/** The least gain that counts: what is measured below is steady to a few percent. */
const LEAST_GAIN = 1.15;
const SAMPLES = 40;

/**
 * Runs the widened module beside the 128-bit one: the same bits or it throws, and faster or it throws. Returns how much
 * faster. Relaxed modules may differ in the last bits: they are measured alone.
 *
 * @param narrowBytes the 128-bit binary; optimized by the same compiler, so that only the width differs
 * @param memory says whether the modules import a shared one; not touched
 * @param now a clock in milliseconds
 */
export function proveWide(
  wide: WebAssembly.Module,
  narrowBytes: Uint8Array,
  memory: WebAssembly.Memory,
  now = () => performance.now(),
): number {
  const narrow = compileBy([AT_ONCE], narrowBytes, MARKS.narrow, warmUpCore, memory);
  const sides = [sideOf(wide, memory), sideOf(narrow, memory)] as const;
  if (!(sides[0].exports as { is_relaxed: () => number }).is_relaxed()) {
    for (const side of sides) warmUpCore(side.exports, side.memory);
    const [a, b] = sides.map((side) => new Int32Array(side.memory.buffer, 0, SCRATCH / 4));
    if (a!.some((bits, i) => bits !== b![i])) throw new Error("its bits differ from the 128-bit kernels'");
  }
  const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY] as [number, number];
  for (let sample = 0; sample < SAMPLES; sample++) {
    for (const [i, { exports }] of sides.entries()) {
      const start = now();
      product(exports as unknown as CoreKernels, SIZE, 2 * SIZE, SIZE);
      best[i] = Math.min(best[i]!, now() - start);
    }
  }
  const gain = best[1] / best[0];
  if (!(gain >= LEAST_GAIN)) throw new Error(`it ran at ${gain.toFixed(2)} × the speed of the 128-bit kernels`);
  return gain;
}
