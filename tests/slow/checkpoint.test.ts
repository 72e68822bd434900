import { describe, it } from "vitest";
import { fuzzLoad, fuzzReader } from "../helpers/checkpoint-fuzz.js";

describe("files that were tampered with", () => {
  it("are read as their header says, or refused", () => fuzzReader(500_000));
  it("change nothing unless they are loaded", () => fuzzLoad(30_000));
});
