// The built playground in Chromium: what each part shows, by pointer and by keyboard.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { SIZES } from "../../measure/compare.js";
import { descend } from "./descent.js";
import { serve } from "./server.js";

/** How long something may take that does happen. */
const SOON = { timeout: 20_000 };
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const built = fileURLToPath(new URL("../../build/playground", import.meta.url));

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
    await expect.poll(() => position.textContent(), SOON).toBe("step 7 of 40");
    await page.getByRole("button", { name: "Step", exact: true }).click();
    expect(await position.textContent()).toBe("step 8 of 40");
    await page.getByRole("button", { name: "Reset", exact: true }).click();
    expect(await position.textContent()).toBe("step 0 of 40");
    expect(await positionOf(page, "sgd")).toEqual([-5, -2, 10.5]);
    await page.getByLabel("Step shown").press("End");
    for (let i = 0; i < 8; i++) await page.getByLabel("Step shown").press("ArrowLeft");
    await page.getByRole("button", { name: "Play" }).click();
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await expect.poll(() => position.textContent(), SOON).toBe("step 40 of 40");
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
    await page.getByLabel("AdaGrad").uncheck();
    await page.getByLabel("Step shown").press("ArrowLeft");
    expect(await page.locator("#position").textContent()).toBe("step 9 of 10");
    const seen = await positions(page);
    expect(seen).toMatch(/RMSProp.*Adam.*SGD/);

    await expect.poll(() => page.url(), SOON).toMatch(/at=9$/);

    const again = await open(new URL(page.url()).hash);
    await positionOf(again, "rmsprop");
    expect(await positions(again)).toBe(seen);
    expect(await again.locator("#position").textContent()).toBe("step 9 of 10");
    expect(await again.getByLabel("Surface", { exact: true }).inputValue()).toBe("beale");
    expect(await again.getByLabel("AdaGrad").isChecked()).toBe(false);
    const decay = await page.getByLabel("Decay ρ").getAttribute("aria-valuetext");
    expect(await again.getByLabel("Decay ρ").getAttribute("aria-valuetext")).toBe(decay);
    expect(decay).not.toBe("0.9");
  });

  it("passes over an address that makes no sense", async () => {
    const page = await open("#trajectories?surface=none&steps=1e9&decay=x&at=-3&sgd.rate=0&adam=7");
    await positionOf(page, "rmsprop");
    expect(await page.locator("#position").textContent()).toBe("step 40 of 40");
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
    const rows = page.locator("#results tbody tr");
    expect(await rows.count()).toBe(JOBS * 3);
    for (const label of [/^Matrix products/, /^RMSProp steps/]) {
      for (const color of ["--orange", "--blue", "--green"]) {
        expect(await pixelsOf(page, label, color), `${label} ${color}`).toBeGreaterThan(50);
      }
    }
    expect(await page.locator("#results tbody").textContent()).not.toMatch(/NaN|Infinity|undefined/);
    expect(await rows.filter({ hasText: "100 %" }).count()).toBeGreaterThanOrEqual(JOBS);

    await page.getByRole("button", { name: "Copy as a table" }).click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toMatch(/^Lanewise \d+\.\d+\.\d+, Chrome [\d.]+, V8/);
    expect(copied.match(/^\| .+ \|$/gm)).toHaveLength(2 + JOBS * 3);

    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save as JSON" }).click(),
    ]);
    const report = JSON.parse(await readFile(await file.path(), "utf8"));
    expect(Object.keys(report)).toEqual(["lanewise", "environment", "results"]);
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
    expect(await page.locator("#results tbody tr").count()).toBe(JOBS * 2);
    expect(await page.locator("#results tbody").textContent()).not.toMatch(/NaN|Infinity|undefined/);
    expect(await page.getByLabel(/^Also on/).isDisabled()).toBe(true);
  });

  it("stops when told to", async () => {
    const page = await open("#speed?samples=15");
    await page.locator("#results tbody tr").first().waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator("[data-state=stopped]").waitFor();
    const count = await page.locator("#results tbody tr").count();
    expect(count).toBeLessThan(JOBS * 2);
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

const accuracyOf = (page: Page) => page.locator("#progress").getAttribute("data-accuracy").then(Number);
const guessOf = (page: Page) => page.locator("#guess").textContent();

describe("digits", () => {
  it("learns, and guesses what is drawn", async () => {
    const page = await open("#digits?pace=Infinity");
    await draw(page, [CIRCLE]);
    await page.locator("[data-state=done]").waitFor();
    expect(await accuracyOf(page)).toBeGreaterThanOrEqual(0.9);
    await expect.poll(() => guessOf(page), SOON).toBe("0");
    await draw(page, [ONE]);
    await expect.poll(() => guessOf(page), SOON).toBe("1");
    await draw(page, [SEVEN]);
    await expect.poll(() => guessOf(page), SOON).toBe("7");
    for (const label of [/^Accuracy/, /^Loss/]) expect(await pixelsOf(page, label, "--blue")).toBeGreaterThan(50);
  });

  it("changes its guess while it learns, and the page stays alive", async () => {
    const page = await open("#digits?pace=10");
    await page.locator("#progress[data-step]").waitFor();
    await draw(page, [CIRCLE]);
    const bars = () => page.locator(".guess").textContent();
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
    await expect.poll(() => guessOf(page), SOON).toBe("1");
  });

  it("saves a checkpoint and goes on from it, with its settings", async () => {
    const page = await open("#digits?pace=Infinity&hidden=16&optimizer=adam");
    await page.locator("[data-state=done]").waitFor();
    const accuracy = await accuracyOf(page);
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save checkpoint" }).click(),
    ]);
    expect(file.suggestedFilename()).toBe("digits-step-1500.safetensors");
    const bytes = await readFile(await file.path());

    const other = await open("#digits?pace=10");
    await other.locator("[data-state=running]").waitFor();
    const upload = other.locator("#checkpoint");
    await upload.setInputFiles({ name: "a.safetensors", mimeType: "", buffer: bytes });
    await expect.poll(() => other.locator("#progress").getAttribute("data-step"), SOON).toBe("1500");
    expect(await accuracyOf(other)).toBe(accuracy);
    expect(await other.getByLabel("Optimizer").inputValue()).toBe("adam");
    expect(await other.getByLabel(/^Hidden neurons/).inputValue()).toBe("16");
    await expect.poll(() => new URL(other.url()).hash, SOON).toBe("#digits?optimizer=adam&hidden=16&pace=10");

    await upload.setInputFiles({ name: "b.safetensors", mimeType: "", buffer: bytes.subarray(0, 999) });
    await expect.poll(() => other.locator(".error:not(:empty)").textContent(), SOON).toMatch(/header|bytes|length/);
    expect(await accuracyOf(other)).toBe(accuracy);
  });
});

describe("the page", () => {
  it("says what computes, and why, under a policy that forbids Wasm", async () => {
    const page = await open("#trajectories?steps=20&at=20", "csp");
    const under = await positionOf(page, "rmsprop");
    expect(await page.locator("#backend").textContent()).toMatch(/^Runs here: JavaScript .*simd was refused/);
    await page.getByRole("link", { name: "Speed" }).click();
    await page.locator("#results tbody tr").first().waitFor();
    await page.getByRole("link", { name: "Digits" }).click();
    await expect.poll(() => accuracyOf(page), SOON).toBeGreaterThan(0.5);
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
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Play");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.locator("#position").textContent()).toBe("step 4 of 40");
    await expect.poll(() => new URL(page.url()).hash, SOON).toBe("#trajectories?at=4");
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
    ["speed", "#speed?samples=5", "#results tbody tr"],
    ["digits", "#digits", "#guess"],
  ])("%s: no fault of accessibility, no sideways scrolling and no jumps, in both themes", async (_, address, ready) => {
    for (const [colorScheme, width] of [
      ["light", 1280],
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
        type Found = { id: string; impact: string; nodes: { html: string }[] };
        const { axe } = window as unknown as { axe: { run(): Promise<{ violations: Found[] }> } };
        const found = (await axe.run()).violations.filter(({ impact }) => /serious|critical/.test(impact));
        return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("; ")}`);
      });
      expect(violations).toEqual([]);
    }
  });
});
