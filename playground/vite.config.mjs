import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const dist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** Threads need a page that is isolated by these two; a static site sends them, or does without threads. */
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  base: "./",
  define: { LANEWISE_VERSION: JSON.stringify(version) },
  resolve: {
    alias: [
      { find: /^lanewise$/, replacement: dist("default/index.js") },
      { find: /^lanewise\/(nn|checkpoint)$/, replacement: dist("default/$1.js") },
    ],
  },
  worker: { format: "es" },
  build: { outDir: "../build/playground", emptyOutDir: true, target: "es2022" },
  server: { headers, fs: { allow: [".."] } },
});
