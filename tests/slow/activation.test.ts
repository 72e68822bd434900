import { describe, expect, inject, it } from "vitest";
import { UNARY, type UnaryActivation } from "../../src/backend/unary.js";
import { REFERENCES } from "../helpers/activations.js";
import { createBackend } from "../helpers/conformance.js";

// Every float32 there is: 4096 chunks of 2²⁰ neighboring bit patterns, each of one sign.
const CHUNK = 2 ** 20;
const X_PTR = 65536;
const ONES_PTR = X_PTR + 4 * CHUNK;
const Y_PTR = ONES_PTR + 4 * CHUNK;
/** Below it every one of these functions is a straight line to within 2⁻²⁵ of its value, and its derivative constant. */
const TINY = 2 ** -26;

/** 1 / ulp of float32, by the biased exponent of a float64. */
const ULPS = Float64Array.from({ length: 2048 }, (_, exponent) => 2 ** (23 - Math.max(-126, exponent - 1023)));
/** 1 in `npm run test:full`. */
const stride = inject("stride");
const cast = new Float64Array(1);
const castWords = new Uint32Array(cast.buffer);

/** Error in ulp; NaN and the infinities must be met. */
function ulpError(y: number, reference: number): number {
  if (!Number.isFinite(y) || !Number.isFinite(reference)) {
    return Object.is(y, Math.fround(reference)) ? 0 : Number.POSITIVE_INFINITY;
  }
  cast[0] = reference;
  return Math.abs(y - reference) * ULPS[(castWords[1]! >>> 20) & 0x7ff]!;
}

describe("every float32", () => {
  const { memory, kernels } = createBackend("simd");
  if (!memory.grow(Y_PTR + 4 * CHUNK)) throw new Error("no memory");
  const x = new Float32Array(memory.buffer, X_PTR, CHUNK);
  const xBits = new Int32Array(memory.buffer, X_PTR, CHUNK);
  const y = new Float32Array(memory.buffer, Y_PTR, CHUNK);
  new Float32Array(memory.buffer, ONES_PTR, CHUNK).fill(1);

  /**
   * Which elements of a chunk are compared: where the function is curved all of them, or in the shorter run every
   * `stride`-th; where it is a straight line or constant, every 97th, whose neighbors do not differ by more.
   */
  function stepOf(reference: (x: number) => number): number {
    const [first, last] = [x[0]!, x[CHUNK - 1]!];
    if (Math.abs(last) < TINY) return 97;
    const [low, high] = [reference(first), reference(last)];
    const isLine = Object.is(low, first) && Object.is(high, last);
    return isLine || Object.is(Math.fround(low), Math.fround(high)) || Number.isNaN(high) ? 97 : stride;
  }

  /** Derivatives of NaN are not compared: some have a value there. */
  function worstError(what: "value" | "slope", run: () => void, reference: (x: number) => number) {
    let worst = 0;
    let where = 0;
    for (let chunk = 0; chunk < 4096; chunk++) {
      for (let i = 0; i < CHUNK; i++) xBits[i] = chunk * CHUNK + i;
      run();
      const step = stepOf(reference);
      for (let i = 0; i < CHUNK; i += step) {
        const xi = x[i]!;
        if (what === "slope" && Number.isNaN(xi)) continue;
        const error = ulpError(y[i]!, reference(xi));
        if (!(error <= worst)) [worst, where] = [error, xi];
      }
    }
    return { worst, where };
  }

  for (const name of Object.keys(UNARY) as UnaryActivation[]) {
    const kind = UNARY[name];
    const { alpha, value, slope, ulp } = REFERENCES[name];
    const run = {
      value: () => kernels.unary_f32(kind, CHUNK, alpha, X_PTR, Y_PTR),
      slope: () => kernels.unary_backward_f32(kind, CHUNK, alpha, X_PTR, ONES_PTR, Y_PTR),
    };
    for (const [what, reference] of Object.entries({ value, slope }) as ["value" | "slope", typeof value][]) {
      it(`${name}, ${what}, is within ${ulp[what]} ulp`, { timeout: 1_800_000 }, () => {
        const { worst, where } = worstError(what, run[what], reference);
        console.info(`${name}, ${what}: at most ${worst.toFixed(4)} ulp off, near ${where}`);
        expect(worst).toBeLessThanOrEqual(ulp[what]);
      });
    }
  }
});
