import { describe, it } from "vitest";
import { fuzzGrammar, fuzzLoad, fuzzReader, fuzzStructure } from "../../helpers/checkpoint-fuzz.js";

// Longer runs: tests/slow/checkpoint.test.ts.
describe("files that were tampered with", () => {
  it("are read as their header says, or refused", () => fuzzReader(3000));
  it("change nothing unless they are loaded", () => fuzzLoad(500));
  it("by the grammar of the format are read if they are valid, and refused if not", () => fuzzGrammar(3000));
  it("in their structure give Lanewise's errors alone", () => fuzzStructure(1500));
});
