import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import puppeteer from "puppeteer-core";
import { bundle } from "../prepare.mjs";
import { freePort, untilListening } from "./workers.mjs";

/** What a site sends with every file, by the first part of its path. */
const HEADERS = {
  plain: {},
  csp: { "Content-Security-Policy": "script-src 'self'" },
  "csp-wasm": { "Content-Security-Policy": "script-src 'self' 'wasm-unsafe-eval'" },
  isolated: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" },
};

const PAGE = '<!doctype html><meta charset="utf-8"><script type="module" src="main.js"></script>';
const TYPES = { ".html": "text/html", ".js": "text/javascript" };

/** Serves the folder on every site, and takes the reports that its pages post. */
export async function serve(folder) {
  const reports = new Map();
  const server = createServer(async (request, response) => {
    const [, site, ...path] = new URL(request.url, "http://localhost").pathname.split("/");
    const file = path.join("/") || "index.html";
    if (request.method === "POST") {
      reports.get(file)(JSON.parse(await text(request)));
      response.end();
      return;
    }
    const content = await readFile(join(folder, file)).catch(() => undefined);
    if (content === undefined || !(site in HEADERS)) response.writeHead(404).end();
    else response.writeHead(200, { "Content-Type": TYPES[extname(file)], ...HEADERS[site] }).end(content);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, reports, origin: `http://127.0.0.1:${server.address().port}` };
}

/** The program's page, in a folder of its own. */
async function buildPage({ directory }) {
  const folder = await bundle(directory, "programs/page.mjs", "esm", ["browser"]);
  await writeFile(join(folder, "index.html"), PAGE);
  return folder;
}

/** A browser: `open` starts it, and says how it visits an address. */
const browser =
  (open, build = buildPage) =>
  async (project) => {
    const { server, reports, origin } = await serve(await build(project));
    const { version, visit, close } = await open();
    return {
      version,
      async run({ site = "plain", ...options }) {
        const id = `${reports.size}`;
        const report = new Promise((resolve) => reports.set(id, resolve));
        await visit(`${origin}/${site}/?${encodeURIComponent(JSON.stringify({ id, ...options }))}`);
        return report;
      },
      async stop() {
        await close();
        server.close();
      },
    };
  };

const puppet = (options, build) =>
  browser(async () => {
    const puppet = await puppeteer.launch(options);
    const page = await puppet.newPage();
    return {
      version: /[\d.]+/.exec(await puppet.version())[0],
      visit: (url) => page.goto(url),
      close: () => puppet.close(),
    };
  }, build);

export const CHROMIUM = { executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] };

/** `build`: makes the page that it visits. */
export const chromium = (build) => puppet(CHROMIUM, build);

/** What a page of a folder has written into its `<output>`, in Chromium. */
export async function outputOf(folder, site) {
  const { server, origin } = await serve(folder);
  const browser = await puppeteer.launch(CHROMIUM);
  try {
    const page = await browser.newPage();
    await page.goto(`${origin}/${site}/`);
    const handle = await page.waitForFunction(() => document.querySelector("output").value);
    return await handle.jsonValue();
  } finally {
    await browser.close();
    server.close();
  }
}

export const firefox = (extraPrefsFirefox = {}) =>
  puppet({ browser: "firefox", executablePath: "/usr/bin/firefox-esr", extraPrefsFirefox });

const MINI_BROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";

/** Over the WebDriver protocol, spoken plainly: one session, one window. */
export const webkit = browser(async () => {
  const [port, display] = [await freePort(), `:${90 + (process.pid % 900)}`];
  const screen = spawn("Xvfb", [display, "-screen", "0", "800x600x24"], { stdio: "ignore" });
  const env = {
    ...process.env,
    DISPLAY: display,
    WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
    WEBKIT_DISABLE_COMPOSITING_MODE: "1",
    LIBGL_ALWAYS_SOFTWARE: "1",
  };
  const driver = spawn("WebKitWebDriver", [`--port=${port}`], { stdio: "ignore", env });
  await untilListening(port, driver);
  const send = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${path}: ${value.message}`);
    return value;
  };
  const alwaysMatch = { "webkitgtk:browserOptions": { binary: MINI_BROWSER, args: ["--automation"] } };
  const { sessionId, capabilities } = await send("POST", "/session", { capabilities: { alwaysMatch } });
  return {
    version: capabilities.browserVersion,
    visit: (url) => send("POST", `/session/${sessionId}/url`, { url }),
    async close() {
      await send("DELETE", `/session/${sessionId}`);
      for (const process of [driver, screen]) {
        const exit = once(process, "exit");
        process.kill();
        await exit;
      }
    },
  };
});
