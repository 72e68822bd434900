import { describe, it } from "vitest";
import { fuzzLoad, fuzzReader } from "../../helpers/checkpoint-fuzz.js";

// Longer runs: tests/slow/checkpoint.test.ts.
describe("files that were tampered with", () => {
  it("are read as their header says, or refused", () => fuzzReader(3000));
  it("change nothing unless they are loaded", () => fuzzLoad(500));
});
