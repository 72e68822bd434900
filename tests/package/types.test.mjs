import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { prepare } from "../runtimes/prepare.mjs";

const modules = fileURLToPath(new URL("node_modules/", import.meta.url));
const { directory, remove } = prepare();
cpSync(fileURLToPath(new URL("programs/types.ts", import.meta.url)), join(directory, "types.ts"));
afterAll(remove);

/** What the compiler says of the program. */
function check(typescript, compilerOptions) {
  const strict = { strict: true, exactOptionalPropertyTypes: true, noEmit: true, target: "es2022", types: [] };
  const config = { compilerOptions: { ...strict, ...compilerOptions }, files: ["types.ts"] };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
  const options = { cwd: directory, encoding: "utf8" };
  try {
    return execFileSync(process.execPath, [join(modules, typescript, "bin/tsc"), "--pretty", "false"], options);
  } catch ({ stdout, stderr }) {
    return stdout || stderr;
  }
}

const versions = readdirSync(modules).filter((name) => name.startsWith("typescript-"));

it("finds the compilers", () => expect(versions.length).toBe(4));

describe.each(versions)("%s", (typescript) => {
  it.each([
    ["bundler", "esnext"],
    ["nodenext", "nodenext"],
  ])("with moduleResolution %s", (moduleResolution, module) => {
    const lib = ["es2022", "dom", "esnext.disposable"];
    expect(check(typescript, { moduleResolution, module, lib })).toBe("");
    expect(check(typescript, { moduleResolution, module, lib: ["es2022", "dom"], skipLibCheck: true })).toBe("");
  });
});
