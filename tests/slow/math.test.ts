import { describe, expect, it } from "vitest";
import { ACTIVATION } from "../../src/backend/backend.js";
import * as js from "../../src/backend/js/math.js";
import { type AllKernels, createBackend } from "../helpers/conformance.js";

// Every float32 there is: 4096 chunks of 2²⁰ neighboring bit patterns, each of one sign.
const CHUNK = 2 ** 20;
const X_PTR = 65536;
const Y_PTR = X_PTR + 4 * CHUNK;
const REMAINDER = 3;
const REMAINDER_PTR = Y_PTR + 4 * CHUNK;

interface ElementaryFunction {
  run(kernels: AllKernels, count: number, xPtr: number, yPtr: number): void;
  /** In float64; monotone among the negative and among the positive numbers. */
  reference(x: number): number;
  js(x: number): number;
  /** A bound of |f(x) − x| / |x|, for functions that are the identity near 0. */
  identityError?(x: number): number;
  /** The error that the docstring states. */
  stated: number;
}

const FUNCTIONS: Record<string, ElementaryFunction> = {
  exp: {
    run: (kernels, count, xPtr, yPtr) => kernels.exp_f32(count, xPtr, yPtr),
    reference: Math.exp,
    js: js.exp,
    stated: 0.913,
  },
  log: {
    run: (kernels, count, xPtr, yPtr) => kernels.log_f32(count, xPtr, yPtr),
    reference: Math.log,
    js: js.log,
    stated: 0.904,
  },
  tanh: {
    run: (kernels, count, xPtr, yPtr) => kernels.activation_f32(ACTIVATION.tanh, count, xPtr, yPtr),
    reference: Math.tanh,
    js: js.tanh,
    identityError: (x) => (x * x) / 3, // x − x³/3 < tanh x < x for x > 0
    stated: 1.316,
  },
  sigmoid: {
    run: (kernels, count, xPtr, yPtr) => kernels.activation_f32(ACTIVATION.sigmoid, count, xPtr, yPtr),
    reference(x) {
      const e = Math.exp(-Math.abs(x));
      return (x < 0 ? e : 1) / (1 + e);
    },
    js: js.sigmoid,
    stated: 1.661,
  },
};

/** 1 / ulp of float32, by the biased exponent of a float64. */
const ULPS = Float64Array.from({ length: 2048 }, (_, exponent) => 2 ** (23 - Math.max(-126, exponent - 1023)));
const cast = new Float64Array(1);
const castWords = new Uint32Array(cast.buffer);

function ulpsPerUnit(reference: number): number {
  cast[0] = reference;
  return ULPS[(castWords[1]! >>> 20) & 0x7ff]!;
}

/** Error in ulp; NaN and the infinities must be met, an overflow where the reference rounds to it. */
function ulpError(y: number, reference: number): number {
  if (Number.isFinite(y) && Number.isFinite(reference)) return Math.abs(y - reference) * ulpsPerUnit(reference);
  return Object.is(y, Math.fround(reference)) ? 0 : Number.POSITIVE_INFINITY;
}

describe("every float32", () => {
  const { memory, kernels } = createBackend("simd");
  if (!memory.grow(REMAINDER_PTR + 4 * REMAINDER)) throw new Error("no memory");
  const x = new Float32Array(memory.buffer, X_PTR, CHUNK);
  const xBits = new Int32Array(memory.buffer, X_PTR, CHUNK);
  const y = new Float32Array(memory.buffer, Y_PTR, CHUNK);
  const yBits = new Int32Array(memory.buffer, Y_PTR, CHUNK);
  const remainder = new Float32Array(memory.buffer, REMAINDER_PTR, REMAINDER);

  /** All outputs are one and the same value, or all are NaN. */
  function isConstant(): boolean {
    const first = yBits[0]!;
    const nothing = Number.isNaN(y[0]!);
    for (let i = 1; i < CHUNK; i++) if (nothing ? !Number.isNaN(y[i]!) : yBits[i] !== first) return false;
    return true;
  }

  function isIdentity(): boolean {
    for (let i = 0; i < CHUNK; i++) if (yBits[i] !== xBits[i]) return false;
    return true;
  }

  /** The largest error in the chunk, in ulp, or an upper bound of it where one is proven cheaply. */
  function chunkError({ reference, identityError }: ElementaryFunction): number {
    const last = CHUNK - 1;
    if (isConstant()) {
      // A monotone reference is nowhere in the chunk farther from a constant than at one of the ends.
      const [low, high] = [reference(x[0]!), reference(x[last]!)];
      const ends = Math.max(ulpError(y[0]!, low), ulpError(y[0]!, high));
      if (ends === 0 || !Number.isFinite(ends)) return ends;
      const distance = Math.max(Math.abs(y[0]! - low), Math.abs(y[0]! - high));
      return distance * Math.max(ulpsPerUnit(low), ulpsPerUnit(high));
    }
    if (identityError && Math.abs(x[last]!) < 2 ** -12 && isIdentity()) return identityError(x[last]!) * 2 ** 24;
    let worst = 0;
    for (let i = 0; i < CHUNK; i++) {
      const error = ulpError(y[i]!, reference(x[i]!));
      if (error > worst) worst = error;
    }
    return worst;
  }

  /** Compares the JavaScript bits on every 97th pattern, and on all of them next to the ends of the chunk. */
  function compareJs(name: string, of: (x: number) => number): void {
    const compare = (i: number) => {
      const value = Math.fround(of(x[i]!));
      if (!Object.is(value, y[i])) expect.fail(`${name}(${x[i]}) is ${value} in JavaScript, ${y[i]} in Wasm`);
    };
    for (let i = 0; i < CHUNK; i += 97) compare(i);
    for (let i = 0; i < 128; i++) {
      compare(i);
      compare(CHUNK - 1 - i);
    }
  }

  /** Compares the bits of the scalar remainder with those of the vectors, on three in every 291 patterns. */
  function compareRemainder(name: string, run: ElementaryFunction["run"]): void {
    for (let i = 0; i + REMAINDER <= CHUNK; i += 97 * REMAINDER) {
      run(kernels, REMAINDER, X_PTR + 4 * i, REMAINDER_PTR);
      for (let k = 0; k < REMAINDER; k++) {
        if (Object.is(remainder[k], y[i + k])) continue;
        expect.fail(`${name}(${x[i + k]}) is ${remainder[k]} in the remainder, ${y[i + k]} in a vector`);
      }
    }
  }

  for (const [name, definition] of Object.entries(FUNCTIONS)) {
    it(`${name} is within 2 ulp, and the same in the remainder and in JavaScript`, { timeout: 600_000 }, () => {
      let worst = 0;
      let where = 0;
      for (let chunk = 0; chunk < 4096; chunk++) {
        for (let i = 0; i < CHUNK; i++) xBits[i] = chunk * CHUNK + i;
        definition.run(kernels, CHUNK, X_PTR, Y_PTR);
        const error = chunkError(definition);
        if (error > worst) {
          worst = error;
          where = x[0]!;
        }
        compareJs(name, definition.js);
        compareRemainder(name, definition.run);
      }
      console.info(`${name}: at most ${worst.toFixed(4)} ulp off, near ${where}`);
      expect(worst).toBeLessThanOrEqual(2);
      expect(worst, "the error that the docstring states").toBeLessThanOrEqual(definition.stated);
      expect(worst).toBeGreaterThan(definition.stated - 0.01);
    });
  }
});
