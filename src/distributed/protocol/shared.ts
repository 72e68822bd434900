import type { Digests, Environment, Head, Listener, Timing, Work } from "./environment.js";
import type { History } from "./history.js";
import type { Roster } from "./roster.js";

/** The register's key. */
export const HEAD = "head";

/** What the two halves of a member, following and leading, both know. */
export interface Shared {
  readonly id: string;
  readonly env: Environment;
  readonly work: Work;
  readonly timing: Timing;
  readonly listener: Listener;
  readonly history: History;
  readonly roster: Roster;
  /** The register as last seen, and its revision. */
  head: Head;
  revision: number;
  /** Digests of the parameters where they were compared, the latest last. */
  digests: Digests[];
}

/** The value of the register; undefined if it is not one. */
export function parseHead(value: string): Head | undefined {
  try {
    const head = JSON.parse(value) as Head;
    const isHead = Number.isInteger(head.term) && Number.isInteger(head.step) && typeof head.chain === "string";
    return isHead ? head : undefined;
  } catch {
    return undefined;
  }
}
