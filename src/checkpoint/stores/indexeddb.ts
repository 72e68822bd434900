import { CheckpointError } from "../../errors.js";
import type { Bytes } from "../dtypes.js";
import { type CheckpointStore, checkName, makeStore } from "./store.js";

const STORE = "checkpoints";

/**
 * Keeps a checkpoint in IndexedDB, in pages and in workers.
 *
 * A save is one transaction: a page that is closed in the middle leaves the old checkpoint. The browser may remove it
 * when space is short, unless `navigator.storage.persist()` was granted.
 *
 * @param database name of a database, which is made if it is not there and must be none of another program
 * @param key of the checkpoint in it; a database has room for many
 * @throws OptionError
 * @example
 * const store = indexedDBStore("my-app", "digits");
 * await store.save(saveCheckpoint({ parameters, optimizer }));
 * const bytes = await store.load();
 */
export function indexedDBStore(database: string, key: string): CheckpointStore {
  checkName("database", database);
  checkName("key", key);
  const name = `indexedDBStore(${JSON.stringify(database)}, ${JSON.stringify(key)})`;
  const within = async <T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const connection = await connect(database, name);
    try {
      return await new Promise<T>((resolve, reject) => {
        // "strict": it is complete when it is on the disk, not when the system has taken it.
        const transaction = connection.transaction(STORE, mode, { durability: "strict" });
        const request = ask(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
      });
    } finally {
      connection.close();
    }
  };
  return makeStore(name, {
    async save(bytes) {
      await within("readwrite", (store) => store.put(bytes, key));
    },
    async load() {
      const bytes: unknown = await within("readonly", (store) => store.get(key));
      if (bytes === undefined || bytes instanceof Uint8Array) return bytes as Bytes | undefined;
      throw new CheckpointError(`${name} has something else under this key, expected a Uint8Array`);
    },
    async delete() {
      await within("readwrite", (store) => store.delete(key));
    },
  });
}

function connect(database: string, name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const connection = request.result;
      if (connection.objectStoreNames.contains(STORE)) resolve(connection);
      else {
        connection.close();
        reject(new CheckpointError(`${name}: the database is of another program, expected a name of its own`));
      }
    };
  });
}
