import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";
import { addressesOf, REPOSITORY } from "../scripts/addresses.mjs";

const dist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** Threads need a page that is isolated by these two; a static site sends them, or does without threads. */
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** Fills in links, and the preview that other sites show: they want its whole address, once there is one. */
const addresses = {
  name: "addresses",
  transformIndexHtml(html) {
    const { site, source } = addressesOf(REPOSITORY);
    const links = {
      Docs: site === undefined ? "../docs/index.html" : `${site}docs/`,
      Package: "https://www.npmjs.com/package/lanewise",
      ...(source !== undefined && { Source: REPOSITORY }),
    };
    return html.replace("%PREVIEW%", `${site === undefined ? "" : `${site}playground/`}preview.png`).replace(
      "%LINKS%",
      Object.entries(links)
        .map(([name, address]) => `<a href="${address}">${name}</a>`)
        .join(" "),
    );
  },
};

/** `vite build --mode file`: the whole page as one file, which a browser also opens from a folder. */
const oneFile = [
  viteSingleFile(),
  {
    name: "one-file",
    enforce: "pre",
    resolveId(source, importer) {
      if (source.endsWith("?worker")) return this.resolve(`${source}&inline`, importer);
    },
    // Nothing beside the file.
    transformIndexHtml: (html) => html.replace(/ *<(link rel="icon"|script src="[^"]*early).*\n/g, ""),
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        bundle["index.html"].fileName = "playground.html";
      },
    },
  },
];

export default defineConfig(({ mode }) => ({
  base: "./",
  define: { LANEWISE_VERSION: JSON.stringify(version) },
  resolve: {
    alias: [
      { find: /^lanewise$/, replacement: dist("default/index.js") },
      { find: /^lanewise\/(nn|checkpoint)$/, replacement: dist("default/$1.js") },
    ],
  },
  plugins: [addresses, mode === "file" && oneFile],
  worker: { format: mode === "file" ? "iife" : "es" },
  build: {
    outDir: "../build/playground",
    target: "es2022",
    ...(mode === "file" ? { emptyOutDir: false, copyPublicDir: false } : { emptyOutDir: true }),
  },
  server: { headers, fs: { allow: [".."] } },
}));
