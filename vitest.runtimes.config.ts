import { defineConfig } from "vitest/config";
import { arm64Pool } from "./tests/arm64/pool.js";

/**
 * The packed package in runtimes, bundlers and compilers, and the golden vectors of the optimizers on an emulated
 * processor; run by `npm run test:runtimes`, which installs what they need.
 */
export default defineConfig({
  test: {
    fileParallelism: false,
    reporters: ["default", ["json", { outputFile: "build/runtimes-results.json" }]],
    projects: [
      {
        test: {
          name: "runtimes",
          include: ["tests/{runtimes,package}/*.test.mjs"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "arm64",
          include: ["tests/golden/lanewise.test.ts"],
          pool: arm64Pool,
          globalSetup: "tests/arm64/setup.ts",
          testTimeout: 600_000,
        },
      },
    ],
  },
});
