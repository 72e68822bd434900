import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** The built page in real browsers. */
export default defineConfig({
  resolve: {
    alias: { "lanewise/checkpoint": fileURLToPath(new URL("../dist/default/checkpoint.js", import.meta.url)) },
  },
  test: {
    include: ["tests/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", ["json", { outputFile: "../build/playground-results.json" }]],
  },
});
