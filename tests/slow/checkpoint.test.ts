import { describe, it } from "vitest";
import { fuzzGrammar, fuzzLoad, fuzzReader, fuzzStructure } from "../helpers/checkpoint-fuzz.js";

describe("files that were tampered with", () => {
  it("are read as their header says, or refused", () => fuzzReader(500_000));
  it("change nothing unless they are loaded", () => fuzzLoad(30_000));
  it("by the grammar of the format are read if they are valid, and refused if not", () => fuzzGrammar(300_000));
  it("in their structure give Lanewise's errors alone", () => fuzzStructure(100_000));
});
