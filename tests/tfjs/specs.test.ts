import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { bundleSpecs, type Mode, type Outcomes, runSpecs } from "./specs/bundle.js";

// The specs that @tensorflow/tfjs-core ships: 4,230 of them, each run in a few seconds.

/** Names of the specs that fail, by cause. */
type Failures = Record<string, string[]>;

const expected: Record<Mode, Failures> = JSON.parse(
  readFileSync(new URL("specs/expected-failures.json", import.meta.url), "utf8"),
);

const isPassed = (outcome: string | undefined): boolean => outcome === "passed";
const failed = (outcomes: Outcomes): string[] =>
  Object.keys(outcomes).filter((name) => !["passed", "pending", "excluded"].includes(outcomes[name]!));

/** Fails with the messages of the specs that failed in spite of the list. */
function expectFailures(outcomes: Outcomes, failures: Failures): void {
  const listed = Object.values(failures).flat();
  const unexpected = failed(outcomes).filter((name) => !listed.includes(name));
  expect(unexpected.map((name) => `${name}: ${outcomes[name]}`)).toEqual([]);
  expect(listed.filter((name) => isPassed(outcomes[name]))).toEqual([]);
}

describe("the specs of tfjs-core on the wasm backend", () => {
  let script: string;
  let plain: Outcomes;
  beforeAll(async () => {
    script = await bundleSpecs();
    plain = runSpecs(script, "plain");
  });

  it("as TensorFlow.js is: what is counted here can fail", () => {
    expect(Object.values(plain).filter(isPassed).length).toBe(3891);
    expect(failed(plain).length).toBe(334);
  });

  it("accelerated: none that passed fails, and what still fails is none of accelerate()'s", () => {
    const accelerated = runSpecs(script, "accelerated");
    expect(Object.keys(plain).filter((name) => isPassed(plain[name]) && !isPassed(accelerated[name]))).toEqual([]);
    expectFailures(accelerated, expected.accelerated);
  });

  it("with Lanewise's optimizers in place of tf.train's", () => {
    const optimizers = runSpecs(script, "optimizers");
    expect(Object.values(optimizers).filter(isPassed).length).toBeGreaterThan(20);
    expectFailures(optimizers, expected.optimizers);
  });
});
