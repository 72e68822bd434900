import type { Description } from "./description.js";
import type { Position, Work } from "./protocol/environment.js";

/** What happens in a group, and what listeners get. */
export interface GroupEvents {
  /** A member came, this one not included. */
  joined: string;
  /** A member went, or was not heard of for a lease. */
  left: string;
  /** Who leads now; null while nobody does. */
  leader: string | null;
  /** This member has loaded a checkpoint instead of making the steps before it. */
  resynchronised: Position;
  /** The register or the object store does not answer or is full; `undefined` once it works again. */
  storage: string | undefined;
}

/** What is moved, and how long a member waits. */
export interface Traffic {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Packets that arrived damaged. */
  readonly packetsDamaged: number;
  /** Sums that came too late, or twice. */
  readonly sumsDropped: number;
  /** Milliseconds in which this member had nothing to compute. */
  readonly waiting: number;
}

/** A run that is under way. */
export interface Session {
  /** Resolves when `work.target` steps are made and the end is stored. */
  finished(): Promise<void>;
  /** Steps done. */
  readonly position: Position;
  /** Ends this member's part. */
  leave(): Promise<void>;
}

/** What a session tells whoever opened it. */
export interface SessionListener {
  stepped(position: Position): void;
  resynchronised(position: Position): void;
}

/** Members that train one model: `joinGroup`, `joinDurableObject`, or `LocalGroup` for a process alone. */
export interface Group {
  /** Name of this member, different for each. */
  readonly id: string;
  readonly run: string;
  /** All members that this one knows, itself included, in alphabetical order. */
  readonly members: readonly string[];
  readonly leader: string | null;
  readonly traffic: Traffic;
  /** Calls `listener` for each event; the function that is returned ends that. */
  on<Name extends keyof GroupEvents>(name: Name, listener: (value: GroupEvents[Name]) => void): () => void;
  /** Says goodbye and frees what the group opened; the connection stays open. */
  leave(): Promise<void>;
  /**
   * Takes part in a run with work of one's own. `DistributedTrainer` and `DiLoCo` call it.
   * @throws GroupError if the run has another description, or with `mustExist` if there is none
   */
  open(
    work: Work,
    description: Description,
    listener: SessionListener,
    options?: { readonly mustExist?: boolean },
  ): Promise<Session>;
}

/** Listeners by name of the event. */
export class Listeners {
  readonly #listeners = new Map<string, Set<(value: never) => void>>();

  on<Name extends keyof GroupEvents>(name: Name, listener: (value: GroupEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener as (value: never) => void);
    return () => listeners.delete(listener as (value: never) => void);
  }

  emit<Name extends keyof GroupEvents>(name: Name, value: GroupEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(value as never);
  }
}
