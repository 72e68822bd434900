import { defineConfig } from "vitest/config";

const [major] = process.versions.node.split(".");

/** What depends on the engine; run by tests/nodes/run.mjs on several versions of Node. */
export default defineConfig({
  test: {
    include: ["tests/conformance/*.test.ts", "tests/unit/{wide,core}.test.ts", "tests/unit/threads/*.test.ts"],
    testTimeout: 120_000,
    reporters: ["default", ["json", { outputFile: `build/node-${major}-results.json` }]],
  },
});
