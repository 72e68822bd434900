// The built playground in Chromium: what each part shows, by pointer and by keyboard.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { readSafetensors, writeSafetensors } from "lanewise/checkpoint";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { SIZES } from "../../measure/compare.js";
import { addressesOf, REPOSITORY } from "../../scripts/addresses.mjs";
import { descend } from "./descent.js";
import { serve } from "./server.js";

/** How long something may take that does happen. */
const SOON = { timeout: 20_000 };
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const built = fileURLToPath(new URL("../../build/playground", import.meta.url));

/** Cells of the table of results that have a figure. */
const MEASURED = "#results .result td:not(:text-is('…'))";
const JOBS = SIZES.step.length + SIZES.product.length;

let site: Awaited<ReturnType<typeof serve>>;
let browser: Browser;
/** What the pages of a test complained about. */
let complaints: string[] = [];

beforeAll(async () => {
  site = await serve(built);
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  const seen = complaints;
  complaints = [];
  expect(seen).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  site.close();
});

async function open(address: string, folder = "plain", options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(`${error}`));
  await page.goto(`${site.origin}/${folder}/${address}`);
  return page;
}

/** What the table says: x₁, x₂ and f of an optimizer. */
async function positionOf(page: Page, racer: string): Promise<number[]> {
  const cells = page.locator(`[data-racer=${racer}] [data-value]`);
  await cells.first().waitFor();
  return cells.evaluateAll((all) => all.map((cell) => Number((cell as HTMLElement).dataset["value"])));
}

const positions = (page: Page) => page.locator("#positions tbody").textContent();

/** Pixels of a chart that have exactly this color. */
async function pixelsOf(page: Page, label: RegExp, color: string): Promise<number> {
  const canvas = page.getByRole("img", { name: label }).locator("canvas");
  return canvas.evaluate((element: HTMLCanvasElement, name) => {
    const probe = document.createElement("canvas").getContext("2d")!;
    const named = document.createElement("i");
    named.style.color = `var(${name})`;
    document.body.append(named);
    probe.fillStyle = getComputedStyle(named).color;
    named.remove();
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    const { data } = element.getContext("2d")!.getImageData(0, 0, element.width, element.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i + 1] === g && data[i + 2] === b) count++;
    return count;
  }, color);
}

describe("trajectories", () => {
  it("ends on the textbook's surface where float64 says", async () => {
    const page = await open("#trajectories?steps=20&at=20");
    const [x1, x2, f] = await positionOf(page, "rmsprop");
    const options = { learningRate: 0.4, decay: 0.9, eps: 1e-8, steps: 20 };
    const [first, second] = descend([-5, -2], [0.2, 4], options);
    expect(Math.abs(x1! - first!.value)).toBeLessThanOrEqual(first!.bound);
    expect(Math.abs(x2! - second!.value)).toBeLessThanOrEqual(second!.bound);
    expect(f).toBeCloseTo(0.1 * x1! ** 2 + 2 * x2! ** 2, 12);
  });

  it("plays, steps and goes back", async () => {
    const page = await open("#trajectories?at=7");
    const position = page.locator("#position");
    await expect.poll(() => position.textContent(), SOON).toBe("7 / 40");
    await page.getByRole("button", { name: "Step", exact: true }).click();
    expect(await position.textContent()).toBe("8 / 40");
    await page.getByRole("button", { name: "Reset", exact: true }).click();
    expect(await position.textContent()).toBe("0 / 40");
    expect(await positionOf(page, "sgd")).toEqual([-5, -2, 10.5]);
    await page.getByLabel("Step shown").press("End");
    for (let i = 0; i < 8; i++) await page.getByLabel("Step shown").press("ArrowLeft");
    await page.getByRole("button", { name: "Play" }).click();
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await expect.poll(() => position.textContent(), SOON).toBe("40 / 40");
    await page.getByRole("button", { name: "Play" }).waitFor();
  });

  it("plays by itself for those who did not ask for less motion", async () => {
    const page = await open("", "plain", { reducedMotion: "no-preference" });
    await page.getByRole("button", { name: "Pause" }).waitFor();
  });

  it("draws each optimizer's path and curves, and leaves out who does not run", async () => {
    const page = await open("#trajectories?adam=0");
    await positionOf(page, "rmsprop");
    for (const label of [/^Contour map/, /^Loss/, /along x1/, /along x2/]) {
      expect(await pixelsOf(page, label, "--blue")).toBeGreaterThan(30);
      expect(await pixelsOf(page, label, "--purple")).toBe(0);
    }
    expect(await page.locator("[data-racer]").count()).toBe(3);
    expect(await page.locator(".ends span").allTextContents()).toEqual(["drag me", "RMSProp", "AdaGrad", "SGD"]);
  });

  it("starts where the user points", async () => {
    const page = await open("#trajectories");
    await positionOf(page, "rmsprop");
    const box = (await page.locator(".surface .u-over").boundingBox())!;
    await page.mouse.click(box.x + box.width / 3, box.y + box.height / 4);
    await page.getByRole("button", { name: "Reset", exact: true }).click();
    const [x1, x2] = await positionOf(page, "rmsprop");
    expect(x1).toBeCloseTo(-3, 1);
    expect(x2).toBeCloseTo(1.5, 1);
  });

  it.each([
    [1440, 900],
    [390, 844],
  ])("has map, names of the paths and controls on one screen of %i × %i", async (width, height) => {
    const page = await open("#trajectories", "plain", { viewport: { width, height } });
    await positionOf(page, "rmsprop");
    const map = (await page.locator(".surface .u-over").boundingBox())!;
    expect(map.width * map.height).toBeGreaterThan(0.2 * width * height);
    for (const locator of [
      page.locator(".surface .u-over"),
      page.getByRole("button", { name: "Play" }),
      page.getByRole("button", { name: /^12 dialects/ }),
      page.getByLabel("RMSProp learning rate"),
      page.getByLabel("SGD learning rate"),
      page.getByLabel("Surface", { exact: true }),
      page.getByLabel("Dialect"),
      page.getByLabel("Decay ρ"),
    ]) {
      const box = (await locator.boundingBox())!;
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width, `${locator}`).toBeLessThanOrEqual(width);
      expect(box.y + box.height, `${locator}`).toBeLessThanOrEqual(height);
    }
    for (const address of ["#trajectories", "#trajectories?race=dialects"]) {
      await page.goto(`${site.origin}/plain/${address}`);
      const names = page.locator(".ends span");
      await expect.poll(() => names.count(), SOON).toBe(5);
      const boxes = (await Promise.all((await names.all()).map((name) => name.boundingBox()))).map((box) => box!);
      for (const [i, a] of boxes.entries()) {
        expect(a.x).toBeGreaterThanOrEqual(map.x - 1);
        expect(a.x + a.width).toBeLessThanOrEqual(map.x + map.width + 1);
        for (const b of boxes.slice(i + 1)) {
          const apart =
            a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y + 1 || b.y + b.height <= a.y + 1;
          expect(apart, `${address}: ${JSON.stringify([a, b])}`).toBe(true);
        }
      }
    }
  });

  it("names a path that has left the map, and one that has ended in NaN, at the edge", async () => {
    const page = await open("#trajectories?sgd.rate=10&steps=500&at=500");
    expect((await positionOf(page, "sgd")).some(Number.isNaN)).toBe(true);
    const map = (await page.locator(".surface .u-over").boundingBox())!;
    const name = (await page.locator(".ends").getByText("SGD").boundingBox())!;
    expect(name.x).toBeGreaterThanOrEqual(map.x - 1);
    expect(name.x + name.width).toBeLessThanOrEqual(map.x + map.width + 1);
    const isAtEdge = Math.min(name.y - map.y, map.y + map.height - name.y - name.height) < 2;
    expect(isAtEdge).toBe(true);
  });

  it("invites to drag the start, and follows", async () => {
    const page = await open("", "plain", { reducedMotion: "no-preference" });
    await page.getByText("drag me").waitFor();
    const box = (await page.locator(".surface .u-over").boundingBox())!;
    await page.mouse.move(box.x + box.width / 9, box.y + (box.height * 5) / 6);
    await page.mouse.down();
    const seen = new Set<string | null>();
    for (const part of [0.3, 0.4, 0.5]) {
      await page.mouse.move(box.x + box.width * part, box.y + box.height / 4);
      expect(await page.locator("#position").textContent()).toBe("40 / 40");
      seen.add(await positions(page));
    }
    await page.mouse.up();
    expect(seen.size).toBe(3);
    expect(await page.getByText("drag me").count()).toBe(0);
  });

  it("changes the picture while a learning rate is dragged, also in the middle of the race", async () => {
    const page = await open("", "plain", { reducedMotion: "no-preference" });
    await page.getByRole("button", { name: "Pause" }).waitFor();
    const box = (await page.getByLabel("RMSProp learning rate").boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.7, box.y + box.height / 2);
    await page.mouse.down();
    const seen = new Set<string>();
    for (const part of [0.6, 0.5, 0.4, 0.3]) {
      await page.mouse.move(box.x + box.width * part, box.y + box.height / 2);
      expect(await page.locator("#position").textContent()).toBe("40 / 40");
      seen.add(`${await positionOf(page, "rmsprop")}`);
    }
    await page.mouse.up();
    expect(seen.size).toBe(4);
  });

  it("races all dialects with one click, each with its own defaults", async () => {
    const page = await open("#trajectories?steps=20&at=20");
    await positionOf(page, "rmsprop");
    await page.getByRole("button", { name: "12 dialects of RMSProp" }).click();
    await expect.poll(() => page.locator("[data-racer]").count(), SOON).toBe(12);
    expect(await page.locator(".error:not(:empty)").count()).toBe(0);
    const ends = new Map<string, number[]>();
    for (const [dialect, decay] of [
      ["keras3", 0.9],
      ["pytorch", 0.99],
    ] as const) {
      const [x1, x2] = await positionOf(page, dialect);
      const options = { learningRate: 0.4, decay, eps: dialect === "keras3" ? 1e-7 : 0, steps: 20 };
      const [first, second] = descend([-5, -2], [0.2, 4], options);
      // What ε and its position change is far below a hundredth here.
      expect(x1).toBeCloseTo(first!.value, 2);
      expect(x2).toBeCloseTo(second!.value, 2);
      ends.set(dialect, [x1!, x2!]);
    }
    expect(ends.get("keras3")).not.toEqual(ends.get("pytorch"));
    const groups = await page.locator(".groups li").allTextContents();
    expect(groups.flatMap((group) => group.split(/, (?!legacy)/))).toHaveLength(12);
    expect(groups).toContain("PyTorch");
    expect(await page.locator(".ends span").allTextContents()).toContain("PyTorch");
    await expect.poll(() => page.url(), SOON).toContain("race=dialects");
    await page.getByRole("button", { name: "4 optimizers" }).click();
    await expect.poll(() => page.locator("[data-racer]").count(), SOON).toBe(4);
  });

  it("guides through six pictures, and back", async () => {
    const page = await open("#trajectories");
    await positionOf(page, "rmsprop");
    const title = page.locator("h1");
    const [back, next] = [page.getByRole("button", { name: "Back" }), page.getByRole("button", { name: "Next" })];
    const seen = [await title.textContent()];
    const pictures = new Set([await positions(page)]);
    expect(await back.isDisabled()).toBe(true);
    while (await next.isEnabled()) {
      await next.click();
      seen.push(await title.textContent());
      pictures.add(await positions(page));
    }
    expect(seen).toHaveLength(6);
    expect(new Set(seen).size).toBe(6);
    expect(pictures.size).toBe(6);
    await back.click();
    expect(await title.textContent()).toBe(seen[4]);
    expect(await page.getByLabel("Surface", { exact: true }).inputValue()).toBe("saddle");
    await expect.poll(() => page.url(), SOON).toMatch(/surface=saddle.*guide=4/);
    const again = await open(new URL(page.url()).hash);
    await positionOf(again, "rmsprop");
    expect(await again.locator("h1").textContent()).toBe(seen[4]);
    await again.getByLabel("Surface", { exact: true }).selectOption("beale");
    expect(await again.locator("h1").textContent()).toBe("Beale's function");
  });

  it("takes a framework's defaults with its dialect, and takes away what it lacks", async () => {
    const page = await open("#trajectories?nesterov=1&momentum=0.5");
    const before = await positionOf(page, "rmsprop");
    await page.getByLabel("Dialect").selectOption("pytorch");
    expect(await page.getByLabel("Decay ρ").getAttribute("aria-valuetext")).toBe("0.99");
    expect(await page.getByLabel(/^Nesterov/).isDisabled()).toBe(true);
    expect(await page.getByLabel(/^Centered/).isDisabled()).toBe(false);
    expect(await positionOf(page, "rmsprop")).not.toEqual(before);
    expect(await page.locator(".card .error:not(:empty)").count()).toBe(0);
  });

  it("runs every dialect, with all that it has", async () => {
    const page = await open(
      "#trajectories?momentum=0.5&centered=1&eps=0.001&emaDecay=0.5&weightDecay=0.01&clip=clipValue",
    );
    await positionOf(page, "rmsprop");
    const dialects = page.getByLabel("Dialect");
    const names = await dialects
      .locator("option")
      .evaluateAll((all) => all.map((option) => option.getAttribute("value")));
    expect(names).toHaveLength(12);
    const ends = new Set<string>();
    for (const name of names) {
      await dialects.selectOption(name);
      const end = await positionOf(page, "rmsprop");
      expect(end.every(Number.isFinite), `${name}`).toBe(true);
      expect(await page.locator(".error:not(:empty)").count()).toBe(0);
      ends.add(`${end}`);
    }
    expect(ends.size).toBeGreaterThan(6);
  });

  it("says what Lanewise says about options that do not go together", async () => {
    const page = await open("#trajectories?nesterov=1");
    await expect
      .poll(() => page.locator(".error:not(:empty)").textContent(), SOON)
      .toMatch(/^nesterov needs momentum > 0/);
    expect(await page.locator("#positions tbody tr").first().textContent()).toMatch(/stopped/);
  });

  it("is restored by its address", async () => {
    const page = await open("#trajectories");
    await positionOf(page, "rmsprop");
    await page.getByLabel("Surface", { exact: true }).selectOption("beale");
    await page.getByLabel("Decay ρ").press("ArrowLeft");
    await page.getByLabel("Steps", { exact: true }).press("Home");
    await page.getByText("All other options").click();
    await page.getByLabel("Averaged parameters").fill("0.5");
    await page.getByLabel("Position of ε").selectOption("outside");
    await page.getByLabel("Start x₁").fill("1.25");
    await page.getByLabel("AdaGrad", { exact: true }).uncheck();
    await page.getByLabel("Step shown").press("ArrowLeft");
    expect(await page.locator("#position").textContent()).toBe("9 / 10");
    const seen = await positions(page);
    expect(seen).toMatch(/RMSProp.*Adam.*SGD/);

    await expect.poll(() => page.url(), SOON).toMatch(/at=9$/);

    const again = await open(new URL(page.url()).hash);
    await positionOf(again, "rmsprop");
    expect(await positions(again)).toBe(seen);
    expect(await again.locator("#position").textContent()).toBe("9 / 10");
    expect(await again.getByLabel("Surface", { exact: true }).inputValue()).toBe("beale");
    expect(await again.getByLabel("AdaGrad", { exact: true }).isChecked()).toBe(false);
    const decay = await page.getByLabel("Decay ρ").getAttribute("aria-valuetext");
    expect(await again.getByLabel("Decay ρ").getAttribute("aria-valuetext")).toBe(decay);
    expect(decay).not.toBe("0.9");
  });

  it("passes over an address that makes no sense", async () => {
    const page = await open("#trajectories?surface=none&steps=1e9&decay=x&at=-3&sgd.rate=0&adam=7");
    await positionOf(page, "rmsprop");
    expect(await page.locator("#position").textContent()).toBe("40 / 40");
    expect(await page.locator("[data-racer]").count()).toBe(3);
  });

  it("takes a formula, and says what is wrong with another", async () => {
    const page = await open("#trajectories?surface=custom&x1=2&x2=0.5&steps=20&at=0");
    const formula = page.getByLabel("f(x1, x2) =");
    await formula.fill("3 * x1^2 + abs(x2) - exp(0)");
    await expect.poll(async () => (await positionOf(page, "sgd"))[2], SOON).toBe(11.5);
    await page.getByLabel("Step shown").press("ArrowRight");
    const [x1, x2] = await positionOf(page, "sgd");
    expect(x1).toBeCloseTo(2 - 0.05 * 12, 6);
    expect(x2).toBeCloseTo(0.5 - 0.05, 6);

    for (const [text, complaint] of [
      ["x1 +", /Unexpected end/],
      ["x3^2", /^x3 is unknown/],
      ["g(x1) = g(x1)", /^Write one formula/],
      ["", /^Write a formula/],
      ["sqrt(-1)", /^The formula has no finite value from −\d/],
    ] as const) {
      await formula.fill(text);
      await expect.poll(() => formula.locator("..").locator(".error").textContent(), SOON).toMatch(complaint);
      expect(await formula.getAttribute("aria-invalid")).toBe("true");
    }
    await formula.fill("x1^2 + x2^2");
    await expect.poll(() => formula.getAttribute("aria-invalid"), SOON).toBe("false");
  });
});

describe("speed", () => {
  it("shows a point and a row for each result, copies them and saves them", async () => {
    const page = await open("#speed?samples=5&threads=1", "isolated", {
      permissions: ["clipboard-read", "clipboard-write"],
    });
    await page.locator("[data-state=done]").waitFor();
    const ratios = await page.locator("#results .result td:last-child").allTextContents();
    const sorted = ratios.map((ratio) => Number.parseFloat(ratio)).sort((a, b) => a - b);
    const [, headline] = /^Wasm is ([\d.]+)× JavaScript here$/.exec((await page.locator("h1").textContent())!)!;
    expect(Number(headline)).toBe(sorted[JOBS / 2]);
    const rows = page.locator("#results .result");
    expect(await rows.count()).toBe(JOBS);
    expect(await page.locator("#results .result td").count()).toBe(JOBS * 4);
    for (const label of [/^Matrix products/, /^RMSProp steps/]) {
      for (const color of ["--orange", "--blue", "--green"]) {
        expect(await pixelsOf(page, label, color), `${label} ${color}`).toBeGreaterThan(50);
      }
    }
    expect(await page.locator("#results").textContent()).not.toMatch(/NaN|Infinity|undefined|…/);

    await page.getByRole("button", { name: "Copy as a table" }).click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toMatch(/^Lanewise \d+\.\d+\.\d+, Chrome [\d.]+, V8/);
    expect(copied.match(/^\| .+ \|$/gm)).toHaveLength(2 + JOBS);

    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save as JSON" }).click(),
    ]);
    const report = JSON.parse(await readFile(await file.path(), "utf8"));
    expect(Object.keys(report)).toEqual(["lanewise", "environment", "units", "results"]);
    expect(report.environment.runtime).toMatch(/^Chrome/);
    expect(report.results).toHaveLength(JOBS * 3);
    for (const { rate, backend, threads } of report.results) {
      expect(rate).toBeGreaterThan(0);
      expect(threads > 1).toBe(backend === "threads");
    }
  });

  it("measures with the coarse clock of a page that is not isolated, without threads", async () => {
    const page = await open("#speed?samples=5&threads=1");
    await page.locator("[data-state=done]").waitFor();
    expect(await page.locator("#results .result td").count()).toBe(JOBS * 3);
    expect(await page.locator("#results").textContent()).not.toMatch(/NaN|Infinity|undefined|…/);
    expect(await page.getByLabel(/^Also on/).isDisabled()).toBe(true);
  });

  it("has no empty chart and a table that is not cut", async () => {
    const page = await open("#speed?samples=5", "plain", { viewport: { width: 390, height: 844 } });
    const [waiting, images] = [page.locator(".waiting"), page.getByRole("img")];
    for (const image of await images.all()) {
      const [isWaiting, isVisible] = await image.evaluate((element) => [
        element.classList.contains("waiting"),
        getComputedStyle(element.firstElementChild!).visibility === "visible",
      ]);
      expect(isWaiting).toBe(!isVisible);
    }
    await page.locator("[data-state=done]").waitFor();
    expect(await waiting.count()).toBe(0);
    const cut = await page.locator("#results").evaluate((table) => {
      const [box, card] = [table.getBoundingClientRect(), table.parentElement!.getBoundingClientRect()];
      return box.right > card.right || box.bottom > card.bottom || table.parentElement!.scrollWidth > card.width;
    });
    expect(cut).toBe(false);
  });

  it("stops when told to", async () => {
    const page = await open("#speed?samples=15");
    await page.locator(MEASURED).first().waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator("[data-state=stopped]").waitFor();
    expect(await page.getByRole("button", { name: "Run again" }).isVisible()).toBe(true);
    await expect.poll(() => page.workers().length, SOON).toBe(0);
  });
});

/** Draws strokes given in parts of the pad. */
async function draw(page: Page, strokes: readonly (readonly (readonly [number, number])[])[]): Promise<void> {
  await page.getByRole("button", { name: "Clear" }).click();
  const pad = page.locator(".pad");
  await pad.scrollIntoViewIfNeeded();
  const box = (await pad.boundingBox())!;
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height] as const);
    await page.mouse.move(...points[0]!);
    await page.mouse.down();
    for (const point of points.slice(1)) await page.mouse.move(...point, { steps: 4 });
    await page.mouse.up();
  }
}

const CIRCLE = Array.from({ length: 25 }, (_, i) => {
  const angle = (2 * Math.PI * i) / 24;
  return [0.5 + 0.2 * Math.sin(angle), 0.5 - 0.3 * Math.cos(angle)] as const;
});
const ONE = [
  [0.52, 0.15],
  [0.48, 0.85],
] as const;
const SEVEN = [
  [0.25, 0.2],
  [0.72, 0.2],
  [0.45, 0.85],
] as const;

const accuracyOf = (page: Page, net: string) =>
  page.locator(`#standing-${net}`).getAttribute("data-accuracy").then(Number);
/** What the dense net and the CNN read. */
const guessesOf = (page: Page) => page.locator(".guess b").allTextContents();

describe("digits", () => {
  it("learns, and guesses what is drawn", async () => {
    const page = await open("#digits?pace=Infinity");
    await draw(page, [CIRCLE]);
    await page.locator("[data-state=done]").waitFor();
    const [dense, cnn] = [await accuracyOf(page, "dense"), await accuracyOf(page, "cnn")];
    expect(dense).toBeGreaterThanOrEqual(0.9);
    expect(cnn).toBeGreaterThan(dense);
    for (const [strokes, digit] of [
      [CIRCLE, "0"],
      [ONE, "1"],
      [SEVEN, "7"],
    ] as const) {
      await draw(page, [strokes]);
      await expect.poll(() => guessesOf(page), SOON).toEqual([digit, digit]);
    }
    for (const label of [/^Accuracy/, /^Loss/]) {
      for (const color of ["--blue", "--orange"]) expect(await pixelsOf(page, label, color)).toBeGreaterThan(50);
    }
  });

  it("shows what each network confuses", async () => {
    const page = await open("#digits?pace=Infinity");
    await page.locator("[data-state=done]").waitFor();
    for (const [index, net] of ["dense", "cnn"].entries()) {
      const table = page.locator(".confusion").nth(index);
      const sum = async (selector: string) =>
        (await table.locator(selector).allTextContents()).reduce((total, text) => total + Number(text), 0);
      expect(await sum("td.right, td.wrong")).toBe(1000);
      expect((await sum("td.right")) / 1000).toBeCloseTo(await accuracyOf(page, net), 6);
    }
    const worst = await page.locator(".mistakes figcaption").first().textContent();
    const [, digit, reading, count] = /^Most often: (\d) read as (\d), (\d+)×\.$/.exec(worst!)!;
    const cell = page
      .locator(".confusion")
      .first()
      .locator("tbody tr")
      .nth(Number(digit))
      .locator("td")
      .nth(Number(reading));
    expect(await cell.textContent()).toBe(count);
  });

  it("changes its guess while it learns, and the page stays alive", async () => {
    const page = await open("#digits?pace=5");
    await page.locator("#progress[data-step]").waitFor();
    await draw(page, [CIRCLE]);
    const bars = () =>
      page.locator(".guess meter").evaluateAll((all) => `${all.map((meter) => (meter as HTMLMeterElement).value)}`);
    const early = await bars();
    await expect.poll(bars, SOON).not.toBe(early);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator("[data-state=paused]").waitFor();
    const step = await page.locator("#progress").getAttribute("data-step");
    await page.getByRole("button", { name: "Resume" }).click();
    await expect.poll(() => page.locator("#progress").getAttribute("data-step"), SOON).not.toBe(step);
  });

  it("can be drawn on with the keyboard", async () => {
    const page = await open("#digits?pace=Infinity");
    await page.locator("[data-state=done]").waitFor();
    await page.getByRole("button", { name: "Clear" }).click();
    await page.locator(".pad").focus();
    await page.keyboard.press("Space");
    for (let i = 0; i < 18; i++) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    await expect.poll(() => guessesOf(page), SOON).toEqual(["1", "1"]);
  });

  it("saves a checkpoint and goes on from it, with its settings", async () => {
    const page = await open("#digits?pace=Infinity&hidden=16&optimizer=adam");
    await page.locator("[data-state=done]").waitFor();
    const accuracies = [await accuracyOf(page, "dense"), await accuracyOf(page, "cnn")];
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save checkpoint" }).click(),
    ]);
    expect(file.suggestedFilename()).toBe("digits-step-500.safetensors");
    const bytes = await readFile(await file.path());

    const other = await open("#digits?pace=5");
    await other.locator("[data-state=running]").waitFor();
    const upload = other.locator("#checkpoint");
    await upload.setInputFiles({ name: "a.safetensors", mimeType: "", buffer: bytes });
    await expect.poll(() => other.locator("#progress").getAttribute("data-step"), SOON).toBe("500");
    expect([await accuracyOf(other, "dense"), await accuracyOf(other, "cnn")]).toEqual(accuracies);
    expect(await other.getByLabel("Optimizer").inputValue()).toBe("adam");
    expect(await other.getByLabel(/^Hidden units/).inputValue()).toBe("16");
    await expect.poll(() => new URL(other.url()).hash, SOON).toBe("#digits?optimizer=adam&hidden=16&pace=5");

    await upload.setInputFiles({ name: "b.safetensors", mimeType: "", buffer: bytes.subarray(0, 999) });
    await expect.poll(() => other.locator(".error:not(:empty)").textContent(), SOON).toMatch(/header|bytes|length/);

    const saved = readSafetensors(bytes);
    const run = JSON.parse(saved.metadata["playground"]!);
    for (const [metadata, complaint] of [
      [{}, /not saved by this page/],
      [{ playground: "{" }, /not JSON/],
      [{ playground: "null" }, /^optimizer of the checkpoint is missing; expected one of rmsprop/],
      [{ playground: JSON.stringify({ ...run, optimizer: "constructor" }) }, /^optimizer .* is "constructor"/],
      [
        { playground: JSON.stringify({ ...run, learningRate: 1e9 }) },
        /^learningRate .* is 1000000000; expected a number/,
      ],
      [{ playground: JSON.stringify({ ...run, hidden: 1e9 }) }, /^hidden .* expected one of 16, 64, 128, 256/],
      [{ playground: JSON.stringify({ ...run, batchSize: [64, 64] }) }, /^batchSize .* is \[64,64\]/],
      [{ playground: JSON.stringify({ ...run, seed: -1 }) }, /^seed .* is -1; expected a whole number from 0/],
      [{ playground: JSON.stringify({ ...run, step: 501 }) }, /^step .* is 501; expected a whole number from 0 to 500/],
      [{ playground: JSON.stringify(run) }, /^the file has no state of an optimizer/],
    ] as const) {
      const buffer = Buffer.from(writeSafetensors(saved.tensors, metadata));
      await upload.setInputFiles({ name: "c.safetensors", mimeType: "", buffer });
      await expect.poll(() => other.locator(".error:not(:empty)").textContent(), SOON).toMatch(complaint);
    }
    await upload.setInputFiles({ name: "large.safetensors", mimeType: "", buffer: Buffer.alloc(2 ** 24 + 1) });
    await expect.poll(() => other.locator(".error:not(:empty)").textContent(), SOON).toMatch(/at most 16,777,216$/);
    expect([await accuracyOf(other, "dense"), await accuracyOf(other, "cnn")]).toEqual(accuracies);
    expect(await other.locator("#progress").getAttribute("data-step")).toBe("500");
  });
});

describe("the page", () => {
  it("shows which backend is running and why, under a policy that forbids Wasm", async () => {
    const page = await open("#trajectories?steps=20&at=20", "csp");
    const under = await positionOf(page, "rmsprop");
    expect(await page.locator("#backend").textContent()).toMatch(/^Runs here: JavaScript .*simd was refused/);
    await page.getByRole("link", { name: "Speed" }).click();
    await page.locator(MEASURED).first().waitFor();
    await page.evaluate(() => {
      location.hash = "#digits?batchSize=16&pace=Infinity";
    });
    await expect.poll(() => accuracyOf(page, "dense"), SOON).toBeGreaterThan(0.3);
    expect(await page.locator("#worker-backend").textContent()).toMatch(/JavaScript .*refused/);
    // The browser itself reports each refusal.
    complaints = complaints.filter((text) => !/WebAssembly/.test(text));

    const free = await open("#trajectories?steps=20&at=20");
    expect(await free.locator("#backend").textContent()).toMatch(/^Runs here: WebAssembly \(simd\)/);
    expect(await positionOf(free, "rmsprop")).toEqual(under);
  });

  it("can be skipped to, and walked through, with the keyboard", async () => {
    const page = await open("#trajectories?at=3");
    await positionOf(page, "rmsprop");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Next");
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Play");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.locator("#position").textContent()).toBe("4 / 40");
    await expect.poll(() => new URL(page.url()).hash, SOON).toBe("#trajectories?at=4");
  });

  it("copies a link with every setting", async () => {
    const page = await open("#trajectories?at=3", "plain", { permissions: ["clipboard-read", "clipboard-write"] });
    await positionOf(page, "rmsprop");
    await page.getByRole("button", { name: "Step", exact: true }).click();
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByText("Copied").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(`${site.origin}/plain/#trajectories?at=4`);
  });

  it("switches the theme, charts included, and remembers it", async () => {
    const page = await open("#trajectories");
    await positionOf(page, "rmsprop");
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    expect(await background()).toBe("rgb(255, 255, 255)");
    await page.getByRole("button", { name: "Switch to the dark theme" }).click();
    expect(await background()).toBe("rgb(21, 24, 28)");
    // `--blue` is now the dark theme's.
    await expect.poll(() => pixelsOf(page, /^Loss/, "--blue"), SOON).toBeGreaterThan(30);
    await page.reload();
    await page.getByRole("button", { name: "Switch to the light theme" }).waitFor();
    expect(await background()).toBe("rgb(21, 24, 28)");
  });

  it("links to docs, package and, once it is public, source; and has a preview", async () => {
    const page = await open("");
    const links = await page
      .locator(".links a")
      .evaluateAll((all) => all.map((link) => [link.textContent, link.getAttribute("href")]));
    const { site: address } = addressesOf(REPOSITORY);
    expect(links).toEqual([
      ["Docs", address === undefined ? "../docs/index.html" : `${address}docs/`],
      ["Package", "https://www.npmjs.com/package/lanewise"],
      ...(REPOSITORY === "" ? [] : [["Source", REPOSITORY]]),
    ]);
    const image = await page.locator('meta[property="og:image"]').getAttribute("content");
    expect(image).toMatch(/preview\.png$/);
    const png = await readFile(join(built, "preview.png"));
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([1200, 630]);
    expect(addressesOf("https://github.com/owner/name")).toEqual({
      source: "https://github.com/owner/name/blob/main/",
      site: "https://owner.github.io/name/",
    });
  });

  it("works from a folder, without a server", async () => {
    const page = await (await browser.newContext({ reducedMotion: "reduce" })).newPage();
    await page.goto(`${pathToFileURL(join(built, "index.html"))}#trajectories?surface=custom&at=20`);
    await positionOf(page, "rmsprop");
    expect(page.url()).toMatch(/playground\.html#trajectories/);
    // From here on the file alone.
    page.on("pageerror", (error) => complaints.push(`${error}`));
    page.on("request", (request) => {
      if (!/^(data|blob):/.test(request.url())) complaints.push(request.url());
    });
    await page.getByRole("link", { name: "Speed" }).click();
    await page.locator(MEASURED).first().waitFor();
    await page.getByRole("link", { name: "Digits" }).click();
    await expect.poll(() => accuracyOf(page, "cnn"), SOON).toBeGreaterThan(0.5);
  });

  it("fetches what its first part needs, and nothing from elsewhere", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const sizes: Promise<number>[] = [];
    const addresses: string[] = [];
    page.on("response", (response) => {
      addresses.push(response.url());
      sizes.push(response.body().then((body) => body.length));
    });
    await page.goto(`${site.origin}/plain/`);
    await positionOf(page, "rmsprop");
    expect(addresses.filter((address) => !address.startsWith(`${site.origin}/plain/`))).toEqual([]);
    expect(addresses.filter((address) => /digits|custom|speed/.test(address))).toEqual([]);
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeLessThan(300_000);
  });

  it.each([
    ["trajectories", "#trajectories?surface=custom", "[data-racer]"],
    ["speed", "#speed?samples=5", MEASURED],
    ["digits", "#digits", "#guess-cnn"],
  ])("%s: no fault of accessibility, no sideways scrolling and no jumps, in both themes", async (_, address, ready) => {
    for (const [colorScheme, width] of [
      ["light", 1440],
      ["dark", 390],
    ] as const) {
      const page = await open(address, "plain", { colorScheme, viewport: { width, height: 844 } });
      await page.locator(ready).first().waitFor();
      for (const summary of await page.locator("summary").all()) await summary.click();
      const shift = await page.evaluate(async () => {
        const entries = await new Promise<PerformanceEntry[]>((resolve) => {
          const observer = new PerformanceObserver((list) => resolve(list.getEntries()));
          observer.observe({ type: "layout-shift", buffered: true });
          setTimeout(() => resolve([]), 300);
        });
        const unasked = entries as (PerformanceEntry & { value: number; hadRecentInput: boolean })[];
        return unasked.reduce((sum, { value, hadRecentInput }) => sum + (hadRecentInput ? 0 : value), 0);
      });
      expect(shift).toBeLessThan(0.02);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      await page.addScriptTag({ path: AXE });
      const violations = await page.evaluate(async () => {
        type Found = { id: string; nodes: { html: string }[] };
        const { axe } = window as unknown as { axe: { run(): Promise<{ violations: Found[] }> } };
        const found = (await axe.run()).violations;
        return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`);
      });
      expect(violations).toEqual([]);
    }
  });
});
