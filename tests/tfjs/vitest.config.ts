import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["*.test.ts"],
    testTimeout: 200_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    reporters: ["default", ["json", { outputFile: "../../build/tfjs-results.json" }]],
    // What TensorFlow.js says about other backends, at each start.
    onConsoleLog: (log) => !log.includes("Hi, looks like you are running TensorFlow.js"),
  },
});
