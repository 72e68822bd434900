// Compiles the binaries, and writes those that are carried inside the JavaScript as modules with a hexadecimal string
// (docs/decisions/0003-hexadecimal-binaries.md); the threads' worker likewise, bundled into a string.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { build } from "esbuild";
import { hoistConstants } from "./hoist-constants.mjs";
import { schedule } from "./schedule.mjs";
import { rewrite } from "./wat.mjs";

// What an earlier build has written would be packed, too.
rmSync("dist", { recursive: true, force: true });

const CORE = "assembly/index.ts";
const ELEMENTARY = "assembly/elementary.ts";

/** Kernel families: the folders of assembly/ that have an index.ts, each a binary of its own. */
const families = readdirSync("assembly")
  .filter((folder) => existsSync(`assembly/${folder}/index.ts`))
  .map((name) => ({ name, entries: [`assembly/${name}/index.ts`] }));

/** Each binary: its target in asconfig.json and its entries. The last two are for tests. */
const binaries = [
  ...["simd", "relaxed", "wide", "relaxed-wide"].map((name) => ({
    name,
    target: name,
    entries: [CORE],
    embedded: true,
  })),
  ...families.map(({ name, entries }) => ({ name, target: "simd", entries, embedded: true, isFamily: true })),
  { name: "elementary", target: "simd", entries: [ELEMENTARY], embedded: false },
  {
    name: "debug",
    target: "debug",
    entries: [CORE, ...families.flatMap(({ entries }) => entries), ELEMENTARY],
    embedded: false,
  },
];

const wasmOpt = fileURLToPath(new URL("../node_modules/binaryen/bin/wasm-opt", import.meta.url));

/** What asc enables by itself, and SIMD. */
const FEATURES = ["mutable-globals", "nontrapping-float-to-int", "sign-ext", "bulk-memory", "simd", "relaxed-simd"];

// What an earlier build has written would be published, too.
rmSync("build/wasm", { recursive: true, force: true });
mkdirSync("build/wasm", { recursive: true });
/** Binaries by what they depend on: a build compiles only what has changed. */
const CACHE = "node_modules/.cache/lanewise";
const recipe = [
  "asconfig.json",
  ...["build-wasm", "schedule", "hoist-constants", "wat"].map((name) => `scripts/${name}.mjs`),
];
const versions = ["assemblyscript", "binaryen"].map(
  (name) => createRequire(import.meta.url)(`${name}/package.json`).version,
);

const generated = new URL("../src/backend/wasm/binaries/", import.meta.url);
rmSync(generated, { recursive: true, force: true });
mkdirSync(generated, { recursive: true });

/** Compiles a binary into build/wasm, or takes it from the cache; whether its text has a register tile. */
async function compile(binary) {
  const { name } = binary;
  const outFile = `build/wasm/${name}.wasm`;
  const cached = `${CACHE}/${keyOf(binary)}`;
  if (!existsSync(`${cached}.json`)) {
    const { hasTile } = await compileAnew(binary, outFile);
    mkdirSync(CACHE, { recursive: true });
    copyFileSync(outFile, `${cached}.wasm`);
    writeFileSync(`${cached}.json`, JSON.stringify({ name, hasTile }));
  }
  copyFileSync(`${cached}.wasm`, outFile);
  return JSON.parse(readFileSync(`${cached}.json`, "utf8")).hasTile;
}

/** What a binary depends on: its sources, its options, the compilers and the scripts that rewrite it. */
function keyOf({ target, entries, embedded, isFamily = false }) {
  const hash = createHash("sha256").update(JSON.stringify({ target, entries, embedded, isFamily, versions }));
  for (const file of [...recipe, ...[...new Set(entries.flatMap((entry) => [...sourcesOf(entry)]))].sort()]) {
    hash.update(file).update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** A source file and all that it imports. */
function sourcesOf(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, path] of readFileSync(file, "utf8").matchAll(/ from "(\..+?)"/g)) {
    sourcesOf(`${join(dirname(file), path)}.ts`, found);
  }
  return found;
}

async function compileAnew({ target, entries, embedded, isFamily = false }, outFile) {
  const { error, stderr } = await asc.main([...entries, "--target", target, "--outFile", outFile]);
  if (error) {
    process.stderr.write(`${stderr}`);
    throw error;
  }
  if (embedded) {
    // A second pass over AssemblyScript's own finds a little more: 0.2 KB of the compressed size.
    const flags = FEATURES.map((feature) => `--enable-${feature}`);
    execFileSync(process.execPath, [wasmOpt, outFile, "-O3", ...flags, "-o", outFile]);
  }
  let hasTile = false;
  rewrite(
    outFile,
    (text) => {
      hasTile = text.includes('(import "schedule"');
      return schedule(isFamily ? hoistConstants(text) : text, embedded);
    },
    !embedded,
  );
  return { hasTile };
}

const hexOf = (name) => readFileSync(`build/wasm/${name}.wasm`).toString("hex");

function writeModule(name, text) {
  writeFileSync(new URL(`${name}.ts`, generated), `// Generated by scripts/build-wasm.mjs from assembly/.\n${text}`);
}

/** Families with products, which have larger tiles in wide mode. */
const wide = [];
for (const binary of binaries) {
  const { name } = binary;
  const hasTile = await compile(binary);
  if (!binary.embedded) continue;
  writeModule(name, `export const binary: string =\n  "${hexOf(name)}";\n`);
  if (!binary.isFamily || !hasTile) continue;
  await compile({ ...binary, name: `${name}-wide`, target: "wide" });
  wide.push(name);
}
const entries = wide.map((name) => `  ${name}: "${hexOf(`${name}-wide`)}",\n`).join("");
writeModule("wide-families", `export const binaries: Readonly<Record<string, string>> = {\n${entries}};\n`);

// The threads' worker, as the string that they are started with.
const { outputFiles } = await build({
  entryPoints: ["src/backend/threads/worker.ts"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  write: false,
});
const workerSource = new URL("../src/backend/threads/generated/worker-source.ts", import.meta.url);
mkdirSync(new URL(".", workerSource), { recursive: true });
writeFileSync(
  workerSource,
  `// Generated by scripts/build-wasm.mjs from worker.ts.\nexport const source: string = ${JSON.stringify(outputFiles[0].text)};\n`,
);
