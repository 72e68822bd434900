import { unexpected } from "../../checks.js";
import { CheckpointError } from "../../errors.js";
import type { Bytes } from "../dtypes.js";
import { type CheckpointStore, checkName, makeStore } from "./store.js";

/**
 * Keeps a checkpoint in the origin-private file system of a browser, in pages and in workers of secure contexts.
 *
 * The browser writes a copy, which takes the file's place when it is complete. It may remove the file when space is short,
 * unless `navigator.storage.persist()` was granted. Where `createWritable` is missing (Safari before 26), use
 * `indexedDBStore`.
 *
 * @param path of the file, such as `"models/digits.safetensors"`; `save` makes its folders
 * @throws OptionError
 * @example
 * const store = opfsStore("models/digits.safetensors");
 * await store.save(saveCheckpoint({ parameters, optimizer }));
 * const bytes = await store.load();
 */
export function opfsStore(path: string): CheckpointStore {
  checkName("path", path);
  const folders = path.split("/");
  const file = folders.pop()!;
  if ([...folders, file].some((part) => part === "" || part === "." || part === "..")) {
    throw unexpected("path", path, "names between single slashes");
  }
  const folder = async (create: boolean): Promise<FileSystemDirectoryHandle> => {
    let handle = await navigator.storage.getDirectory();
    for (const name of folders) handle = await handle.getDirectoryHandle(name, { create });
    return handle;
  };
  return makeStore(`opfsStore(${JSON.stringify(path)})`, {
    async save(bytes) {
      const handle = await (await folder(true)).getFileHandle(file, { create: true });
      if (typeof handle.createWritable !== "function") {
        throw new CheckpointError("opfsStore: this browser has no createWritable, expected one; use indexedDBStore");
      }
      const writable = await handle.createWritable();
      try {
        await writable.write(bytes as Bytes);
      } catch (error) {
        await writable.abort().catch(() => {});
        throw error;
      }
      await writable.close();
    },
    async load() {
      const handle = await present(async () => (await folder(false)).getFileHandle(file));
      if (handle === undefined) return undefined;
      const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
      // What the first save makes before it has written anything.
      return bytes.length === 0 ? undefined : bytes;
    },
    async delete() {
      await present(async () => (await folder(false)).removeEntry(file));
    },
  });
}

/** The result; `undefined` if there is no such file or folder. */
async function present<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if ((error as Error | undefined)?.name === "NotFoundError") return undefined;
    throw error;
  }
}
