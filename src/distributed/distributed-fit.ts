import type { Evaluation } from "../nn/trainer.js";

/** An epoch that the run has finished. */
export interface DistributedEpoch {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Mean loss over the rows, each taken before its step's update. */
  readonly loss: number;
  readonly validation?: Evaluation;
}

/**
 * A run of `fit`: a promise of the epochs that finished meanwhile, and an iterator over them. It starts at once, and goes
 * on whether its epochs are read or not: the other members do not wait. Leaving a loop over it leaves the group.
 */
export class DistributedFit implements PromiseLike<DistributedEpoch[]>, AsyncIterable<DistributedEpoch> {
  readonly #epochs: DistributedEpoch[] = [];
  readonly #ended: Promise<void>;
  readonly #stop = new AbortController();
  #wake: () => void = () => {};
  #isOver = false;

  /** @internal */
  constructor(train: (emit: (epoch: DistributedEpoch) => void, stop: AbortSignal) => Promise<void>) {
    const emit = (epoch: DistributedEpoch) => {
      this.#epochs.push(epoch);
      this.#wake();
    };
    this.#ended = train(emit, this.#stop.signal).finally(() => {
      this.#isOver = true;
      this.#wake();
    });
    this.#ended.catch(() => {}); // whoever awaits or iterates sees it
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise of its history, as Trainer's fit is
  then<A = DistributedEpoch[], B = never>(
    fulfilled?: ((epochs: DistributedEpoch[]) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#ended.then(() => [...this.#epochs]).then(fulfilled, rejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<DistributedEpoch, void, undefined> {
    try {
      for (let next = 0; ; ) {
        const epoch = this.#epochs[next];
        if (epoch !== undefined) {
          next++;
          yield epoch;
        } else if (this.#isOver) {
          await this.#ended;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      if (!this.#isOver) {
        this.#stop.abort();
        await this.#ended.catch(() => {}); // the loop was left: what became of the rest is not asked
      }
    }
  }
}
