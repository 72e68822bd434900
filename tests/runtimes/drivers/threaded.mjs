import { writeFileSync } from "node:fs";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { bundle, modules } from "../prepare.mjs";
import { CHROMIUM, serve } from "./browsers.mjs";
import { command } from "./commands.mjs";

const start = (path, options) => command(path, { ...options, file: "programs/call-command.mjs" });

/** A new Chromium for each request, with a page that may have threads. */
async function chromium({ directory }) {
  const folder = await bundle(directory, "programs/call-page.mjs", "esm", ["browser"]);
  writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="main.js"></script>');
  const { server, origin } = await serve(folder);
  return {
    async run(request) {
      const browser = await puppeteer.launch({ ...CHROMIUM, protocolTimeout: 0 });
      try {
        const page = await browser.newPage();
        await page.goto(`${origin}/isolated/`);
        await page.waitForFunction(() => globalThis.call);
        return await page.evaluate((request) => globalThis.call(request), request);
      } finally {
        await browser.close();
      }
    },
    stop: () => server.close(),
  };
}

/** Runtimes with threads, and how they start; `run({ program, ... })` calls one of programs/calls.mjs. */
export const threaded = [
  ["Node 26", start(join(modules, "node-26/bin/node"))],
  ["Deno", start(join(modules, "@deno/linux-x64-glibc/deno"), { args: ["run", "--quiet", "--allow-all"] })],
  ["Bun", start(join(modules, "@oven/bun-linux-x64/bin/bun"))],
  ["Chromium", chromium],
];
