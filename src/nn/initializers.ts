import type { Random } from "../random.js";

/** Fills a weight matrix: a value for each element, from the layer's fan-in and fan-out. */
export type Initializer = (random: Random, inputs: number, outputs: number) => number;

/**
 * Uniform in [low, high).
 *
 * @example
 * dense(2, 2, { initializer: uniform(-0.1, 0.1) });
 */
export function uniform(low: number, high: number): Initializer {
  return (random) => low + (high - low) * random.uniform();
}

/** Normal with this mean and standard deviation. */
export function normal(mean = 0, standardDeviation = 0.05): Initializer {
  return (random) => mean + standardDeviation * random.normal();
}

/** Uniform in ±√(6 / (inputs + outputs)). @see Glorot & Bengio, AISTATS 2010 */
export function glorotUniform(): Initializer {
  return (random, inputs, outputs) => Math.sqrt(6 / (inputs + outputs)) * (2 * random.uniform() - 1);
}

/** Normal with variance 2 / (inputs + outputs). @see Glorot & Bengio, AISTATS 2010 */
export function glorotNormal(): Initializer {
  return (random, inputs, outputs) => Math.sqrt(2 / (inputs + outputs)) * random.normal();
}

/** Uniform in ±√(6 / inputs). @see He et al., ICCV 2015 */
export function heUniform(): Initializer {
  return (random, inputs) => Math.sqrt(6 / inputs) * (2 * random.uniform() - 1);
}

/** Normal with variance 2 / inputs. @see He et al., ICCV 2015 */
export function heNormal(): Initializer {
  return (random, inputs) => Math.sqrt(2 / inputs) * random.normal();
}

/**
 * A matrix whose columns, or if it is wider than high its rows, are orthonormal: Q of the QR decomposition of a normal
 * matrix, with the signs that make R's diagonal positive. By Householder reflections in float64, from additions,
 * products, quotients and square roots alone: the same bits in every engine.
 *
 * @param gain factor of all elements
 * @see Saxe, McClelland & Ganguli, ICLR 2014
 */
export function orthogonal(gain = 1): Initializer {
  let made: { random: Random; inputs: number; outputs: number; values: Float64Array; next: number } | undefined;
  return (random, inputs, outputs) => {
    const isSame = made?.random === random && made.inputs === inputs && made.outputs === outputs;
    if (made === undefined || !isSame || made.next === made.values.length) {
      made = { random, inputs, outputs, values: orthogonalMatrix(random, inputs, outputs), next: 0 };
    }
    return gain * made.values[made.next++]!;
  };
}

/** Orthonormal columns or rows, [rows, columns]. */
function orthogonalMatrix(random: Random, rows: number, columns: number): Float64Array {
  const long = Math.max(rows, columns);
  const short = Math.min(rows, columns);
  // Column j of the matrix, and then its reflection, is a[j·long …].
  const a = Float64Array.from({ length: long * short }, () => random.normal());
  const signs = new Float64Array(short);
  for (let j = 0; j < short; j++) {
    const v = a.subarray(j * long + j, (j + 1) * long);
    const norm = Math.sqrt(dot(v, v));
    signs[j] = v[0]! < 0 ? 1 : -1; // the sign of R's diagonal
    v[0] = v[0]! - signs[j]! * norm;
    for (let k = j + 1; k < short; k++) reflect(v, a.subarray(k * long + j, (k + 1) * long));
  }
  const q = new Float64Array(long * short);
  for (let k = 0; k < short; k++) {
    const column = q.subarray(k * long, (k + 1) * long);
    column[k] = signs[k]!;
    for (let j = k; j >= 0; j--) reflect(a.subarray(j * long + j, (j + 1) * long), column.subarray(j));
  }
  if (rows < columns) return q; // its rows are one after the other
  return Float64Array.from({ length: long * short }, (_, i) => q[(i % columns) * long + Math.floor(i / columns)]!);
}

/** x ← x − 2·v·(v·x)/(v·v). */
function reflect(v: Float64Array, x: Float64Array): void {
  const square = dot(v, v);
  if (square === 0) return;
  const factor = (2 * dot(v, x)) / square;
  for (let i = 0; i < v.length; i++) x[i] = x[i]! - factor * v[i]!;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
