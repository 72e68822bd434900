import type { Block } from "../tree.js";
import type { Assignment, Environment, Position, Timing, Work } from "./environment.js";

/** A sum that this member has computed for the step after its position. */
interface OwnPart {
  readonly block: Block;
  readonly sum: Uint8Array;
  sentAt: number;
}

/** Whoever runs the protocol hears of an error before the protocol does, and stops it. */
const failed = (error: unknown): never => {
  throw error;
};

/** The blocks of one step that a member computes, one after the other, and what has come of them. */
export class BlockQueue {
  readonly #id: string;
  readonly #work: Work;
  readonly #env: Environment;
  readonly #timing: Timing;
  readonly #deliver: (base: Position, block: Block, sum: Uint8Array) => void;
  readonly #parts = new Map<string, OwnPart>();
  #queue: Block[] = [];
  #computing: Block | undefined;
  /** Distinguishes a computation from those that were given up. */
  #computation = 0;

  /** @param deliver gets each sum, again if it seems to have been lost */
  constructor(
    id: string,
    work: Work,
    env: Environment,
    timing: Timing,
    deliver: (base: Position, block: Block, sum: Uint8Array) => void,
  ) {
    this.#id = id;
    this.#work = work;
    this.#env = env;
    this.#timing = timing;
    this.#deliver = deliver;
  }

  /**
   * Computes those of the assignments that are this member's, and drops what is no longer assigned. A sum that is there
   * and still asked for was lost on its way, unless it was sent just now; the leader gives its own to itself at once.
   */
  takeUp(base: Position, assignments: readonly Assignment[], isLeading: boolean): void {
    const own = assignments.filter(({ member }) => member === this.#id);
    if (this.#computing !== undefined && !own.some((block) => isSame(block, this.#computing!))) this.cancel();
    this.#queue = [];
    for (const { first, size } of own) {
      const block = { first, size };
      const part = this.#parts.get(keyOf(block));
      if (part === undefined) {
        if (this.#computing === undefined || !isSame(this.#computing, block)) this.#queue.push(block);
      } else if (isLeading || this.#env.now() - part.sentAt >= this.#timing.beat / 2) this.#send(base, part);
    }
    this.#next(base);
  }

  /** Gives up what is being computed. */
  cancel(): void {
    this.#computation++;
    this.#computing = undefined;
    this.#queue = [];
  }

  /** Forgets the sums, too: the position has changed. */
  clear(): void {
    this.cancel();
    this.#parts.clear();
  }

  #next(base: Position): void {
    if (this.#computing !== undefined) return;
    const block = this.#queue.shift();
    if (block === undefined) return;
    this.#computing = block;
    const computation = ++this.#computation;
    const isCancelled = () => this.#computation !== computation;
    const done = (sum: Uint8Array | undefined) => {
      if (isCancelled() || sum === undefined) return;
      this.#computing = undefined;
      const part = { block, sum, sentAt: 0 };
      this.#parts.set(keyOf(block), part);
      this.#send(base, part);
      this.#next(base);
    };
    this.#work.compute(base.step, block, isCancelled, done, failed);
  }

  #send(base: Position, part: OwnPart): void {
    part.sentAt = this.#env.now();
    this.#deliver(base, part.block, part.sum);
  }
}

function keyOf({ first, size }: Block): string {
  return `${first}:${size}`;
}

function isSame(a: Block, b: Block): boolean {
  return a.first === b.first && a.size === b.size;
}
