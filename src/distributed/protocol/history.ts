import { digestOf, digestOfText } from "../digest.js";
import type { Position } from "./environment.js";

/** A step's sum, as it travels, between two positions. */
export interface Root {
  readonly base: Position;
  readonly next: Position;
  readonly bytes: Uint8Array;
}

/** The position that a sum leads to. */
export function advance(base: Position, root: Uint8Array): Position {
  return { step: base.step + 1, chain: digestOfText(`${base.chain} ${base.step} ${digestOf(root)}`) };
}

export function samePosition(a: Position, b: Position): boolean {
  return a.step === b.step && a.chain === b.chain;
}

/**
 * The sums that a member knows: those it has applied last, which it can pass on, and those it has received and cannot
 * apply yet. Because a position's chain is a digest of all sums before it, sums that lead from a member's position to a
 * committed one are committed, whoever sent them.
 */
export class History {
  readonly #limit: number;
  #position: Position;
  #applied: Root[] = [];
  readonly #received = new Map<string, Root>();

  constructor(start: Position, limit: number) {
    this.#position = start;
    this.#limit = limit;
  }

  get position(): Position {
    return this.#position;
  }

  /** Keeps a sum for later. */
  receive(base: Position, bytes: Uint8Array): void {
    if (base.step < this.#position.step) return;
    const next = advance(base, bytes);
    this.#received.set(next.chain, { base, next, bytes });
    // A position may be known by several sums that were never committed; the oldest go first.
    while (this.#received.size > this.#limit + 2) this.#received.delete(this.#received.keys().next().value!);
  }

  /** The sums that lead from here to `target`, if all are known. */
  pathTo(target: Position): Root[] | undefined {
    const path: Root[] = [];
    for (let at = target; !samePosition(at, this.#position); ) {
      const root = at.step > this.#position.step ? this.#received.get(at.chain) : undefined;
      if (root === undefined) return undefined;
      path.unshift(root);
      at = root.base;
    }
    return path;
  }

  /** The next position; `root` has been applied. */
  step(root: Root): void {
    this.#position = root.next;
    this.#applied.push(root);
    if (this.#applied.length > this.#limit) this.#applied.shift();
    for (const [chain, { next }] of this.#received) if (next.step <= root.next.step) this.#received.delete(chain);
  }

  /** Another history, from a checkpoint on. */
  reset(position: Position): void {
    this.#position = position;
    this.#applied = [];
    for (const [chain, { base }] of this.#received) if (base.step < position.step) this.#received.delete(chain);
  }

  /** Whether this member remembers the step, and another chain for it. */
  contradicts({ step, chain }: Position): boolean {
    if (step === this.#position.step) return chain !== this.#position.chain;
    return this.#applied.some(({ base }) => base.step === step && base.chain !== chain);
  }

  /** The sums that lead from `from` to here; undefined if this member does not remember them. */
  since(from: Position): Root[] | undefined {
    if (samePosition(from, this.#position)) return [];
    const index = this.#applied.findIndex(({ base }) => samePosition(base, from));
    return index < 0 ? undefined : this.#applied.slice(index);
  }
}
