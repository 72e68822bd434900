import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { DOMParser } from "linkedom";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url);
const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  scripts: Record<string, string>;
};
const all = Object.entries(scripts).filter(([name]) => name.startsWith("example:"));
/** Those that need nothing else installed; example:tfjs and example:distributed are packages of their own. */
const commands = all.filter(([, command]) => command.startsWith("tsx "));
const readme = readFileSync(new URL("examples/README.md", root), "utf8");

/** The plots that a command writes, and how many lines each draws at least. */
const PLOTS: Record<string, Record<string, number>> = {
  "example:parabola": { parabola: 1 },
  "example:trajectory": { trajectory: 1 },
  "example:rosenbrock": { rosenbrock: 2, "rosenbrock-path": 1 },
  "example:falling-gradient": { "falling-gradient": 4 },
  "example:loss-scale": { "loss-scale": 4 },
  "example:centered": { centered: 2 },
  "example:memory-length": { "memory-length": 4 },
  "example:which-rmsprop": { "which-rmsprop": 5 },
  "example:two-layer-network": { "two-layer-network": 1 },
  "example:two-hidden-layers": { "two-hidden-layers": 4 },
  "example:checkpoint": {},
  "example:auto-mpg": { "auto-mpg": 3 },
  "example:diloco": {},
  "example:digits-cnn": { "digits-cnn": 2 },
  "example:char-lstm": { "char-lstm": 1 },
  "example:dqn": { dqn: 1 },
  "example:wgan": { wgan: 1 },
  "example:wgan-digits": { "wgan-digits": 1 },
  "example:spam": { spam: 2 },
  "example:addition": { addition: 1 },
  "example:search": { "learning-rates": 1, search: 1 },
  "example:transfer": { transfer: 2 },
};

/** Trainings of minutes: `--quick` makes them small, with a result to reach that shows that they learn. */
const TRAININGS = [
  "diloco",
  "digits-cnn",
  "char-lstm",
  "dqn",
  "wgan",
  "wgan-digits",
  "spam",
  "addition",
  "search",
  "transfer",
].map((name) => `example:${name}`);

/** Throws unless every tag is closed by its own, and every ampersand begins an entity. */
function checkWellFormed(xml: string): void {
  expect(xml.replaceAll(/&(amp|lt|gt|quot|apos|#\d+);/g, "")).not.toContain("&");
  const open: string[] = [];
  for (const [, slash, name, selfClosing] of xml.matchAll(/<(\/?)([\w:-]+)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>/g)) {
    if (slash) expect(open.pop()).toBe(name);
    else if (!selfClosing) open.push(name!);
  }
  expect(open).toEqual([]);
  expect(xml.match(/</g)).toHaveLength(xml.match(/<\/?[\w:-]+(?:\s+[\w:-]+="[^"<]*")*\s*\/?>/g)!.length);
}

describe("the examples' commands", () => {
  it("are all known here and in their README", () => {
    expect(commands.map(([name]) => name).sort()).toEqual(Object.keys(PLOTS).sort());
    expect(all.length).toBe(commands.length + 2);
    for (const [name] of all) expect(readme).toContain(`npm run ${name}`);
  });

  it.each(commands)("%s runs from any directory, prints and draws", (name, command) => {
    const [program, file] = command.split(" ");
    expect(program).toBe("tsx");
    const plots = Object.entries(PLOTS[name]!).map(([plot, lines]) => ({
      url: new URL(`examples/out/${plot}.svg`, root),
      lines,
    }));
    for (const { url } of plots) rmSync(url, { force: true });

    const tsx = createRequire(import.meta.url).resolve("tsx/cli");
    const isTraining = TRAININGS.includes(name);
    const args = [tsx, fileURLToPath(new URL(file!, root)), ...(isTraining ? ["--quick"] : [])];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: tmpdir(), encoding: "utf8" });
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    if (isTraining) expect(stdout).toMatch(/^Result: .*: reached$/m);
    expect(stdout.split("\n").length).toBeGreaterThan(4);
    const source = readFileSync(new URL(file!, root), "utf8");
    if (source.includes("runAsMain(")) expect(stdout).toContain(source.slice(3, source.indexOf("\n"))); // what it shows
    expect(stdout).not.toContain("NaN");

    for (const { url, lines } of plots) {
      expect(stdout).toContain(fileURLToPath(url));
      const xml = readFileSync(url, "utf8");
      expect(xml).not.toMatch(/NaN|undefined|Infinity/);
      checkWellFormed(xml);
      const svg = new DOMParser().parseFromString(xml, "image/svg+xml").documentElement!;
      expect(svg.getAttribute("xmlns")).toBe("http://www.w3.org/2000/svg");
      expect(svg.querySelector("rect")?.getAttribute("fill")).toBe("white");
      const marks = [...svg.querySelectorAll('g[aria-label="line"] path')].map((path) => `${path.getAttribute("d")}`);
      expect(marks).toHaveLength(lines);
      for (const d of marks) expect(d.length).toBeGreaterThan(isTraining ? 25 : 100);
      if (name === "example:trajectory") {
        expect(svg.querySelectorAll("circle")).toHaveLength(21);
        expect(svg.querySelectorAll('g[aria-label="contour"] path').length).toBeGreaterThan(5);
      }
    }
  });
});
