import type { Entry } from "../protocol/environment.js";

/** What a run needs of the outside: messages to members, a register with compare-and-set, and blobs. */
export interface Transport {
  /** Largest packet. */
  readonly packetBytes: number;
  /** Receives packets to this member and to all. Resolves once they can arrive. */
  listen(id: string, receive: (packet: Uint8Array) => void): Promise<void>;
  /** Sends to one member, or with `null` to all others. A packet may be lost. */
  publish(to: string | null, packet: Uint8Array): void;
  readonly store: PromisedStore;
  /** Resolves when the connection is closed for good, with the error if there was one. */
  readonly closed: Promise<Error | undefined>;
  /** Stops listening and frees what this transport opened. */
  close(): Promise<void>;
}

/** The register and the blobs. A rejected promise means that the outcome is not known. */
export interface PromisedStore {
  read(key: string): Promise<Entry | undefined>;
  /** The new revision, or `"conflict"` if the value's revision is no longer `revision` (0: there is no value). */
  write(key: string, value: string, revision: number): Promise<number | "conflict">;
  putBlob(name: string, bytes: Uint8Array): Promise<void>;
  getBlob(name: string): Promise<Uint8Array | undefined>;
  deleteBlob(name: string): Promise<void>;
}
