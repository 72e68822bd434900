import { defineConfig } from "vitest/config";

/** The built page in real browsers. */
export default defineConfig({
  test: {
    include: ["tests/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", ["json", { outputFile: "../build/playground-results.json" }]],
  },
});
