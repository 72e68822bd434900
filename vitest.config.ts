import { configDefaults, defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    exclude: [...configDefaults.exclude, "tests/slow/**", "tests/tfjs/**"],
    testTimeout: 120_000,
    // Vitest leaves one core idle, which is half of two.
    maxWorkers: "100%",
    reporters: ["default", ["json", { outputFile: "build/test-results.json" }]],
  },
});
