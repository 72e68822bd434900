import { log } from "./backend/js/math.js";

/**
 * A seeded stream of random numbers that is the same in every engine: integer arithmetic, and for `normal` the
 * project's own logarithm.
 *
 * @see Blackman & Vigna, "Scrambled linear pseudorandom number generators" (xoshiro128**), seeded by SplitMix32
 */
export class Random {
  readonly #state = new Uint32Array(4);
  #spare: number | undefined;

  constructor(seed: number) {
    let counter = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      counter = (counter + 0x9e3779b9) >>> 0;
      let z = Math.imul(counter ^ (counter >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#state[i] = z ^ (z >>> 15);
    }
  }

  /** The state of the stream, without a number that `normal` keeps for later. Assign it to continue from there. */
  get position(): Uint32Array {
    return this.#state.slice();
  }

  set position(words: ArrayLike<number>) {
    this.#state.set(words);
  }

  /** Uniform integer in [0, 2³²). */
  uint32(): number {
    return this.int32() >>> 0;
  }

  /** The same 32 bits as a signed integer, which engines need not box. */
  int32(): number {
    const s = this.#state;
    const product = Math.imul(s[1]!, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** Uniform integer in [0, bound), without bias; bound from 1 to 2³². */
  below(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % bound;
    }
  }

  /** Uniform float32 in [0, 1), a multiple of 2⁻²⁴. */
  uniform(): number {
    return (this.uint32() >>> 8) * 2 ** -24;
  }

  /** Standard normal, by Marsaglia's polar method. */
  normal(): number {
    const spare = this.#spare;
    if (spare !== undefined) {
      this.#spare = undefined;
      return spare;
    }
    for (;;) {
      const u = 2 * this.uniform() - 1;
      const v = 2 * this.uniform() - 1;
      const s = u * u + v * v;
      if (s === 0 || s >= 1) continue;
      const radius = Math.sqrt((-2 * log(Math.fround(s))) / s);
      this.#spare = v * radius;
      return u * radius;
    }
  }

  /** Shuffles in place, every order equally likely (Fisher–Yates). */
  shuffle(values: Uint32Array): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const value = values[i]!;
      values[i] = values[j]!;
      values[j] = value;
    }
  }
}
