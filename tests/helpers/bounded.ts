// Numbers in float64 that know how far a float32 computation of them may be off, and derivatives of them: an authority
// for forward and backward passes that shares no formula with them but the forward one.

const U = 2 ** -24;
/** What a subnormal result loses. */
const TINY = 2 ** -149;

/** A value, a bound of its error in float32, and after `gradients` its derivative and a bound of that one's error. */
export interface Bounded {
  readonly value: number;
  readonly error: number;
  gradient: number;
  gradientError: number;
  /** How many terms the derivative has, and the sum of their sizes: what bounds the error of any order of adding them. */
  terms: number;
  size: number;
  /** What it was made from, and its derivative by that, with a bound of the derivative's error. */
  readonly parents: readonly { readonly node: Bounded; readonly by: number; readonly byError: number }[];
}

/** Records operations in float64, each of them rounded once in float32; the order of a sum is that of the calls. */
export class Tape {
  readonly #nodes: Bounded[] = [];

  #record(value: number, error: number, parents: Bounded["parents"]): Bounded {
    const node = { value, error, gradient: 0, gradientError: 0, terms: 0, size: 0, parents };
    this.#nodes.push(node);
    return node;
  }

  /** A float32 number, which is exact. */
  leaf(value: number): Bounded {
    return this.#record(value, 0, []);
  }

  add(a: Bounded, b: Bounded): Bounded {
    const value = a.value + b.value;
    const error = a.error + b.error;
    return this.#record(value, error + U * (Math.abs(value) + error), [
      { node: a, by: 1, byError: 0 },
      { node: b, by: 1, byError: 0 },
    ]);
  }

  subtract(a: Bounded, b: Bounded): Bounded {
    const value = a.value - b.value;
    const error = a.error + b.error;
    return this.#record(value, error + U * (Math.abs(value) + error), [
      { node: a, by: 1, byError: 0 },
      { node: b, by: -1, byError: 0 },
    ]);
  }

  multiply(a: Bounded, b: Bounded): Bounded {
    const value = a.value * b.value;
    const error = Math.abs(a.value) * b.error + Math.abs(b.value) * a.error + a.error * b.error;
    return this.#record(value, error + U * (Math.abs(value) + error) + TINY, [
      { node: a, by: b.value, byError: b.error },
      { node: b, by: a.value, byError: a.error },
    ]);
  }

  /**
   * A function with slopes up to `steepest`, `ulps` off, whose derivative is computed in some roundings from its value:
   * `slope` of the value changes at most `bend` times as much as the value does.
   */
  #function(x: Bounded, value: number, slope: number, steepest: number, ulps: number, bend: number): Bounded {
    const error = steepest * x.error;
    const total = error + 2 * ulps * U * (Math.abs(value) + error) + TINY;
    return this.#record(value, total, [{ node: x, by: slope, byError: bend * total + 4 * U * steepest }]);
  }

  tanh(x: Bounded): Bounded {
    const y = Math.tanh(x.value);
    return this.#function(x, y, 1 - y * y, 1, 2, 2);
  }

  sigmoid(x: Bounded): Bounded {
    const y = 1 / (1 + Math.exp(-x.value));
    return this.#function(x, y, y * (1 - y), 0.25, 2, 1);
  }

  relu(x: Bounded): Bounded {
    return this.#function(x, Math.max(x.value, 0), x.value > 0 ? 1 : 0, 1, 0, 0);
  }

  hardSigmoid(x: Bounded, slope: number): Bounded {
    const inner = slope * x.value + 0.5;
    const y = Math.min(Math.max(inner, 0), 1);
    return this.#function(x, y, inner > 0 && inner < 1 ? slope : 0, slope, 2, 0);
  }

  /** Derivatives of Σ weight · node by everything that came before. */
  gradients(outputs: readonly { readonly node: Bounded; readonly weight: number }[]): void {
    for (const { node, weight } of outputs) accumulate(node, weight, 0);
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      const child = this.#nodes[i]!;
      child.gradientError += U * Math.max(child.terms - 1, 0) * child.size;
      const { gradient, gradientError, parents } = child;
      if (gradient === 0 && gradientError === 0) continue;
      for (const { node, by, byError } of parents) {
        const product = gradient * by;
        const error = Math.abs(gradient) * byError + Math.abs(by) * gradientError + gradientError * byError;
        // Two roundings: the product may be made in another association than here.
        accumulate(node, product, error + 2 * U * (Math.abs(product) + error) + TINY);
      }
    }
  }
}

function accumulate(node: Bounded, value: number, error: number): void {
  node.gradient += value;
  node.gradientError += error;
  node.terms++;
  node.size += Math.abs(value) + error;
}
