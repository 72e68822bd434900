import { open, readdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CheckpointError } from "../../errors.js";
import { type CheckpointStore, checkName, makeStore } from "./store.js";

export type { CheckpointStore } from "./store.js";

/** After an hour, in milliseconds, nobody writes a temporary file any more. */
const ABANDONED = 3_600_000;

/**
 * Keeps a checkpoint in a file, in Node, Deno and Bun.
 *
 * `save` writes a temporary file beside it, has the system write that to the disk (fsync), gives it the file's name, and
 * has the folder written too. So a program that is killed, a full disk or a loss of power leaves the old file or the
 * new one, whole. A temporary file that a killed program has left is removed by the first `save` an hour later.
 *
 * @param path of the file; its folder must exist
 * @throws OptionError
 * @example
 * import { fileStore } from "lanewise/checkpoint/file";
 *
 * const store = fileStore("model.safetensors");
 * await store.save(saveCheckpoint({ parameters, optimizer }));
 * const bytes = await store.load();
 * if (bytes) loadCheckpoint(bytes, { parameters, optimizer });
 */
export function fileStore(path: string): CheckpointStore {
  checkName("path", path);
  return makeStore(`fileStore(${JSON.stringify(path)})`, {
    async save(bytes) {
      // The file behind a link is replaced, not the link, and who may read it stays as it was.
      const target = await realpath(path).catch(() => path);
      const mode = await stat(target).then(
        (old) => old.mode & 0o777,
        () => 0o666,
      );
      await removeAbandoned(target);
      const temporary = `${target}.${Math.random().toString(16).slice(2, 14).padEnd(12, "0")}.tmp`;
      try {
        const file = await open(temporary, "wx", mode);
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, target);
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => {});
        throw error;
      }
      await syncFolder(dirname(target));
    },
    async load() {
      try {
        return new Uint8Array(await readFile(path));
      } catch (error) {
        if (codeOf(error) === "ENOENT") return undefined;
        throw error;
      }
    },
    async delete() {
      await rm(path, { force: true });
      await syncFolder(dirname(path));
    },
  });
}

/** The new name is on the disk only when its folder is. Windows opens no folders, and needs none of this. */
async function syncFolder(path: string): Promise<void> {
  let folder: Awaited<ReturnType<typeof open>>;
  try {
    folder = await open(path, "r");
  } catch {
    return;
  }
  try {
    await folder.sync();
  } catch (error) {
    // Some file systems do not sync folders, and say so.
    if (!["EINVAL", "EPERM", "EISDIR", "ENOTSUP"].includes(codeOf(error) ?? "")) throw error;
  } finally {
    await folder.close();
  }
}

async function removeAbandoned(path: string): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)];
  let siblings: string[];
  try {
    siblings = await readdir(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT")
      throw new CheckpointError(`fileStore: the folder ${JSON.stringify(folder)} does not exist`);
    return; // it may be written to, but not read
  }
  for (const sibling of siblings) {
    if (!sibling.startsWith(`${name}.`) || !/^\.[0-9a-f]{12}\.tmp$/.test(sibling.slice(name.length))) continue;
    const file = join(folder, sibling);
    try {
      if (Date.now() - (await stat(file)).mtimeMs > ABANDONED) await rm(file, { force: true });
    } catch {
      // Somebody else has removed it.
    }
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}
