import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Miniflare } from "miniflare";
import puppeteer from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, serve } from "./drivers/browsers.mjs";
import { command } from "./drivers/commands.mjs";
import { quickjs } from "./drivers/engines.mjs";
import { bundle, modules, prepare } from "./prepare.mjs";

// Each store of lanewise/checkpoint in the runtime that it is for.

const project = prepare();
const folder = mkdtempSync(join(tmpdir(), "lanewise-stores-"));
afterAll(() => {
  project.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe("Chromium", () => {
  const profile = join(folder, "profile");
  let site;
  let browser;
  let page;
  const open = async () => {
    browser = await puppeteer.launch({ ...CHROMIUM, userDataDir: profile });
    page = await browser.newPage();
    await page.goto(`${site.origin}/plain/`);
    await page.waitForFunction(() => globalThis.run);
  };
  const run = (request) => page.evaluate((request) => globalThis.run(request), request);
  const runInWorker = (request) => page.evaluate((request) => globalThis.runInWorker(request), request);
  beforeAll(async () => {
    const pageFolder = await bundle(project.directory, "programs/store-page.mjs", "esm", ["browser"]);
    writeFileSync(join(pageFolder, "index.html"), '<!doctype html><script type="module" src="main.js"></script>');
    site = await serve(pageFolder);
    await open();
  });
  afterAll(async () => {
    await browser?.close();
    site?.server.close();
  });

  describe.each([["indexedDB"], ["opfs"]])("%s", (maker) => {
    const at = (key) => ({ maker, key });
    it("keeps the last bytes, over reloads and between page and worker, and removes them", async () => {
      const key = at("model");
      expect(await run({ ...key, action: "load" })).toBe("missing");
      expect(await run({ ...key, action: "delete" })).toBe("missing");
      expect(await run({ ...key, action: "save", length: 3_000_001, seed: 5 })).toBe("3000001 of 5");
      await page.reload();
      await page.waitForFunction(() => globalThis.run);
      expect(await run({ ...key, action: "load" })).toBe("3000001 of 5");
      expect(await runInWorker({ ...key, action: "save", length: 10, seed: 6 })).toBe("10 of 6");
      expect(await run({ ...key, action: "load" })).toBe("10 of 6");
      expect(await run({ ...at("other"), action: "load" })).toBe("missing");
      expect(await run({ ...key, action: "delete" })).toBe("missing");
    });

    it("makes calls one after the other, and takes views of shared memory", async () => {
      expect(await run({ ...at("many"), action: "saveMany", length: 100_000, seed: 1, count: 8 })).toBe("100000 of 8");
      // A page that is not isolated has no SharedArrayBuffer, but may have shared memory.
      expect(await run({ ...at("shared"), action: "saveShared", length: 1000, seed: 3 })).toBe("1000 of 3");
    });

    it("has a whole checkpoint after the browser was killed while it saved", async () => {
      for (let round = 0; round < 4; round++) {
        page.evaluate((maker) => globalThis.saveForever(maker, "forever", 2_000_000), maker).catch(() => {});
        await page.waitForFunction(() => globalThis.saved > 1, { polling: 20 });
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
        const chromium = browser.process();
        chromium.kill("SIGKILL");
        await once(chromium, "exit");
        rmSync(join(profile, "SingletonLock"), { force: true });
        await open();
        expect(await run({ ...at("forever"), action: "load" })).toBe("2000000 filled");
      }
    });
  });

  it("refuses localStorage, with advice", async () => {
    expect(await run({ maker: "localStorage", key: "a", action: "load" })).toMatch(
      /^OptionError: storage is a localStorage, .* use indexedDBStore or opfsStore$/,
    );
  });

  it.each([
    ["another program's", 1, /: the database is of another program, expected a name of its own$/],
    ["of a later version", 3, /could not load: .*version/],
  ])("says that a database is %s", async (name, version, message) => {
    const make = async (name, version) => {
      const request = indexedDB.open(name, version);
      request.onupgradeneeded = () => request.result.createObjectStore("else");
      await new Promise((resolve) => {
        request.onsuccess = resolve;
      });
      request.result.close();
    };
    await page.evaluate(make, name, version);
    const result = await run({ maker: "indexedDB", key: "a", database: name, action: "load" });
    expect(result).toMatch(/^CheckpointError: indexedDBStore/);
    expect(result).toMatch(message);
  });

  it.each([["indexedDB"], ["opfs"]])(
    "%s says that there is no more room, and keeps the old checkpoint",
    async (maker) => {
      // A browser of its own: Chromium remembers for a while how much room there was.
      const small = await puppeteer.launch(CHROMIUM);
      try {
        const page = await small.newPage();
        const session = await page.createCDPSession();
        await session.send("Storage.overrideQuotaForOrigin", { origin: site.origin, quotaSize: 1_000_000 });
        await page.goto(`${site.origin}/plain/`);
        await page.waitForFunction(() => globalThis.run);
        const run = (request) =>
          page.evaluate((request) => globalThis.run({ key: "full", ...request }), { maker, ...request });
        expect(await run({ action: "save", length: 1000, seed: 1 })).toBe("1000 of 1");
        const refused = await run({ action: "saveNoise", length: 20_000_000, seed: 2 });
        // In OPFS the pipe to the disk may break before the browser says why.
        expect(refused).toMatch(/^CheckpointError: \w+Store\(.*\) could not save: .*([Qq]uota|data pipe)/);
        expect(await run({ action: "load" })).toBe("1000 of 1");
      } finally {
        await small.close();
      }
    },
  );
});

/** miniflare with a Durable Object of this file's. */
async function hostOf(file, useSQLite, persist) {
  const bundled = await bundle(project.directory, file, "esm", ["workerd", "worker", "browser"]);
  const names = readdirSync(bundled).sort((a, b) => Number(b === "main.js") - Number(a === "main.js"));
  const host = new Miniflare({
    compatibilityDate: "2026-04-01",
    modules: names.map((name) => ({
      type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
      path: name,
      contents: readFileSync(join(bundled, name)),
    })),
    durableObjects: { TRAINING: { className: "Training", useSQLite } },
    durableObjectsPersist: persist,
  });
  await host.ready;
  return host;
}

const PIECE = 124 * 1024;

describe.each([
  ["with SQLite", true],
  ["without SQLite", false],
])("a Durable Object %s", (name, useSQLite) => {
  const persist = join(folder, name);
  let host;
  const start = async () => {
    host = await hostOf("programs/store-worker.mjs", useSQLite, persist);
  };
  const run = async (request) => {
    const response = await host.dispatchFetch("http://localhost/", { method: "POST", body: JSON.stringify(request) });
    return response.json();
  };
  beforeAll(start);
  afterAll(() => host?.dispose());

  it("keeps checkpoints of any length, in pieces, and nothing that is left over", async () => {
    const key = "model";
    expect(await run({ key, action: "load" })).toBe("missing");
    for (const length of [0, 1, PIECE - 1, PIECE, PIECE + 1, 130 * PIECE + 7, 3 * PIECE, 5]) {
      expect(await run({ key, action: "save", length, seed: 7 })).toBe(length === 0 ? "0 of 0" : `${length} of 7`);
      const pieces = Array.from({ length: Math.ceil(length / PIECE) }, (_, i) => `model/${i}`);
      expect(await run({ raw: {} })).toEqual([key, ...pieces].sort());
    }
    expect(await run({ key, action: "delete" })).toBe("missing");
    expect(await run({ raw: {} })).toEqual([]);
  });

  it("has the old checkpoint when a save fails, or the object is evicted, at any of its writes", async () => {
    const key = "model";
    expect(await run({ key, action: "save", length: 300 * PIECE, seed: 1 })).toBe(`${300 * PIECE} of 1`);
    for (let write = 0; write < 4; write++) {
      const failed = await run({ key, action: "save", length: 290 * PIECE, seed: 2, failAt: write });
      expect(failed).toBe('CheckpointError: durableObjectStore("model") could not save: the test\'s fault');
      expect(await run({ key, action: "load" })).toBe(`${300 * PIECE} of 1`);
      await run({ key, action: "save", length: 290 * PIECE, seed: 2, abortAt: write }).catch(() => {});
      expect(await run({ key, action: "load" })).toBe(`${300 * PIECE} of 1`);
    }
    expect(await run({ key, action: "save", length: 290 * PIECE, seed: 2, failAt: 4 })).toBe(`${290 * PIECE} of 2`);
    await run({ key, action: "delete" });
  });

  it("says what is damaged or of somebody else", async () => {
    await run({ key: "a", action: "save", length: 2 * PIECE, seed: 1 });
    await run({ raw: { delete: "a/1" } });
    expect(await run({ key: "a", action: "load" })).toBe('CheckpointError: durableObjectStore("a") lacks piece 1 of 2');
    await run({ raw: { put: { key: "b", value: "text" } } });
    const foreign = 'CheckpointError: durableObjectStore("b") has something else under this key';
    for (const action of ["load", "save", "delete"])
      expect(await run({ key: "b", action, length: 1, seed: 1 })).toBe(foreign);
  });

  it("goes on with a training after the host was started again", async () => {
    const first = await run({ action: "train" });
    expect(first.iterations).toBe(3);
    await host.dispose();
    await start();
    const second = await run({ action: "train" });
    expect(second.iterations).toBe(6);
    expect(second.w).not.toEqual(first.w);
  });
});

describe("files in", () => {
  const file = "programs/store-command.mjs";
  it.each([
    ["Node 20", join(modules, "node-20/bin/node"), []],
    ["Node 26", join(modules, "node-26/bin/node"), []],
    ["Deno", join(modules, "@deno/linux-x64-glibc/deno"), ["run", "--quiet", "--allow-all"]],
    ["Bun", join(modules, "@oven/bun-linux-x64/bin/bun"), []],
  ])("%s", async (_name, path, args) => {
    const { run } = await command(path, { args, file })(project);
    const own = mkdtempSync(join(folder, "files-"));
    const at = { path: join(own, "model.safetensors") };
    expect(await run({ ...at, action: "load" })).toBe("missing");
    expect(await run({ ...at, action: "save", length: 1_000_001, seed: 4 })).toBe("1000001 of 4");
    expect(await run({ ...at, action: "load" })).toBe("1000001 of 4");
    expect(await run({ ...at, action: "saveMany", length: 1000, seed: 1, count: 5 })).toBe("1000 of 5");
    expect(readdirSync(own)).toEqual(["model.safetensors"]);
    expect(await run({ path: join(own, "no/model"), action: "save", length: 1, seed: 1 })).toMatch(
      /^CheckpointError: fileStore.* does not exist$/,
    );
    expect(await run({ ...at, action: "delete" })).toBe("missing");
  });
});

describe("the guide's programs run:", () => {
  const guide = readFileSync(new URL("../../docs/guide/checkpoints.md", import.meta.url), "utf8");
  const programWith = (word) => {
    const programs = [...guide.matchAll(/```js\n(.*?)```/gs)]
      .map(([, code]) => code)
      .filter((code) => code.includes(word));
    expect(programs.length).toBe(1);
    return programs[0];
  };

  it.each(["indexedDBStore", "opfsStore"])("%s, over a reload", async (name) => {
    const code = programWith("indexedDBStore(");
    const other = /\/\/ or (.*)/.exec(code)[1];
    const chosen =
      name === "opfsStore"
        ? code.replace(/indexedDBStore\(.*\);/, `${other};`).replace("import { indexedDBStore", "import { opfsStore")
        : code;
    const file = `programs/guide-${name}.mjs`;
    writeFileSync(join(project.directory, file), chosen);
    const pageFolder = await bundle(project.directory, file, "esm", ["browser"]);
    writeFileSync(join(pageFolder, "index.html"), '<!doctype html><body><script type="module" src="main.js"></script>');
    const { server, origin } = await serve(pageFolder);
    const browser = await puppeteer.launch(CHROMIUM);
    try {
      const page = await browser.newPage();
      for (const visit of [1, 2, 3]) {
        await page.goto(`${origin}/plain/`);
        await page.waitForFunction((text) => document.body.textContent.includes(text), {}, `${visit} steps so far`);
      }
    } finally {
      await browser.close();
      server.close();
    }
  });

  it("durableObjectStore, over a restart", async () => {
    const file = "programs/guide-worker.mjs";
    writeFileSync(join(project.directory, file), programWith("durableObjectStore("));
    for (const visit of [1, 2]) {
      const host = await hostOf(file, true, join(folder, "guide"));
      const response = await host.dispatchFetch("http://localhost/");
      expect(await response.text()).toBe(`${visit} steps so far`);
      await host.dispose();
    }
  });
});

it("QuickJS, which has no TextEncoder and no TextDecoder, saves and loads checkpoints", async () => {
  const { run, stop } = await quickjs("programs/checkpoint-bare.mjs")(project);
  expect(await run({})).toEqual({
    encoders: "undefinedundefined",
    note: "Ä 🜁",
    loaded: ["größe 🜁"],
    equal: true,
    iterations: 1,
    refused: expect.stringMatching(/begins with "<!DOCTYPE html>": an HTML page/),
    half: 0.0999755859375,
  });
  stop();
});
