import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import * as esbuild from "esbuild";
import * as rolldown from "rolldown";
import * as rollup from "rollup";
import * as vite from "vite";
import webpack from "webpack";

// Each bundles a file for Node as a newcomer would: minified, everything else by default. Resolves to the main file.
export const bundlers = {
  async esbuild(file, outdir) {
    const options = { bundle: true, minify: true, format: "esm", platform: "node", splitting: true };
    await esbuild.build({ ...options, entryPoints: { main: file }, outdir, logLevel: "warning" });
    return "main.js";
  },

  async "esbuild, a single file"(file, outdir) {
    const options = { bundle: true, minify: true, format: "esm", platform: "node" };
    await esbuild.build({ ...options, entryPoints: { main: file }, outdir, logLevel: "warning" });
    return "main.js";
  },

  async "esbuild, CommonJS"(file, outdir) {
    const options = { bundle: true, minify: true, format: "cjs", platform: "node", outExtension: { ".js": ".cjs" } };
    await esbuild.build({ ...options, entryPoints: { main: file }, outdir, logLevel: "warning" });
    return "main.cjs";
  },

  async rolldown(file, dir) {
    const bundle = await rolldown.rolldown({ input: { main: file }, platform: "node" });
    await bundle.write({ dir, minify: true });
    await bundle.close();
    return "main.js";
  },

  async rollup(file, dir) {
    const onwarn = (warning) => {
      throw new Error(warning.message);
    };
    // Rollup has no minifier of its own; sizes are those of the code as it is.
    const bundle = await rollup.rollup({ input: { main: file }, plugins: [nodeResolve()], onwarn });
    await bundle.write({ dir });
    await bundle.close();
    return "main.js";
  },

  async vite(file, outDir) {
    const lib = { entry: file, formats: ["es"], fileName: "main" };
    await vite.build({ root: outDir, configFile: false, logLevel: "warn", build: { lib, outDir, emptyOutDir: false } });
    return "main.js";
  },

  async webpack(file, path) {
    const output = { path, filename: "main.cjs", chunkFilename: "[id].cjs" };
    const compiler = webpack({ mode: "production", target: "node", entry: file, output });
    const stats = await new Promise((resolve, reject) => {
      compiler.run((error, result) => (error ? reject(error) : resolve(result)));
    });
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
    if (errors.length + warnings.length > 0) throw new Error([...errors, ...warnings].map((e) => e.message).join("\n"));
    return "main.cjs";
  },
};

/** A folder with a page and its script, for browsers. */
export async function buildPage(root) {
  writeFileSync(join(root, "index.html"), '<script type="module" src="programs/page.mjs"></script>');
  const outDir = join(root, "page");
  await vite.build({ root, base: "./", configFile: false, logLevel: "warn", build: { outDir } });
  return outDir;
}
