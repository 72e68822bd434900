import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const modules = fileURLToPath(new URL("node_modules/", import.meta.url));

/** A folder that is a user's project: the packed package is installed, the programs and examples lie beside it. */
export function prepare() {
  const directory = mkdtempSync(join(tmpdir(), "lanewise-runtimes-"));
  const npm = (cwd, ...args) =>
    execFileSync("npm", ["--loglevel=error", ...args], { cwd, stdio: ["ignore", "ignore", "inherit"] });
  npm(root, "pack", "--ignore-scripts", "--pack-destination", directory);
  const [tarball] = readdirSync(directory);
  writeFileSync(join(directory, "package.json"), JSON.stringify({ private: true, type: "module" }));
  npm(directory, "install", "--no-audit", "--no-fund", "--prefer-offline", `./${tarball}`);
  cpSync(join(root, "cli/program.mjs"), join(directory, "program.mjs"));
  cpSync(fileURLToPath(new URL("programs", import.meta.url)), join(directory, "programs"), { recursive: true });
  return { directory, remove: () => rmSync(directory, { recursive: true }) };
}

/** `import simd from "….wasm?module"` finds the Module in the global `modules`, where the host has put it. */
const moduleImports = {
  name: "modules of the host",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.wasm\?module$/ }, ({ path }) => ({ path, namespace: "module" }));
    onLoad({ filter: /./, namespace: "module" }, ({ path }) => {
      const name = basename(path, ".wasm?module");
      return { contents: `export default modules[${JSON.stringify(name)}];` };
    });
  },
};

/** Bundles a file of the project for a runtime that resolves by these conditions, as a tool for it would. */
export async function bundle(directory, file, format, conditions) {
  const out = `bundles/${file.replace(/\W+/g, "-")}-${conditions.join("-")}`;
  await build({
    absWorkingDir: directory,
    entryPoints: { main: file },
    outdir: out,
    bundle: true,
    format,
    globalName: "program",
    splitting: format === "esm",
    conditions,
    target: "es2022",
    loader: { ".wasm": "copy" },
    assetNames: "[name]",
    plugins: [moduleImports],
    logLevel: "warning",
  });
  return join(directory, out);
}
