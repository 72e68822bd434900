import { writeFileSync } from "node:fs";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { afterAll, describe, expect, it } from "vitest";
import { CHROMIUM, serve } from "./drivers/browsers.mjs";
import { command } from "./drivers/commands.mjs";
import { bundle, modules, prepare } from "./prepare.mjs";

// A worker that spins or traps inside a kernel takes nothing with it (docs/reliability.md), in the packed package.

const project = prepare();
afterAll(() => project.remove());

const start = (path, options) => command(path, { ...options, file: "programs/lost-worker-command.mjs" });

/** A page that may have threads, in Chromium. */
async function chromium({ directory }) {
  const folder = await bundle(directory, "programs/lost-worker-page.mjs", "esm", ["browser"]);
  writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="main.js"></script>');
  const { server, origin } = await serve(folder);
  return {
    async run(request) {
      const browser = await puppeteer.launch({ ...CHROMIUM, protocolTimeout: 100_000 });
      try {
        const page = await browser.newPage();
        await page.goto(`${origin}/isolated/`);
        await page.waitForFunction(() => globalThis.loseWorker);
        return await page.evaluate((request) => globalThis.loseWorker(request), request);
      } finally {
        await browser.close();
      }
    },
    stop: () => server.close(),
  };
}

describe.each([
  ["Node 26", start(join(modules, "node-26/bin/node"))],
  ["Deno", start(join(modules, "@deno/linux-x64-glibc/deno"), { args: ["run", "--quiet", "--allow-all"] })],
  ["Bun", start(join(modules, "@oven/bun-linux-x64/bin/bun"))],
  ["Chromium", chromium],
])("%s", (_, make) => {
  // Who spins is waited for ten seconds.
  it.each([
    { work: "steps", way: "traps", claim: 0 },
    { work: "products", way: "traps", claim: 3 },
    { work: "training", way: "traps", claim: 7 },
    { work: "training", way: "spins", claim: 2 },
  ])("$work, a worker $way in call $claim", { timeout: 120_000 }, async (request) => {
    const runtime = await make(project);
    try {
      const { reason, differing } = await runtime.run(request);
      const fate = request.way === "traps" ? "its kernel failed" : "it did not finish its share of a job";
      expect(reason).toMatch(new RegExp(`; one thread; 1 of 1 workers ended: ${fate}`));
      expect(differing).toBe(0);
    } finally {
      runtime.stop?.();
    }
  });
});
