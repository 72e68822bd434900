import { expect } from "vitest";
import type { Operands } from "./conformance.js";

/** Sums of products in float64, and what bounds the error of the same sums in float32, one product after the other. */
export class Sums {
  readonly #sums: Float64Array;
  readonly #magnitudes: Float64Array;
  readonly #unit: number;

  /** @param terms the most products of one sum */
  constructor(count: number, terms: number) {
    this.#sums = new Float64Array(count);
    this.#magnitudes = new Float64Array(count);
    const unit = (terms + 1) * 2 ** -24;
    this.#unit = unit / (1 - unit);
  }

  add(at: number, product: number): void {
    this.#sums[at]! += product;
    this.#magnitudes[at]! += Math.abs(product);
  }

  /** Fails unless every sum is within its bound, or equal where `isExact`. */
  expect(what: string, actual: ArrayLike<number>, isExact = false): void {
    expect(actual.length, what).toBe(this.#sums.length);
    for (const [i, sum] of this.#sums.entries()) {
      const bound = isExact ? 0 : this.#unit * this.#magnitudes[i]!;
      if (!(Math.abs(actual[i]! - sum) <= bound))
        expect.fail(`${what}[${i}] is ${actual[i]}; expected ${sum} ± ${bound}`);
    }
  }
}

/** The same for several operands. */
export function expectSums(what: string, sums: Record<string, Sums>, after: Operands, isExact = false): void {
  for (const [key, each] of Object.entries(sums)) each.expect(`${what}: ${key}`, after[key]!, isExact);
}
