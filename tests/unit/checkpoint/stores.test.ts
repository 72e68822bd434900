import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { durableObjectStore, indexedDBStore, opfsStore } from "../../../src/checkpoint/index.js";
import { fileStore } from "../../../src/checkpoint/stores/file.js";
import { CheckpointError, OptionError } from "../../../src/index.js";

// The other stores are run where they belong: tests/runtimes/stores.test.mjs.

const root = mkdtempSync(join(tmpdir(), "lanewise-stores-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(root, "case-"));
  chmodSync(root, 0o755);
  chmodSync(folder, 0o755);
  path = join(folder, "model.safetensors");
});
const program = (name: string) => fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
const filled = (length: number, fill: number) => new Uint8Array(length).fill(fill);
/** Whether a file is one pattern from its beginning to its end. */
const isWhole = (bytes: Uint8Array, length: number) =>
  bytes.length === length && bytes.every((byte) => byte === bytes[0]);

describe("fileStore", () => {
  it("keeps the last bytes that were saved, and removes them", async () => {
    const store = fileStore(path);
    expect(await store.load()).toBeUndefined();
    await store.delete();
    for (const bytes of [filled(3, 1), filled(0, 0), filled(100_000, 7)]) {
      await store.save(bytes);
      expect(await store.load()).toEqual(bytes);
      expect(await fileStore(path).load()).toEqual(bytes);
    }
    expect(readdirSync(folder)).toEqual(["model.safetensors"]);
    await store.delete();
    expect(await store.load()).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("keeps what the bytes were when save was called, of shared memory too", async () => {
    const store = fileStore(path);
    const bytes = new Uint8Array(new SharedArrayBuffer(4)).fill(3);
    const saved = store.save(bytes);
    bytes.fill(9);
    await saved;
    expect(await store.load()).toEqual(filled(4, 3));
  });

  it("makes calls one after the other", async () => {
    const store = fileStore(path);
    const saves = Array.from({ length: 9 }, (_, i) => store.save(filled(50_000, i)));
    expect(await store.load()).toEqual(filled(50_000, 8));
    await Promise.all(saves);
    expect(readdirSync(folder)).toEqual(["model.safetensors"]);
  });

  it("goes on after a call that failed", async () => {
    const store = fileStore(join(folder, "later", "model"));
    await expect(store.save(filled(3, 1))).rejects.toThrow(/the folder ".*later" does not exist/);
    mkdirSync(join(folder, "later"));
    await store.save(filled(3, 2));
    expect(await store.load()).toEqual(filled(3, 2));
  });

  it("leaves a link a link, and who may read the file as it was", async () => {
    const file = join(folder, "behind");
    writeFileSync(file, "old", { mode: 0o600 });
    symlinkSync(file, path);
    await fileStore(path).save(filled(3, 5));
    expect(new Uint8Array(readFileSync(file))).toEqual(filled(3, 5));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(["behind", "model.safetensors"]);
  });

  it("removes what killed programs left an hour ago, and nothing else", async () => {
    const names = [
      "model.safetensors.0123456789ab.tmp",
      "model.safetensors.ba9876543210.tmp",
      "model.safetensors.tmp",
      "other.0123456789ab.tmp",
    ];
    for (const name of names) writeFileSync(join(folder, name), "x");
    const old = Date.now() / 1000 - 4000;
    for (const name of names.filter((_, i) => i !== 1)) utimesSync(join(folder, name), old, old);
    await fileStore(path).save(filled(3, 5));
    expect(readdirSync(folder).sort()).toEqual(["model.safetensors", ...names.slice(1)].sort());
  });

  it("has the old file or the new one, whole, wherever a program is killed", async () => {
    const [old, size] = [1_000_000, 1_500_000];
    let operations = Number.POSITIVE_INFINITY;
    const found: number[] = [];
    for (let kill = 0; kill <= operations; kill++) {
      await fileStore(path).save(filled(old, 1));
      const run = promisify(execFile)(process.execPath, [program("save"), path, `${size}`, "2", `${kill}`]);
      const ended = await run.then(
        ({ stdout }) => JSON.parse(stdout),
        (error) => error,
      );
      if (ended.operations === undefined) expect(ended.signal).toBe("SIGKILL");
      else operations = ended.operations;
      const bytes = (await fileStore(path).load())!;
      expect(isWhole(bytes, bytes[0] === 1 ? old : size), `killed at operation ${kill}`).toBe(true);
      found.push(bytes[0]!);
      // What was left would be looked at by the next save, which would have more operations.
      for (const name of readdirSync(folder)) if (name.endsWith(".tmp")) rmSync(join(folder, name));
    }
    // It was killed at each of them, before the new name and after it.
    expect(operations).toBeGreaterThan(8);
    expect(found.length).toBe(operations + 1);
    expect(found).toEqual([...found].sort());
    expect(new Set(found.slice(0, -1)).size).toBe(2);
  });

  it("has a whole file when a program that saves without a pause is killed at any time", async () => {
    const size = 4_000_000;
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, [program("save-forever"), path, `${size}`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await once(child.stdout, "data");
      const delay = Math.random() * 60;
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill("SIGKILL");
      await once(child, "exit");
      const bytes = (await fileStore(path).load())!;
      expect(isWhole(bytes, size), `killed after ${delay} ms`).toBe(true);
    }
  });

  describe("says what the system refused, and leaves the old file:", () => {
    const save = async (command: string, env = {}) => {
      const script = `${command} exec "${process.execPath}" "${program("save")}" "${path}" 3000000 2 -1`;
      const options = { encoding: "utf8", env: { ...process.env, ...env } } as const;
      const result = JSON.parse(execFileSync("sh", ["-c", script], options));
      expect(result.name).toBe("CheckpointError");
      expect(result.message).toMatch(/^fileStore\(".*model\.safetensors"\) could not save: /);
      return result;
    };
    const expectOld = async () => {
      expect(await fileStore(path).load()).toEqual(filled(10, 1));
      expect(readdirSync(folder)).toEqual(["model.safetensors"]);
    };

    it("no more room, in the middle of the file", async () => {
      await fileStore(path).save(filled(10, 1));
      // Of 512 bytes each: the system ends the write as it does on a full disk.
      expect(await save("ulimit -f 2000;")).toMatchObject({ code: "EFBIG", message: expect.stringMatching(/EFBIG/) });
      await expectOld();
    });

    it("no permission", async () => {
      await fileStore(path).save(filled(10, 1));
      chmodSync(folder, 0o555);
      expect(await save("", { AS_NOBODY: "1" })).toMatchObject({
        code: "EACCES",
        message: expect.stringMatching(/EACCES/),
      });
      chmodSync(folder, 0o755);
      await expectOld();
    });

    it("a folder in its place", async () => {
      mkdirSync(path);
      const store = fileStore(path);
      await expect(store.save(filled(3, 1))).rejects.toThrow(/could not save: EISDIR/);
      await expect(store.load()).rejects.toThrow(/could not load: EISDIR/);
      await expect(store.delete()).rejects.toThrow(CheckpointError);
      expect(readdirSync(folder)).toEqual(["model.safetensors"]);
      await expect(store.load()).rejects.toMatchObject({ code: "ERR_CHECKPOINT", cause: { code: "EISDIR" } });
    });
  });

  it("refuses what is no path, and what are no bytes", async () => {
    for (const wrong of [undefined, "", 3, new URL("file:///x")]) {
      expect(() => fileStore(wrong as never)).toThrow(/path is .*, expected a string that is not empty/);
    }
    for (const wrong of [undefined, "text", [1], new ArrayBuffer(1), new Float32Array(1)]) {
      await expect(fileStore(path).save(wrong as never)).rejects.toThrow(/bytes is .*, expected a Uint8Array/);
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("stores of other platforms refuse", () => {
  it("localStorage, with advice", () => {
    const localStorage = Object.defineProperty({ getItem() {}, setItem() {} }, Symbol.toStringTag, {
      value: "Storage",
    });
    const make = () => durableObjectStore(localStorage as never, "model");
    expect(make).toThrow(OptionError);
    expect(make).toThrow(
      /storage is a localStorage, which has room for 5 MB of text .* use indexedDBStore or opfsStore/,
    );
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "no storage",
      () => durableObjectStore({} as never, "a"),
      /storage is Object, expected a Durable Object's ctx\.storage/,
    ],
    ["nothing", () => durableObjectStore(undefined as never, "a"), /storage is undefined/],
    ["no key", () => durableObjectStore({ transaction: () => {} } as never, ""), /key is "", expected a string/],
    ["no database", () => indexedDBStore("", "a"), /database is "", expected a string/],
    ["a key that is none", () => indexedDBStore("a", 3 as never), /key is 3, expected a string/],
    ["no path", () => opfsStore(""), /path is "", expected a string/],
    ["a path from the root", () => opfsStore("/a"), /path is "\/a", expected names between single slashes/],
    ["a path upwards", () => opfsStore("a/../b"), /expected names between single slashes/],
  ])("%s", (_, make, message) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });

  it("to do without the platform, and say so", async () => {
    await expect(indexedDBStore("a", "b").load()).rejects.toThrow(
      /indexedDBStore\("a", "b"\) could not load: indexedDB is not defined/,
    );
    await expect(opfsStore("a").save(filled(1, 1))).rejects.toThrow(CheckpointError);
  });
});
