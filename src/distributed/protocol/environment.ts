import type { Block } from "../tree.js";

/**
 * What the protocol needs of the world. The protocol reads no clock, opens no connection and draws no random number by
 * itself, so a whole cluster can run in one process, from one seed (tests/distributed/simulation).
 */
export interface Environment {
  /** Milliseconds on a clock that never goes back. Clocks of different members need not agree. */
  now(): number;
  /** Calls back once, after at least `milliseconds`. */
  after(milliseconds: number, callback: () => void): void;
  /** Uniform in [0, 1). */
  random(): number;
  /** Sends to one member, or with `null` to all others. May be lost, late, doubled, out of order. */
  send(to: string | null, message: Message, payload?: Uint8Array): void;
  readonly store: Store;
}

/** A value and the number of its version; numbers only grow. */
export interface Entry {
  readonly value: string;
  readonly revision: number;
}

/**
 * A register with compare-and-set, and blobs. A callback is called at most once, never before the call has returned.
 */
export interface Store {
  read(key: string, done: (result: { entry: Entry | undefined } | "unavailable") => void): void;
  /**
   * Replaces the value if its revision is still `revision` (0: if there is none). `"unknown"`: perhaps written, perhaps
   * not, perhaps later.
   */
  write(
    key: string,
    value: string,
    revision: number,
    done: (result: { revision: number } | "conflict" | "unknown") => void,
  ): void;
  putBlob(name: string, bytes: Uint8Array, done: (stored: boolean) => void): void;
  getBlob(name: string, done: (bytes: Uint8Array | undefined) => void): void;
  deleteBlob(name: string): void;
}

/** A point of a run's history: after `step` steps. `chain` is a digest of everything that led there. */
export interface Position {
  readonly step: number;
  readonly chain: string;
}

/** Where a checkpoint is, and which state it has. */
export interface CheckpointRecord extends Position {
  readonly blob: string;
  /** Digest of the blob's bytes. */
  readonly digest: string;
  /** The blob of the checkpoint before, which is deleted when another one follows. */
  readonly previous: string | null;
}

/** The register's value: the one thing that members must agree on. */
export interface Head extends Position {
  /** Grows by one with each leader. */
  readonly term: number;
  readonly leader: string | null;
  readonly checkpoint: CheckpointRecord | null;
  /** Why the run was stopped for good. */
  readonly halted?: string;
}

/** A block and who is to compute it. */
export interface Assignment extends Block {
  readonly member: string;
}

/** What the leader says, again and again: where the run is, and who computes what of the next step. */
export interface LeadMessage {
  readonly type: "lead";
  readonly from: string;
  readonly head: Head;
  readonly revision: number;
  /** Grows with each change of the assignments, across steps, within a term. */
  readonly attempt: number;
  readonly assignments: readonly Assignment[];
  readonly members: readonly string[];
}

/** Digests of a member's parameters, by name, at a position. */
export interface Digests extends Position {
  readonly values: Readonly<Record<string, string>>;
}

/** A member is there, and this is its position. */
export interface BeatMessage extends Position {
  readonly type: "beat";
  readonly from: string;
  /** It lacks sums that lead from its position to the head's. */
  readonly behind: boolean;
  /** It has made all the steps it wants to make. */
  readonly done: boolean;
  /** Digests of its parameters, by name, at the last step at which they are compared. */
  readonly digests?: Digests;
}

/** The sum of a block for the step after `base`; the payload has the values. */
export interface PartMessage extends Block {
  readonly type: "part";
  readonly from: string;
  readonly base: Position;
}

/** The sum of all blocks, which leads from `base` to the next position; the payload has the values. */
export interface RootMessage {
  readonly type: "root";
  readonly from: string;
  readonly base: Position;
}

/** Your position is no longer part of what the leader remembers: load this checkpoint. */
export interface ResyncMessage {
  readonly type: "resync";
  readonly from: string;
  readonly term: number;
  readonly checkpoint: CheckpointRecord;
}

/** A member goes, and its blocks can be given to others at once. */
export interface LeaveMessage {
  readonly type: "leave";
  readonly from: string;
}

export type Message = LeadMessage | BeatMessage | PartMessage | RootMessage | ResyncMessage | LeaveMessage;

/** What is trained. */
export interface Work {
  /** Micro-batches a step. */
  readonly leaves: number;
  /** Largest block that is summed by one member before it is sent. */
  readonly largestBlock: number;
  /**
   * Whether a block's sum is a function of the position alone. Then members compare the sums that they both computed,
   * and a step computed a second time has the same bits.
   */
  readonly pure: boolean;
  /** Float32 values of a sum. */
  readonly length: number;
  /** Steps to make in all. */
  readonly target: number;
  /**
   * Computes the sum of a block for the step after `step` steps, as it travels. Calls `done` once, later, with undefined
   * if `cancelled()` became true; or `failed`, which ends this member's part.
   */
  compute(
    step: number,
    block: Block,
    cancelled: () => boolean,
    done: (sum: Uint8Array | undefined) => void,
    failed: (error: unknown) => void,
  ): void;
  /** The values of a sum that travelled; undefined if these are none. */
  decode(sum: Uint8Array): Float32Array | undefined;
  /** The sum of all blocks, as it travels. */
  encodeRoot(sum: Float32Array): Uint8Array;
  /** Makes a step. Leads from `base` to the next position. */
  apply(step: number, root: Uint8Array): void;
  /** Digests of the parameters by name. */
  digests(): Readonly<Record<string, string>>;
  save(): Uint8Array;
  /** Throws if the bytes are no checkpoint of this work; nothing has then changed. */
  load(bytes: Uint8Array): void;
}

/** Times in milliseconds and counts that all members of a run share. */
export interface Timing {
  /** A member or leader that is not heard of for this long has lost its blocks or its office. */
  readonly lease: number;
  /** Time between two signs of life; at most a third of the lease. */
  readonly beat: number;
  /** Steps between two checkpoints. */
  readonly checkpointEvery: number;
  /** Steps between two comparisons of parameters. */
  readonly compareEvery: number;
  /** Members that must be there before the first step of a run is made. */
  readonly startWith: number;
  /** Sums that each member keeps for those that are behind. */
  readonly remembered: number;
}

/** What a member tells its program. */
export interface Listener {
  joined(member: string): void;
  left(member: string): void;
  leader(member: string | null): void;
  stepped(position: Position): void;
  resynchronised(position: Position): void;
  /** The store refuses or does not answer; `recovered` when it does again. */
  storage(state: "unavailable" | "recovered", what: string): void;
  dropped(what: "late" | "duplicate" | "stale"): void;
  halted(reason: string): void;
  finished(): void;
}
