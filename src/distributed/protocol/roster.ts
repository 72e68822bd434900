import type { Position } from "./environment.js";

/** A member as another one sees it. */
export interface Seen {
  readonly id: string;
  /** When it was last heard, on the observer's clock. */
  at: number;
  position: Position;
  done: boolean;
}

/** Who is there: members whose lease has not ended, in the order in which they came. */
export class Roster {
  readonly #lease: number;
  readonly #members = new Map<string, Seen>();

  constructor(lease: number) {
    this.#lease = lease;
  }

  /** A sign of life; true if the member is new. */
  heard(id: string, now: number, position?: Position, done?: boolean): boolean {
    const seen = this.#members.get(id);
    if (seen === undefined) {
      if (position === undefined) return false;
      this.#members.set(id, { id, at: now, position, done: done ?? false });
      return true;
    }
    seen.at = now;
    if (position !== undefined) seen.position = position;
    if (done !== undefined) seen.done = done;
    return false;
  }

  get(id: string): Seen | undefined {
    return this.#members.get(id);
  }

  remove(id: string): boolean {
    return this.#members.delete(id);
  }

  /** Removes members whose lease has ended, and returns them. */
  expire(now: number): string[] {
    const gone = [...this.#members.values()].filter(({ at }) => now - at > this.#lease).map(({ id }) => id);
    for (const id of gone) this.#members.delete(id);
    return gone;
  }

  /** After a pause of this process nobody's silence means anything. */
  renewAll(now: number): void {
    for (const seen of this.#members.values()) seen.at = now;
  }

  get all(): Seen[] {
    return [...this.#members.values()];
  }
}
