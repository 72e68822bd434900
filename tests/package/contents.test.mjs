import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import { modules, prepare } from "../runtimes/prepare.mjs";

const { directory, remove } = prepare();
const installed = join(directory, "node_modules/lanewise");
const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
afterAll(remove);

/** Files below a folder, as paths inside it. */
function files(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((e) => e.isFile()).map((e) => join(e.parentPath ?? e.path, e.name).slice(folder.length + 1));
}

describe("the tarball", () => {
  it("holds what the sources compile to, the command line, and nothing else", () => {
    const src = fileURLToPath(new URL("../../src", import.meta.url));
    const compiled = files(src)
      .filter((name) => !name.endsWith(".d.ts"))
      .flatMap((name) => [".js", ".d.ts"].map((extension) => `dist/${name.replace(/\.ts$/, extension)}`));
    const binaries = ["nn", "relaxed", "relaxed-threads", "simd", "simd-threads"].map(
      (name) => `dist/wasm/${name}.wasm`,
    );
    const cli = ["LICENSES.md", "digits.br", "lanewise.js"].map((name) => `dist/cli/${name}`);
    const documents = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];
    expect(files(installed).sort()).toEqual([...compiled, ...binaries, ...cli, ...documents].sort());
  });

  it("has binaries that import a memory and nothing else", () => {
    const simd = ["nn", "simd", "simd-threads"].map((name) => readFileSync(join(installed, `dist/wasm/${name}.wasm`)));
    for (const bytes of simd) {
      const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
      expect(imports).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
    }
  });

  it("runs no script when it is installed, and depends on the loader alone", () => {
    const { preinstall, install, postinstall } = manifest.scripts;
    expect([preinstall, install, postinstall]).toEqual([undefined, undefined, undefined]);
    expect(Object.keys(manifest.dependencies)).toEqual(["@assemblyscript/loader"]);
    const loader = readFileSync(join(directory, "node_modules/@assemblyscript/loader/package.json"), "utf8");
    expect([manifest.license, JSON.parse(loader).license]).toEqual(["MIT", "Apache-2.0"]);
  });
});

describe("exports", () => {
  it("name files that exist", () => {
    const targets = Object.values(manifest.exports).flatMap((value) => {
      return typeof value === "string" ? [value] : Object.values(value);
    });
    const missing = targets.filter((target) => !target.includes("*") && !existsSync(join(installed, target)));
    expect(targets.length).toBeGreaterThan(8);
    expect(missing).toEqual([]);
  });

  /** What a bundler takes for `specifier` under these conditions: the first file, and the names that it exports. */
  async function resolve(specifier, ...conditions) {
    const { metafile } = await build({
      absWorkingDir: directory,
      stdin: { contents: `export * from ${JSON.stringify(specifier)}`, resolveDir: directory },
      bundle: true,
      format: "esm",
      write: false,
      metafile: true,
      outfile: "out.js",
      conditions,
      external: ["*.wasm", "*.wasm?module"],
    });
    const [main] = metafile.inputs["<stdin>"].imports;
    return {
      file: main.path.replace("node_modules/lanewise/dist/", ""),
      names: metafile.outputs["out.js"].exports.sort(),
    };
  }

  it("choose the entry by the runtime's conditions, with the same names in each", async () => {
    const plain = await resolve("lanewise");
    expect(plain.file).toBe("entry/inline.js");
    expect(plain.names).toEqual(expect.arrayContaining(["createCore", "createCoreSync", "matmul", "RMSProp"]));
    const { names } = plain;
    for (const conditions of [["browser"], ["node"], ["deno"], ["bun"], ["react-native"]]) {
      expect(await resolve("lanewise", ...conditions)).toEqual(plain);
    }
    expect(await resolve("lanewise", "workerd", "worker", "browser")).toEqual({ file: "entry/workerd.js", names });
    expect(await resolve("lanewise", "edge-light", "browser")).toEqual({ file: "entry/edge-light.js", names });
    expect(await resolve("lanewise/js", "workerd")).toEqual({ file: "entry/js.js", names });
    expect(await resolve("lanewise/slim", "workerd")).toEqual({ file: "entry/slim.js", names });
    expect((await resolve("lanewise/nn", "workerd")).file).toBe("nn/index.js");
  });

  it.each([20, 22, 24, 26])("can be required in Node %i", (version) => {
    const node = join(modules, `node-${version}/bin/node`);
    const program = `
      const { createCoreSync, matmul } = require("lanewise");
      const { Sequential } = require("lanewise/nn");
      const { createCoreSync: createTwin } = require("lanewise/js");
      const { createCoreSync: createSlim } = require("lanewise/slim");
      const wasm = require("node:fs").readFileSync(require.resolve("lanewise/wasm/simd.wasm"));
      const cores = [createCoreSync(), createTwin(), createSlim({ wasm })];
      console.log(JSON.stringify([typeof Sequential, ...cores.map(({ variant }) => variant)]));`;
    const output = execFileSync(node, ["--no-warnings", "--input-type=commonjs", "-e", program], {
      cwd: directory,
      encoding: "utf8",
    });
    expect(JSON.parse(output)).toEqual(["function", "simd", "scalar-js", "simd"]);
  });
});
