import { bytesOf, canonical, digestOf, digestOfValues } from "../../../src/distributed/digest.js";
import { joinBytes, valuesOf } from "../../../src/distributed/packets.js";
import type { Position, Work } from "../../../src/distributed/protocol/environment.js";
import { add, type Block, leavesIn, PartialSums, wholeTree } from "../../../src/distributed/tree.js";
import { Random } from "../../../src/random.js";

/** Computes a leaf later; the world decides when. */
export type Schedule = (action: () => void) => void;

const SIZE = 5;

/**
 * A model of five parameters whose gradients depend on parameters, step and micro-batch, with values of many
 * magnitudes, so that a sum in another order has other bits. With `spoiled` each member adds something of its own, as
 * DiLoCo's slots may when they move: then only committed sums keep members equal.
 */
export class SimulatedWork implements Work {
  readonly leaves: number;
  readonly largestBlock: number;
  readonly pure: boolean;
  readonly length = SIZE;
  readonly #schedule: Schedule;
  readonly #seed: number;
  readonly #spoil: number;
  target: number;
  step = 0;
  /** Leaves one after the other from the last on, instead of in the tree's order. */
  addsInReverse = false;
  #parameters: Float32Array = new Float32Array(SIZE).fill(0.5);
  #velocity: Float32Array = new Float32Array(SIZE);

  constructor(seed: number, leaves: number, target: number, schedule: Schedule, spoil = 0) {
    this.#seed = seed;
    this.leaves = leaves;
    this.target = target;
    this.pure = spoil === 0;
    this.largestBlock = this.pure ? wholeTree(leaves).size : 1;
    this.#schedule = schedule;
    this.#spoil = spoil;
  }

  get start(): Position {
    return { step: 0, chain: `run ${this.#seed} ${this.leaves}` };
  }

  leaf(step: number, index: number): Float32Array {
    const random = new Random((this.#seed ^ Math.imul(step, 7919) ^ Math.imul(index + 1, 104729)) >>> 0);
    return this.#parameters.map((p, i) => {
      const noise = random.normal() * 2 ** Math.floor(random.uniform() * 24 - 12);
      return p * (i + 1) + noise + this.#spoil;
    });
  }

  compute(step: number, block: Block, cancelled: () => boolean, done: (sum: Uint8Array | undefined) => void): void {
    const sums = new PartialSums(leavesIn(block, this.leaves));
    const next = (index: number): void => {
      this.#schedule(() => {
        if (cancelled()) return done(undefined);
        if (step !== this.step) throw new Error(`computes step ${step} with the parameters of step ${this.step}`);
        sums.add({ first: index, size: 1 }, this.leaf(step, block.first + index));
        const total = sums.total && this.addsInReverse ? this.#reversed(step, block) : sums.total;
        if (total === undefined) next(index + 1);
        else done(bytesOf(canonical(total)));
      });
    };
    next(0);
  }

  #reversed(step: number, block: Block): Float32Array {
    let sum: Float32Array = new Float32Array(SIZE);
    for (let i = leavesIn(block, this.leaves) - 1; i >= 0; i--) sum = add(sum, this.leaf(step, block.first + i));
    return sum;
  }

  decode(sum: Uint8Array): Float32Array | undefined {
    return sum.length === 4 * SIZE ? valuesOf(sum) : undefined;
  }

  encodeRoot(sum: Float32Array): Uint8Array {
    return bytesOf(canonical(sum));
  }

  apply(step: number, root: Uint8Array): void {
    if (step !== this.step) throw new Error(`applies step ${step} at step ${this.step}`);
    const sum = valuesOf(root);
    for (let i = 0; i < SIZE; i++) {
      this.#velocity[i] = Math.fround(0.9 * this.#velocity[i]!) + sum[i]! / this.leaves;
      this.#parameters[i] = this.#parameters[i]! - 0.01 * this.#velocity[i]!;
    }
    this.step++;
  }

  get digest(): string {
    return digestOf(this.save());
  }

  digests(): Record<string, string> {
    return { parameters: digestOfValues(this.#parameters), velocity: digestOfValues(this.#velocity) };
  }

  save(): Uint8Array {
    const step = bytesOf(Uint32Array.of(this.step));
    return joinBytes([step, bytesOf(canonical(this.#parameters)), bytesOf(canonical(this.#velocity))]).slice();
  }

  load(bytes: Uint8Array): void {
    this.step = new Uint32Array(bytes.slice(0, 4).buffer)[0]!;
    this.#parameters = valuesOf(bytes.subarray(4, 4 + 4 * SIZE));
    this.#velocity = valuesOf(bytes.subarray(4 + 4 * SIZE));
  }
}

/** The digest after each step of a run that one process makes, the blocks whole: what every cluster must reach. */
export function reference(seed: number, leaves: number, target: number): string[] {
  const work = new SimulatedWork(seed, leaves, target, (action) => action());
  const digests = [work.digest];
  for (let step = 0; step < target; step++) {
    work.compute(
      step,
      wholeTree(leaves),
      () => false,
      (sum) => work.apply(step, work.encodeRoot(valuesOf(sum!))),
    );
    digests.push(work.digest);
  }
  return digests;
}
