import { cut, describe, unexpected } from "../../checks.js";
import { CheckpointError } from "../../errors.js";
import { type Bytes, typeNameOf } from "../dtypes.js";

/** A place that keeps one file: what `saveCheckpoint` returns, or any bytes. */
export interface CheckpointStore {
  /**
   * Replaces what is kept. When it resolves the new bytes are stored; if it rejects, or the program is stopped in the
   * middle, the old ones are.
   *
   * @throws CheckpointError that says what the platform refused, with its error as `cause`
   */
  save(bytes: Uint8Array): Promise<void>;
  /**
   * What was saved last; `undefined` if nothing was.
   *
   * @throws CheckpointError
   */
  load(): Promise<Bytes | undefined>;
  /**
   * Removes it, if it is there.
   *
   * @throws CheckpointError
   */
  delete(): Promise<void>;
}

/** A store from what a platform does; checks, errors, and the order of calls are here. */
export function makeStore(name: string, platform: CheckpointStore): CheckpointStore {
  // One after the other: two calls at once would meet in the same temporary file.
  let last: Promise<unknown> = Promise.resolve();
  const next = <T>(verb: string, run: () => Promise<T>): Promise<T> => {
    const result = last.then(run).catch((error: unknown) => {
      if (error instanceof CheckpointError) throw error;
      const cause = error as Partial<Error> | undefined;
      const what = cause?.message || cause?.name || describe(error);
      throw new CheckpointError(`${name} could not ${verb}: ${cut(String(what), 300)}`, { cause: error });
    });
    last = result.catch(() => {});
    return result;
  };
  return {
    save: async (bytes) => {
      if (typeNameOf(bytes) !== "Uint8Array") throw unexpected("bytes", bytes, "a Uint8Array");
      // Now: the caller may change them while others are waited for, and platforms refuse views of shared memory.
      const copy = bytes.slice();
      await next("save", () => platform.save(copy));
    },
    load: () => next("load", platform.load),
    delete: () => next("delete", platform.delete),
  };
}

/** Throws OptionError unless `value` is a string that is not empty. */
export function checkName(name: string, value: unknown): void {
  if (typeof value !== "string" || value === "") throw unexpected(name, value, "a string that is not empty");
}
