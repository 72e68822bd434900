// Comparing builds: the interval has the coverage that it claims, and a build's other results are seen.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { openBuild } from "../../bench/builds/build.js";
import { formatResults, isSlower, resultOf } from "../../bench/builds/results.js";
import { estimate, type Pair } from "../../bench/builds/statistics.js";
import { KIND_NAMES } from "../../bench/builds/work.js";
import { Random } from "../../src/random.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "lanewise-compare-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Times whose ratio is `speed` but for noise of each pair, and of each round as a whole. */
function simulate(speed: number, random: Random, rounds = 5, turns = 6): Pair[][] {
  return Array.from({ length: rounds }, () => {
    const shared = Math.exp(0.01 * random.normal());
    return Array.from({ length: turns }, () => {
      return { old: speed * shared * Math.exp(0.02 * random.normal()), new: Math.exp(0.02 * random.normal()) };
    });
  });
}

describe("the estimate of a ratio", () => {
  it("is the new build's speed, within its interval in about 95 % of all cases", () => {
    const random = new Random(7);
    const estimates = Array.from({ length: 100 }, () => estimate(simulate(1.05, random)));
    const covering = estimates.filter(({ lower, upper }) => lower <= 1.05 && upper >= 1.05).length;
    expect(covering).toBeGreaterThanOrEqual(85);
    for (const { ratio, lower, upper } of estimates) {
      expect(lower).toBeLessThan(ratio);
      expect(ratio).toBeLessThan(upper);
      expect(Math.abs(ratio - 1.05)).toBeLessThan(0.04);
    }
  });

  it("calls slower what is, and not what is merely disturbed", () => {
    const random = new Random(3);
    expect(isSlower(estimate(simulate(0.9, random)), 0.98)).toBe(true);
    expect(isSlower(estimate(simulate(1, random)), 0.98)).toBe(false);
    const disturbed = simulate(1, random);
    for (const pairs of disturbed) pairs[0] = { old: 1, new: 20 };
    expect(isSlower(estimate(disturbed), 0.98)).toBe(false);
    const table = formatResults([resultOf("a step", simulate(0.9, random), false)], 0.98);
    expect(table).toMatch(/a step .* 0\.\d{3} .* slower, other bits/);
    expect(formatResults([resultOf("a step", simulate(1.2, random), true)], 0.98)).toMatch(/faster/);
  });
});

describe("a build", () => {
  it("is a folder that was built", () => {
    expect(openBuild(root).core).toMatch(/^file:.*\.js$/);
    writeFileSync(join(folder, "package.json"), readFileSync(join(root, "package.json")));
    expect(() => openBuild(folder)).toThrow(/dist.* is missing: was the package built\?/);
  });
});

describe("npm run bench:compare", () => {
  /** A build whose products are another's, doubled. */
  function makeOther(): string {
    const other = join(folder, "other");
    const { core, nn } = openBuild(root);
    mkdirSync(other);
    const exports = { ".": { default: "core.mjs" }, "./nn": { default: "nn.mjs" } };
    writeFileSync(join(other, "package.json"), JSON.stringify({ exports }));
    writeFileSync(
      join(other, "core.mjs"),
      `import { matmul as product } from ${JSON.stringify(core)};
       export * from ${JSON.stringify(core)};
       export const matmul = (a, b, options) => product(a, b, { ...options, alpha: 2 });`,
    );
    writeFileSync(join(other, "nn.mjs"), `export * from ${JSON.stringify(nn)};`);
    return other;
  }

  it.each([
    ["itself", () => root, true],
    ["one with other results", makeOther, false],
  ])("compares a build with %s", (_, make, same) => {
    const json = join(folder, "results.json");
    const options = ["--only", "start,calls", "--rounds", "1", "--turns", "1", "--starts", "1", "--json", json];
    const command = ["--import", "tsx", "bench/builds/main.ts", make(), ...options, "--least", "1e-9"];
    const output = execFileSync(process.execPath, command, { cwd: root, encoding: "utf8" });
    const { results } = JSON.parse(readFileSync(json, "utf8"));
    expect(results.map(({ name }: { name: string }) => name)).toEqual([
      "import",
      "import, createCoreSync, first step",
      ...[1, 2, 4, 8].map((n) => `${n} × ${n} × ${n}`),
    ]);
    for (const { old, new: now, same: equal, name } of results) {
      expect(Math.min(old, now)).toBeGreaterThan(0);
      expect(equal).toBe(same || name.startsWith("import"));
    }
    expect(output.includes("other bits")).toBe(!same);
  });

  it("documents its kinds", () => {
    const readme = readFileSync(join(root, "bench/README.md"), "utf8");
    for (const name of KIND_NAMES) expect(readme).toContain(`\`${name}\``);
  });
});
