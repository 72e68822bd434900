import { Random } from "../random.js";

/** Which rows a micro-batch has: a function of the run's options, the step and the index alone. */
export class Order {
  /** Rows of the data. */
  readonly rows: number;
  readonly #batchSize: number;
  readonly #microBatches: number;
  readonly #shuffle: boolean;
  readonly #seed: number;
  #epoch = -1;
  readonly #order: Uint32Array;

  constructor(rows: number, batchSize: number, microBatches: number, shuffle: boolean, seed: number) {
    this.rows = rows;
    this.#batchSize = batchSize;
    this.#microBatches = microBatches;
    this.#shuffle = shuffle;
    this.#seed = seed;
    this.#order = new Uint32Array(rows);
  }

  /** Steps an epoch; the last step's batch may be smaller. */
  get stepsPerEpoch(): number {
    return Math.ceil(this.rows / this.#batchSize);
  }

  /** Rows of a step's batch. */
  rowsOf(step: number): number {
    const first = (step % this.stepsPerEpoch) * this.#batchSize;
    return Math.min(this.#batchSize, this.rows - first);
  }

  /** The rows of a micro-batch; none if the batch has fewer rows than there are micro-batches. */
  indices(step: number, index: number): Uint32Array {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    if (epoch !== this.#epoch) this.#arrange(epoch);
    const first = (step % this.stepsPerEpoch) * this.#batchSize;
    const rows = this.rowsOf(step);
    const cut = (i: number) => first + Math.floor((rows * i) / this.#microBatches);
    return this.#order.slice(cut(index), cut(index + 1));
  }

  #arrange(epoch: number): void {
    for (let i = 0; i < this.rows; i++) this.#order[i] = i;
    if (this.#shuffle) new Random(mixSeed(this.#seed, epoch, -1)).shuffle(this.#order);
    this.#epoch = epoch;
  }
}

/** A seed of 32 bits from the run's seed, a step and a micro-batch, as a signed integer. */
export function mixSeed(seed: number, step: number, index: number): number {
  let h = seed | 0;
  for (const word of [step, index]) {
    h = Math.imul(h ^ word ^ (h >>> 16), 0x21f0aaad);
    h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
    h = (h ^ (h >>> 15)) + 0x9e3779b9;
  }
  return h | 0;
}
