import { defineConfig } from "vitest/config";

/** The packed package in every runtime, run by `npm run test:runtimes`, which installs them. */
export default defineConfig({
  test: {
    include: ["tests/runtimes/*.test.mjs"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", ["json", { outputFile: "build/runtimes-results.json" }]],
  },
});
