import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { prepare } from "../runtimes/prepare.mjs";

const modules = fileURLToPath(new URL("node_modules/", import.meta.url));
const { directory, remove } = prepare();
const program = fileURLToPath(new URL("programs/types.ts", import.meta.url));
for (const name of ["types.ts", "types.cts"]) cpSync(program, join(directory, name));
afterAll(remove);

const LIB = ["es2022", "dom", "esnext.disposable"];

/** What the compiler says of the program. */
function check(typescript, compilerOptions, file = "types.ts") {
  const strict = { strict: true, exactOptionalPropertyTypes: true, noEmit: true, target: "es2022", types: [] };
  const config = { compilerOptions: { ...strict, ...compilerOptions }, files: [file] };
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
    expect(check(typescript, { moduleResolution, module, lib: LIB })).toBe("");
    expect(check(typescript, { moduleResolution, module, lib: ["es2022", "dom"], skipLibCheck: true })).toBe("");
  });

  it.each(["node16", "nodenext"])("from CommonJS with module %s", (module) => {
    expect(check(typescript, { module, lib: LIB }, "types.cts")).toBe("");
  });
});

describe.each([
  ["typescript-5.4", {}],
  ["typescript-5.9", {}],
  ["typescript-6", { ignoreDeprecations: "6.0" }],
])("%s", (typescript, options) => {
  // The next one has no such resolution.
  it("with moduleResolution node10", () => {
    expect(check(typescript, { moduleResolution: "node10", module: "commonjs", lib: LIB, ...options })).toBe("");
  });
});
