// Tools that load packages as CommonJS, or look for files in their own way, configured as docs/guide/tools.md says.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { prepare } from "../runtimes/prepare.mjs";

const modules = fileURLToPath(new URL("node_modules/", import.meta.url));
const { directory, remove } = prepare();
afterAll(remove);

/** A block of the guide's page, by its language and a word in it. */
function configuration(language, word) {
  const page = readFileSync(new URL("../../docs/guide/tools.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```(\w+)\n(.*?)```/gs)];
  return blocks.find(([, name, text]) => name === language && text.includes(word))[2];
}

/** A project of its own, as a folder with these files. */
function project(name, manifest, ...programs) {
  const folder = join(directory, name);
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  for (const part of ["lanewise", "@assemblyscript"]) {
    cpSync(join(directory, "node_modules", part), join(folder, "node_modules", part), { recursive: true });
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "package-lock.json"), "{}");
  for (const program of programs) cpSync(new URL(`programs/${program}`, import.meta.url), join(folder, program));
  return folder;
}

const run = (cwd, ...args) => execFileSync(process.execPath, args, { cwd, encoding: "utf8", stdio: "pipe" });

describe("Jest", () => {
  const jest = join(modules, "jest/bin/jest.js");

  it.each([
    ["as CommonJS", "commonjs.test.cjs", []],
    ["as ES modules", "esm.test.mjs", ["--experimental-vm-modules"]],
  ])("runs tests %s", (_, program, flags) => {
    const folder = project(`jest-${program}`, { private: true, jest: { testMatch: ["**/*.test.?js"] } }, program);
    const results = join(folder, "results.json");
    run(folder, ...flags, jest, "--json", `--outputFile=${results}`);
    const { numPassedTests, numTotalTests } = JSON.parse(readFileSync(results, "utf8"));
    expect(numPassedTests).toBe(numTotalTests);
    expect(numTotalTests).toBeGreaterThan(0);
  });
});

describe("Parcel", () => {
  it("bundles every entry with the setting that the guide names", () => {
    const app = { context: "node", outputFormat: "commonjs", includeNodeModules: true, distDir: "out" };
    const setting = JSON.parse(configuration("json", "@parcel/resolver-default"));
    const folder = project("parcel", { private: true, targets: { app }, ...setting }, "parcel.mjs");
    run(folder, join(modules, "parcel/lib/bin.js"), "build", "parcel.mjs", "--no-cache");
    const output = run(folder, "out/parcel.js");
    expect(JSON.parse(output)).toEqual(["simd passed its self-test; 2 threads", [7, 10], [15, 22]]);
  });
});
