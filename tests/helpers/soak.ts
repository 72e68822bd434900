import type { Parameters } from "fast-check";

const { SOAK_MINUTES, SOAK_SEED } = process.env;

/** How many programs a fuzzer tries: `runs`, or as many as half of the soak has time for. A failure prints the seed. */
export function fuzzing<T>(runs: number): Parameters<T> {
  const seed = SOAK_SEED === undefined ? {} : { seed: Number(SOAK_SEED) };
  if (SOAK_MINUTES === undefined) return { numRuns: runs, ...seed };
  return { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: Number(SOAK_MINUTES) * 30_000, ...seed };
}

/** How long such a test may take. */
export const FUZZ_TIMEOUT: number = 120_000 + Number(SOAK_MINUTES ?? 0) * 60_000;
