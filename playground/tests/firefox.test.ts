// Every part once in Firefox, which speaks WebDriver BiDi with puppeteer.
import { fileURLToPath, pathToFileURL } from "node:url";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SIZES } from "../../measure/compare.js";
import { descend } from "./descent.js";
import { serve } from "./server.js";

const built = fileURLToPath(new URL("../../build/playground", import.meta.url));

let site: Awaited<ReturnType<typeof serve>>;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  site = await serve(built);
  browser = await puppeteer.launch({ browser: "firefox", executablePath: "/usr/bin/firefox-esr" });
  page = await browser.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(`${error}`));
});

afterAll(async () => {
  await browser.close();
  site.close();
});

it("runs every part", async () => {
  await page.goto(`${site.origin}/isolated/#trajectories?steps=20&at=20`);
  await page.waitForSelector("[data-racer=rmsprop]");
  const [x1, x2] = await page.$$eval("[data-racer=rmsprop] [data-value]", (cells) =>
    cells.map((cell) => Number((cell as HTMLElement).dataset["value"])),
  );
  const [first, second] = descend([-5, -2], [0.2, 4], { learningRate: 0.4, decay: 0.9, eps: 1e-8, steps: 20 });
  expect(Math.abs(x1! - first!.value)).toBeLessThanOrEqual(first!.bound);
  expect(Math.abs(x2! - second!.value)).toBeLessThanOrEqual(second!.bound);
  expect(await page.$eval("#backend", ({ textContent }) => textContent)).toMatch(/^Runs here: WebAssembly \(simd\)/);

  await page.evaluate(() => {
    location.hash = "#speed?samples=5&threads=1";
  });
  await page.waitForSelector("[data-state=done]");
  expect(await page.$$eval("#results .result td", ({ length }) => length)).toBe(
    (SIZES.step.length + SIZES.product.length) * 4,
  );
  expect(await page.$eval("#results", ({ textContent }) => textContent)).not.toMatch(/NaN|Infinity/);

  await page.evaluate(() => {
    location.hash = "#digits?pace=Infinity";
  });
  await page.waitForSelector("#progress[data-state=done]");
  const accuracy = await page.$eval("#standing-cnn", (text) => Number((text as HTMLElement).dataset["accuracy"]));
  expect(accuracy).toBeGreaterThanOrEqual(0.9);
  await page.waitForSelector("#guess-cnn");
  expect(complaints).toEqual([]);
});

it("works from a folder, without a server", async () => {
  await page.goto(`${pathToFileURL(`${built}/index.html`)}#digits?pace=Infinity`);
  await page.waitForSelector("#progress[data-state=done]");
  expect(page.url()).toMatch(/playground\.html#digits/);
  expect(await page.$eval("#backend", ({ textContent }) => textContent)).toMatch(/^Runs here: WebAssembly/);
});
