import { unexpected } from "../../checks.js";
import { CheckpointError, OptionError } from "../../errors.js";
import { isRecord } from "../../optim/parameters.js";
import { typeNameOf } from "../dtypes.js";
import { type CheckpointStore, checkName, makeStore } from "./store.js";

/** What is used of a Durable Object's storage (`ctx.storage`). */
export interface DurableObjectStorageLike {
  transaction<T>(run: (transaction: DurableObjectTransactionLike) => Promise<T>): Promise<T>;
  sync?(): Promise<void>;
}

/** What is used of a transaction of it. */
export interface DurableObjectTransactionLike {
  get(key: string): Promise<unknown>;
  get(keys: string[]): Promise<Map<string, unknown>>;
  put(entries: Record<string, unknown>): Promise<void>;
  delete(keys: string[]): Promise<number>;
}

/** Bytes of a piece. Storage without SQLite has 128 KiB a value, with it 2 MB; both count a few bytes more. */
const PIECE = 124 * 1024;
/** Keys that a call takes. */
const KEYS = 128;

/**
 * Keeps a checkpoint in a Durable Object's storage, with SQLite or without.
 *
 * The bytes are cut into pieces of 124 KiB, and a save is one transaction: an object that is evicted in the middle has
 * the old checkpoint. Each piece is a row that is written.
 *
 * @param storage the object's `ctx.storage`
 * @param key of the checkpoint; its pieces are under `key/0`, `key/1` and so on
 * @throws OptionError
 * @example
 * class Training extends DurableObject {
 *   async alarm() {
 *     const store = durableObjectStore(this.ctx.storage, "model");
 *     await store.save(saveCheckpoint({ parameters, optimizer }));
 *   }
 * }
 */
export function durableObjectStore(storage: DurableObjectStorageLike, key: string): CheckpointStore {
  if (typeNameOf(storage) === "Storage") {
    const advice = "in a browser use indexedDBStore or opfsStore";
    throw new OptionError(`storage is a localStorage, which has room for 5 MB of text and blocks the page; ${advice}`);
  }
  if (typeof storage?.transaction !== "function")
    throw unexpected("storage", storage, "a Durable Object's ctx.storage");
  checkName("key", key);
  const name = `durableObjectStore(${JSON.stringify(key)})`;
  const pieces = (count: number): string[] => Array.from({ length: count }, (_, i) => `${key}/${i}`);
  const lengthIn = async (transaction: DurableObjectTransactionLike): Promise<number | undefined> => {
    const about = await transaction.get(key);
    if (about === undefined) return undefined;
    if (isRecord(about) && Number.isSafeInteger(about.byteLength)) return about.byteLength as number;
    throw new CheckpointError(`${name} has something else under this key`);
  };
  const remove = async (transaction: DurableObjectTransactionLike, from: number): Promise<void> => {
    const old = pieces(Math.ceil(((await lengthIn(transaction)) ?? 0) / PIECE)).slice(from);
    for (let i = 0; i < old.length; i += KEYS) await transaction.delete(old.slice(i, i + KEYS));
  };
  return makeStore(name, {
    async save(bytes) {
      await storage.transaction(async (transaction) => {
        const keys = pieces(Math.ceil(bytes.length / PIECE));
        await remove(transaction, keys.length);
        for (let i = 0; i < keys.length; i += KEYS) {
          const entries = keys
            .slice(i, i + KEYS)
            .map((piece, k) => [piece, bytes.slice((i + k) * PIECE, (i + k + 1) * PIECE)]);
          await transaction.put(Object.fromEntries(entries) as Record<string, unknown>);
        }
        await transaction.put({ [key]: { byteLength: bytes.length } });
      });
      await storage.sync?.();
    },
    load: () =>
      storage.transaction(async (transaction) => {
        const length = await lengthIn(transaction);
        if (length === undefined) return undefined;
        const bytes = new Uint8Array(length);
        const keys = pieces(Math.ceil(length / PIECE));
        for (let i = 0; i < keys.length; i += KEYS) {
          const found = await transaction.get(keys.slice(i, i + KEYS));
          for (let k = i; k < Math.min(i + KEYS, keys.length); k++) {
            const piece = found.get(keys[k]!);
            const expected = Math.min(PIECE, length - k * PIECE);
            if (!(piece instanceof Uint8Array) || piece.length !== expected) {
              throw new CheckpointError(`${name} lacks piece ${k} of ${keys.length}`);
            }
            bytes.set(piece, k * PIECE);
          }
        }
        return bytes;
      }),
    async delete() {
      await storage.transaction(async (transaction) => {
        await remove(transaction, 0);
        await transaction.delete([key]);
      });
    },
  });
}
