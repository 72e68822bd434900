import type { Store } from "../protocol/environment.js";
import type { PromisedStore } from "./transport.js";

/** A transport's store as the protocol calls it: a rejected promise is an outcome that is not known. */
export function callbackStore(store: PromisedStore, run: (callback: () => void) => void): Store {
  const settle = <T>(promise: Promise<T>, unknown: T, done: (result: T) => void) => {
    void promise.catch(() => unknown).then((result) => run(() => done(result)));
  };
  return {
    read: (key, done) => {
      const read = store.read(key).then((entry): Parameters<typeof done>[0] => ({ entry }));
      settle(read, "unavailable", done);
    },
    write: (key, value, revision, done) => {
      const written = store.write(key, value, revision).then((result): Parameters<typeof done>[0] => {
        return result === "conflict" ? result : { revision: result };
      });
      settle(written, "unknown", done);
    },
    putBlob: (name, bytes, done) => {
      const put = store.putBlob(name, bytes).then(() => true);
      settle(put, false, done);
    },
    getBlob: (name, done) => settle(store.getBlob(name), undefined, done),
    deleteBlob: (name) => settle(store.deleteBlob(name), undefined, () => {}),
  };
}
