import { defineConfig } from "vitest/config";

/** The packed package in runtimes, bundlers and compilers, run by `npm run test:runtimes`, which installs them. */
export default defineConfig({
  test: {
    include: ["tests/{runtimes,package}/*.test.mjs"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", ["json", { outputFile: "build/runtimes-results.json" }]],
  },
});
