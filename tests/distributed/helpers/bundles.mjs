// Members in a page and in a Worker, from bundles as a user's tools would make them.

import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { chromium as playwright } from "playwright-core";

const programs = fileURLToPath(new URL("../programs/", import.meta.url));

/** The folder with the bundle of a program, a file of `programs` or a path. */
export async function bundle(name, conditions) {
  const folder = mkdtempSync(join(tmpdir(), "lanewise-bundle-"));
  await build({
    entryPoints: { main: resolve(programs, name) },
    outdir: folder,
    bundle: true,
    format: "esm",
    conditions,
    target: "es2022",
    loader: { ".wasm": "copy" },
    assetNames: "[name]",
    // @nats-io/obj tries it and does without.
    external: ["node:crypto"],
    logLevel: "error",
  });
  return folder;
}

/** Chromium with a page that trains. */
export class Page {
  static async open() {
    const page = new Page();
    page.folder = await bundle("page.mjs", ["browser"]);
    page.server = createServer((request, response) => {
      const isScript = request.url.endsWith(".js");
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      if (isScript) response.end(readFileSync(join(page.folder, "main.js")));
      else response.end('<!doctype html><meta charset="utf-8"><script type="module" src="/main.js"></script>');
    }).listen(0, "127.0.0.1");
    await once(page.server, "listening");
    const executablePath = await chromium.executablePath();
    page.browser = await playwright.launch({ executablePath, args: chromium.args, headless: true });
    page.tab = await page.browser.newPage();
    await page.tab.goto(`http://127.0.0.1:${page.server.address().port}/`);
    await page.tab.waitForFunction(() => window.train !== undefined);
    return page;
  }

  train(request) {
    return this.tab.evaluate((argument) => window.train(argument), request);
  }

  async close() {
    await this.browser.close();
    this.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** workerd, by miniflare, with a Worker of `programs`; what its Durable Objects store is in `persist`. */
export class Worker {
  static async start({ program = "worker.mjs", durableObjects = { HUB: "GroupHub" }, persist, port } = {}) {
    const worker = new Worker();
    worker.folder = await bundle(program, ["workerd", "worker", "browser"]);
    const names = readdirSync(worker.folder).sort((a, b) => Number(b === "main.js") - Number(a === "main.js"));
    const objects = Object.entries(durableObjects).map(([name, className]) => [name, { className, useSQLite: true }]);
    worker.host = new Miniflare({
      compatibilityDate: "2026-04-01",
      modules: names.map((name) => ({
        type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
        path: name,
        contents: readFileSync(join(worker.folder, name)),
      })),
      durableObjects: Object.fromEntries(objects),
      durableObjectsPersist: persist ?? false,
      host: "127.0.0.1",
      port: port ?? 0,
    });
    worker.url = await worker.host.ready;
    return worker;
  }

  /** Where members connect to the hub. */
  get hub() {
    return `ws://${this.url.host}/`;
  }

  async train(request) {
    const response = await fetch(this.url, { method: "POST", body: JSON.stringify(request) });
    const { result, error } = await response.json();
    if (error !== undefined) throw new Error(error);
    return result;
  }

  async stop() {
    await this.host.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
