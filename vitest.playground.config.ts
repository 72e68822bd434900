import { defineConfig } from "vitest/config";

/** The built playground in real browsers, run by `npm run test:playground`, which builds it. */
export default defineConfig({
  test: {
    include: ["playground/tests/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", ["json", { outputFile: "build/playground-results.json" }]],
  },
});
