import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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

/** The folders of the JavaScript, by the condition that chooses them. */
const FOLDERS = ["default", "edge-light", "require", "workerd"];
const ENTRIES = Object.keys(manifest.exports).filter((name) => !/wasm|json/.test(name));
const fileOf = (entry) => (entry === "." ? "index.js" : `${entry.slice(2).replace("/", "-")}.js`);

describe("the tarball", () => {
  const src = fileURLToPath(new URL("../../src", import.meta.url));
  const sources = files(src).filter((name) => !/(binaries|generated)\//.test(name));
  const binaries = files(fileURLToPath(new URL("../../build/wasm", import.meta.url)))
    .filter((name) => name.endsWith(".wasm") && !/wide|debug|elementary/.test(name))
    .flatMap((name) => (/simd|relaxed/.test(name) ? [name, name.replace(".", "-threads.")] : [name]));

  it("holds declarations, sources, binaries, guides, the command line, and JavaScript that an entry point needs", () => {
    const declared = files(src).filter((name) => !name.endsWith(".d.ts"));
    const declarations = declared.flatMap((name) => {
      return ["types", "require/types"].map((folder) => `dist/${folder}/${name.replace(/\.ts$/, ".d.ts")}`);
    });
    const scripts = FOLDERS.flatMap((folder) => {
      const reached = new Set(ENTRIES.map(fileOf));
      for (const file of reached) {
        const code = readFileSync(join(installed, "dist", folder, file), "utf8");
        for (const [, name] of code.matchAll(/["']\.\/([\w-]+\.js)["']/g)) reached.add(name);
      }
      return [...reached].flatMap((name) => {
        const hasMap = readFileSync(join(installed, "dist", folder, name), "utf8").includes("sourceMappingURL");
        return hasMap ? [`dist/${folder}/${name}`, `dist/${folder}/${name}.map`] : [`dist/${folder}/${name}`];
      });
    });
    const cli = ["LICENSES.md", "digits.br", "lanewise.js"].map((name) => `dist/cli/${name}`);
    const guides = files(fileURLToPath(new URL("../../docs/guide", import.meta.url))).map(
      (name) => `docs/guide/${name}`,
    );
    const documents = [
      ...guides,
      "docs/terminology.md",
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "package.json",
      "dist/require/package.json",
    ];
    const expected = [
      ...declarations,
      ...sources.map((name) => `src/${name}`),
      ...binaries.map((name) => `dist/wasm/${name}`),
      ...scripts,
      ...cli,
      ...documents,
    ];
    expect(files(installed).sort()).toEqual(expected.sort());
  });

  it("reads few files for an entry point", () => {
    const imported = (file) => {
      const reached = new Set([file]);
      for (const name of reached) {
        const code = readFileSync(join(installed, "dist/default", name), "utf8");
        for (const [, next] of code.matchAll(/^(?:import|export) .*from "\.\/(.+)";$/gm)) reached.add(next);
      }
      return reached.size;
    };
    expect(imported("index.js")).toBeLessThanOrEqual(3);
    for (const entry of ENTRIES) expect(imported(fileOf(entry)), entry).toBeLessThanOrEqual(10);
  });

  it("leaves nothing of a chunk of which nothing is used", async () => {
    const folder = join(directory, "chunks");
    // Without the package.json that says that no module has side effects.
    cpSync(join(installed, "dist/default"), folder, { recursive: true });
    const scripts = files(folder).filter((name) => name.endsWith(".js"));
    const onDemand = scripts.flatMap((name) => {
      const code = readFileSync(join(folder, name), "utf8");
      return [...code.matchAll(/import\("(\.\/.+?)"\)/g)].map(([, file]) => file);
    });
    // tfjs.js registers classes.
    const chunks = scripts.filter((name) => name !== "tfjs.js" && !onDemand.includes(`./${name}`));
    expect(chunks).toContain("core.js");
    for (const chunk of chunks) {
      const { outputFiles } = await build({
        stdin: { contents: `import "./${chunk}"`, resolveDir: folder },
        bundle: true,
        minify: true,
        format: "esm",
        write: false,
        external: ["@assemblyscript/loader", "@tensorflow/tfjs-core", "node:*", ...onDemand],
      });
      // esbuild keeps constants such as 1 << 17.
      const [{ text }] = outputFiles;
      expect(text.length, text).toBeLessThan(500);
      expect(text).not.toMatch(/function|class|=>/);
    }
  });

  it("has source maps that name sources which are there", () => {
    for (const folder of FOLDERS) {
      const maps = files(join(installed, "dist", folder)).filter((name) => name.endsWith(".js.map"));
      expect(maps.length).toBeGreaterThan(ENTRIES.length);
      for (const map of maps) {
        const { sources, mappings } = JSON.parse(readFileSync(join(installed, "dist", folder, map), "utf8"));
        const missing = sources.filter((source) => !existsSync(join(installed, "dist", folder, source)));
        // Binaries have no source that anybody could read.
        expect(missing.filter((source) => !/(binaries|generated)\//.test(source))).toEqual([]);
        if (sources.length > 0) expect(mappings).not.toBe("");
      }
    }
  });

  it("has binaries that import a memory and nothing else", () => {
    const simd = binaries.filter((name) => !name.startsWith("relaxed"));
    expect(simd).toEqual(expect.arrayContaining(["nn.wasm", "simd.wasm", "simd-threads.wasm"]));
    for (const name of simd) {
      const bytes = readFileSync(join(installed, "dist/wasm", name));
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
    const targetsOf = (value) => (typeof value === "string" ? [value] : Object.values(value).flatMap(targetsOf));
    const targets = targetsOf(manifest.exports);
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
      external: ["*.wasm", "*.wasm?module", "@tensorflow/tfjs-core", "@nats-io/*", "node:*"],
    });
    const [main] = metafile.inputs["<stdin>"].imports;
    return {
      file: main.path.replace("node_modules/lanewise/dist/", ""),
      names: metafile.outputs["out.js"].exports.sort(),
    };
  }

  it("choose the entry by the runtime's conditions, with the same names in each", async () => {
    const plain = await resolve("lanewise");
    expect(plain.file).toBe("default/index.js");
    expect(plain.names).toEqual(expect.arrayContaining(["createCore", "createCoreSync", "matmul", "RMSProp"]));
    for (const conditions of [
      ["browser"],
      ["node"],
      ["deno"],
      ["bun"],
      ["react-native"],
      ["module"],
      ["module-sync"],
    ]) {
      expect(await resolve("lanewise", ...conditions)).toEqual(plain);
    }
    // Every entry point, so that all that a runtime imports has the same classes.
    for (const entry of ENTRIES) {
      const specifier = entry.replace(".", "lanewise");
      const { names } = await resolve(specifier);
      expect(names.length).toBeGreaterThan(0);
      for (const [folder, ...conditions] of [
        ["workerd", "worker", "browser"],
        ["edge-light", "browser"],
        ["require"],
      ]) {
        const chosen = await resolve(specifier, folder, ...conditions);
        expect(chosen).toEqual({ file: `${folder}/${fileOf(entry)}`, names: folder === "require" ? [] : names });
      }
    }
  });

  /** Loads the package by `import` and by `require`; prints whether both got the same, and what runs. */
  const BOTH_WAYS = `
    import { createRequire } from "node:module";
    import * as lanewise from "lanewise";
    import { Sequential } from "lanewise/nn";
    import * as checkpoint from "lanewise/checkpoint";
    const require = createRequire(import.meta.url);
    const required = require("lanewise");
    const wasm = require("node:fs").readFileSync(require.resolve("lanewise/wasm/simd.wasm"));
    const cores = [
      required.createCoreSync(),
      require("lanewise/js").createCoreSync(),
      require("lanewise/slim").createCoreSync({ wasm }),
    ];
    const { dense } = require("lanewise/nn");
    const same = Object.keys(lanewise).every((name) => lanewise[name] === required[name]);
    for (const core of cores) new Sequential(core, [dense(2, 3)]);
    console.log(JSON.stringify([same, checkpoint.saveCheckpoint === require("lanewise/checkpoint").saveCheckpoint,
      ...cores.map(({ variant }) => variant)]));`;

  it.each([
    ["Node 20", "node-20/bin/node", "--no-warnings"],
    ["Node 22", "node-22/bin/node", "--no-warnings"],
    ["Node 24", "node-24/bin/node", "--no-warnings"],
    ["Node 26", "node-26/bin/node", "--no-warnings"],
    ["Bun", "@oven/bun-linux-x64/bin/bun"],
    ["Deno", "@deno/linux-x64-glibc/deno", "run", "--quiet", "--allow-all"],
  ])("are the same classes by import and by require in %s", (_, runtime, ...args) => {
    const program = join(directory, "both-ways.mjs");
    writeFileSync(program, BOTH_WAYS);
    const output = execFileSync(join(modules, runtime), [...args, program], { cwd: directory, encoding: "utf8" });
    expect(JSON.parse(output)).toEqual([true, true, "simd", "scalar-js", "simd"]);
  });
});
