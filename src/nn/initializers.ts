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
