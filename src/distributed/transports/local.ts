import { OptionError } from "../../errors.js";
import type { Description } from "../description.js";
import { startOf } from "../description.js";
import { type Group, type GroupEvents, Listeners, type Session, type SessionListener } from "../group.js";
import type { Position, Work } from "../protocol/environment.js";
import { advance } from "../protocol/history.js";
import { type Block, PartialSums, wholeTree } from "../tree.js";

/**
 * A group of one process, without a server. It has the same order of sums, so a run has the same bits here and with any
 * number of members elsewhere.
 *
 * @example
 * const distributed = new DistributedTrainer(trainer, new LocalGroup(), { microBatches: 16 });
 */
export class LocalGroup implements Group {
  readonly id = "local";
  readonly run = "local";
  readonly members = Object.freeze(["local"]);
  readonly leader = "local";
  readonly traffic = Object.freeze({ bytesSent: 0, bytesReceived: 0, packetsDamaged: 0, sumsDropped: 0, waiting: 0 });
  readonly #listeners = new Listeners();
  #session: LocalSession | undefined;

  on<Name extends keyof GroupEvents>(name: Name, listener: (value: GroupEvents[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  async leave(): Promise<void> {
    await this.#session?.leave();
  }

  async open(work: Work, description: Description, listener: SessionListener): Promise<Session> {
    if (this.#session !== undefined) throw new OptionError("group trains already; make one for each trainer");
    this.#session = new LocalSession(work, startOf(description), listener);
    return this.#session;
  }
}

/** Steps one after the other, each the whole tree. */
class LocalSession implements Session {
  readonly #work: Work;
  readonly #listener: SessionListener;
  #position: Position;
  #isLeaving = false;

  constructor(work: Work, start: Position, listener: SessionListener) {
    this.#work = work;
    this.#position = start;
    this.#listener = listener;
  }

  get position(): Position {
    return this.#position;
  }

  async finished(): Promise<void> {
    this.#isLeaving = false;
    while (this.#position.step < this.#work.target && !this.#isLeaving) await this.#step();
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
  }

  async #step(): Promise<void> {
    const work = this.#work;
    const base = this.#position;
    const whole = wholeTree(work.leaves);
    const blocks = work.largestBlock >= whole.size ? [whole] : leaves(work.leaves);
    const sums = new PartialSums(work.leaves);
    for (const block of blocks) {
      const sum = await new Promise<Uint8Array | undefined>((resolve, reject) => {
        work.compute(base.step, block, () => this.#isLeaving, resolve, reject);
      });
      if (sum === undefined) return;
      sums.add(block, work.decode(sum)!);
    }
    const root = work.encodeRoot(sums.total!);
    work.apply(base.step, root);
    this.#position = advance(base, root);
    this.#listener.stepped(this.#position);
  }
}

/** Each micro-batch by itself, for work whose sums travel in another form than they are added in. */
function leaves(count: number): Block[] {
  return Array.from({ length: count }, (_, first) => ({ first, size: 1 }));
}
