import { defineConfig } from "vitest/config";

declare module "vitest" {
  interface ProvidedContext {
    /** Sweeps over all float32 take one of this number. */
    stride: number;
  }
}

/** Tests of minutes; `npm run test:full` leaves nothing out and takes an hour. */
export default defineConfig(({ mode }) => ({
  test: {
    include: ["tests/slow/**/*.test.ts"],
    testTimeout: 1_800_000,
    provide: { stride: mode === "full" ? 1 : 61 },
    reporters: ["default", ["json", { outputFile: "build/slow-results.json" }]],
  },
}));
