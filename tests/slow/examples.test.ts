import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { describe, expect, inject, it } from "vitest";

const root = new URL("../../", import.meta.url);
const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  scripts: Record<string, string>;
};

/** Trainings, and the minutes that each may take on a busy machine: several times what examples/README.md says. */
const BUDGETS: Record<string, number> = {
  diloco: 5,
  "digits-cnn": 15,
  "char-lstm": 20,
  dqn: 5,
  wgan: 15,
  "wgan-digits": 30,
  spam: 5,
  addition: 15,
  search: 10,
  transfer: 10,
};

// Only in `npm run test:full`; `npm test` runs each with --quick.
describe.runIf(inject("stride") === 1)("trainings of the examples, to their end", () => {
  for (const [name, minutes] of Object.entries(BUDGETS)) {
    it(`${name} reaches its results`, { timeout: minutes * 60_000 + 60_000 }, () => {
      const file = scripts[`example:${name}`]!.split(" ")[1]!;
      const args = [createRequire(import.meta.url).resolve("tsx/cli"), fileURLToPath(new URL(file, root))];
      const options = { encoding: "utf8", timeout: minutes * 60_000 } as const;
      const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
      expect(status, `${stdout}\n${stderr}`).toBe(0);
      expect(stdout).toMatch(/^Result: .*: reached$/m);
      expect(stdout).not.toMatch(/MISSED|NaN/);
    });
  }
});
