import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, serve } from "./drivers/browsers.mjs";
import { freePort, untilListening } from "./drivers/workers.mjs";
import { prepare } from "./prepare.mjs";

// The same classifier in a worker, in three pages: samples, training, IndexedDB, reload.

const examples = fileURLToPath(new URL("../../examples", import.meta.url));
const project = prepare();
const folder = mkdtempSync(join(tmpdir(), "lanewise-workers-"));
const servers = [];
let browser;
beforeAll(async () => {
  browser = await puppeteer.launch(CHROMIUM);
});
afterAll(async () => {
  await browser?.close();
  for (const child of servers) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exit = once(child, "exit");
    child.kill("SIGKILL"); // Next.js waits for connections when it is asked to end
    await exit;
  }
  project.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** A copy of an example, installed, with the packed package among its node_modules. */
function install(name) {
  const directory = join(folder, name);
  cpSync(join(examples, name), directory, {
    recursive: true,
    filter: (path) => !path.includes("node_modules") && !path.includes(".next"),
  });
  run(directory, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error");
  cpSync(join(project.directory, "node_modules/lanewise"), join(directory, "node_modules/lanewise"), {
    recursive: true,
  });
  return directory;
}

const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: undefined };

function run(cwd, command, ...args) {
  execFileSync(command, args, { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
}

/** Starts a server that is a program; returns its address. */
async function start(cwd, file, ...args) {
  const port = await freePort();
  const all = [join(cwd, "node_modules", file), ...args, "--port", `${port}`];
  const child = spawn(process.execPath, all, { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
  servers.push(child);
  await untilListening(port, child);
  return `http://127.0.0.1:${port}/`;
}

/** Opens an address, and says what went wrong in the page. */
async function visit(url) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    const isIcon = message.location().url?.endsWith("/favicon.ico"); // which browsers ask for by themselves
    if (message.type() === "error" && !isIcon) errors.push(message.text());
  });
  await page.goto(url);
  const shows = (text) =>
    page
      .waitForFunction((text) => document.querySelector("output")?.value === text, { timeout: 20_000 }, text)
      .catch(async () => {
        expect([await page.evaluate(() => document.querySelector("output")?.value), ...errors]).toEqual([text]);
      });
  return { page, errors, shows, close: () => context.close() };
}

/** Samples of two classes, left and right. */
const SAMPLES = Array.from({ length: 12 }, (_, i) => ({
  x: 40 + 60 * (i % 6),
  y: 60 + 120 * (i % 3),
  label: +(i % 6 > 2),
}));

async function collect({ page, shows }) {
  await shows("0 samples, 0 epochs, accuracy –");
  const { left, top } = await page.$eval("canvas", (canvas) => canvas.getBoundingClientRect().toJSON());
  for (const { x, y, label } of SAMPLES) {
    await page.click(`input[value="${label}"]`);
    await page.mouse.click(left + x, top + y);
  }
  await page.waitForFunction(() => document.querySelector("output").value.startsWith("12 samples"));
}

/** Everything that a visitor does. */
async function use(url) {
  const visitor = await visit(url);
  const { page, shows, errors, close } = visitor;
  await collect(visitor);
  await page.click("button");
  await shows("12 samples, 100 epochs, accuracy 1.00");
  await page.reload();
  await shows("12 samples, 100 epochs, accuracy 1.00");
  await page.click("button");
  await shows("12 samples, 200 epochs, accuracy 1.00");
  expect(errors).toEqual([]);
  await close();
}

describe("a plain page", () => {
  let site;
  beforeAll(async () => {
    site = await serve(install("worker-page"));
  });
  afterAll(() => site?.server.close());

  it("collects, trains, and goes on after a reload", () => use(`${site.origin}/plain/`));

  it("loses no message that is sent before the worker has started", async () => {
    const { page, close } = await visit(`${site.origin}/plain/view.js`); // of the same origin, without a worker
    const counts = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const worker = new Worker("worker.js", { type: "module" });
          for (let i = 0; i < 3; i++) worker.postMessage({ type: "add", x: [i / 3, 0], y: i % 2 });
          const counts = [];
          worker.onmessage = ({ data }) => {
            counts.push(data.samples.y.length);
            if (counts.length === 4) resolve(counts);
          };
        }),
    );
    expect(counts).toEqual([0, 1, 2, 3]);
    await close();
  });
});

describe("Vite and React", () => {
  let directory;
  beforeAll(() => {
    directory = install("vite-react");
  });

  it("collects, trains, and goes on after a reload, when built", async () => {
    run(directory, process.execPath, join(directory, "node_modules/vite/bin/vite.js"), "build");
    await use(await start(directory, "vite/bin/vite.js", "preview", "--host", "127.0.0.1"));
  });

  it("does so in StrictMode on the development server, and keeps samples when a component is edited", async () => {
    const url = await start(directory, "vite/bin/vite.js", "--host", "127.0.0.1");
    await use(url);
    const visitor = await visit(url);
    const { page, shows, errors, close } = visitor;
    await collect(visitor);
    await page.evaluate(() => {
      globalThis.sameDocument = true;
    });
    const file = join(directory, "src/classifier.jsx");
    writeFileSync(file, readFileSync(file, "utf8").replace("<h1>A classifier in a worker", "<h1>Edited"));
    await page.waitForFunction(() => document.querySelector("h1").textContent === "Edited");
    await shows("12 samples, 0 epochs, accuracy 0.50");
    await page.click("button");
    await shows("12 samples, 100 epochs, accuracy 1.00");
    expect(await page.evaluate(() => globalThis.sameDocument)).toBe(true);
    expect(errors).toEqual([]);
    await close();
  });
});

describe("Next.js", () => {
  it("collects, trains, and goes on after a reload", { timeout: 300_000 }, async () => {
    const directory = install("nextjs");
    run(directory, process.execPath, join(directory, "node_modules/next/dist/bin/next"), "build");
    await use(await start(directory, "next/dist/bin/next", "start", "--hostname", "127.0.0.1"));
  });
});

describe("the three examples", () => {
  const read = (file) => readFileSync(join(examples, file), "utf8");
  const body = (file) => read(file).replaceAll(/^import .*\n/gm, "");

  it("have the same worker and view", () => {
    for (const file of ["vite-react/src/worker.js", "nextjs/app/worker.js"]) {
      expect(body(file)).toBe(body("worker-page/worker.js"));
    }
    for (const file of ["vite-react/src/view.js", "nextjs/app/view.js"]) {
      expect(read(file)).toBe(read("worker-page/view.js"));
    }
    expect(read("../docs/guide/in-a-worker.md")).toContain(read("vite-react/src/worker.js"));
    expect(read("nextjs/app/classifier.jsx")).toBe(`"use client";\n\n${read("vite-react/src/classifier.jsx")}`);
  });
});
