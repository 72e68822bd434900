/** What travels between a member and the hub: a message of packets.ts whose header is one of these. */

/** From a member. `request` numbers what is answered. */
export type ToHub =
  | { readonly op: "publish"; readonly to: string | null }
  | { readonly op: "read"; readonly request: number; readonly key: string }
  | {
      readonly op: "write";
      readonly request: number;
      readonly key: string;
      readonly value: string;
      readonly revision: number;
    }
  | {
      readonly op: "put";
      readonly request: number;
      readonly name: string;
      readonly index: number;
      readonly count: number;
    }
  | { readonly op: "get"; readonly request: number; readonly name: string; readonly index: number }
  | { readonly op: "delete"; readonly request: number; readonly name: string };

/** From the hub: a packet of another member, or an answer. */
export type FromHub = { readonly op: "packet" } | ({ readonly op: "answer"; readonly request: number } & Answer);

export interface Answer {
  readonly error?: string;
  readonly value?: string;
  /** Of the register's entry; absent if there is none, or if the write was refused. */
  readonly revision?: number;
  /** Parts of a blob, 0 if there is none. */
  readonly count?: number;
}

/** Bytes of a blob's part: a row of SQLite has up to 2 MB, a WebSocket message up to 32 MiB. */
export const PART_BYTES = 1024 * 1024;
