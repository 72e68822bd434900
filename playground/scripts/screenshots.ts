// Pictures of every part, in both themes and at the width of a phone: `npm run screenshots [part,…]` after a build.
// They are in build/screenshots; the tops of those that the README shows, in docs/images; and what other sites show of a
// link to the playground, in public/preview.png.
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { serve } from "../tests/server.ts";

const target = "../build/screenshots";
const only = process.argv[2];
const IN_README = ["trajectories-light", "trajectories-dark", "speed-light", "digits-light"];

const SHOTS = [
  { name: "trajectories", address: "#trajectories?at=40", ready: "#positions td" },
  { name: "rosenbrock", address: "#trajectories?surface=rosenbrock&at=300", ready: "#positions td" },
  { name: "custom", address: "#trajectories?surface=custom&at=60", ready: "#positions td" },
  { name: "beale", address: "#trajectories?surface=beale&at=200", ready: "#positions td" },
  { name: "saddle", address: "#trajectories?surface=saddle&at=60", ready: "#positions td" },
  { name: "ravine", address: "#trajectories?surface=ravine&at=60", ready: "#positions td" },
  { name: "dialects", address: "#trajectories?race=dialects", ready: "#positions td" },
  { name: "speed", address: "#speed", ready: "[data-state=done]" },
  { name: "digits", address: "#digits", ready: "[data-state=done]" },
];
const SCREENS = [
  { name: "light", colorScheme: "light", viewport: { width: 1440, height: 900 }, deviceScaleFactor: 1 },
  { name: "dark", colorScheme: "dark", viewport: { width: 1440, height: 900 }, deviceScaleFactor: 1 },
  { name: "phone", colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
  { name: "phone-dark", colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
  { name: "preview", colorScheme: "light", viewport: { width: 1200, height: 630 }, deviceScaleFactor: 1 },
] as const;

mkdirSync(target, { recursive: true });
const { origin, close } = await serve("../build/playground");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const { name: screen, ...options } of SCREENS) {
  const context = await browser.newContext({ ...options, reducedMotion: "reduce" });
  for (const { name, address, ready } of SHOTS) {
    if (only !== undefined && !only.split(",").includes(name)) continue;
    if (screen === "preview" && name !== "trajectories") continue;
    const page = await context.newPage();
    page.on("console", (message) => console.log(name, message.type(), message.text()));
    page.on("pageerror", (error) => console.log(name, error));
    await page.goto(`${origin}/isolated/${address}`);
    await page.locator(ready).first().waitFor({ timeout: 120_000 });
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${target}/${name}-${screen}.png`, fullPage: true });
    if (IN_README.includes(`${name}-${screen}`)) {
      await page.screenshot({ path: `../docs/images/playground-${name}-${screen}.png` });
    }
    if (screen === "preview") await page.screenshot({ path: "public/preview.png" });
    await page.close();
  }
  await context.close();
}
await browser.close();
close();
