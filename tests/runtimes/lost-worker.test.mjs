import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { threaded } from "./drivers/threaded.mjs";
import { prepare } from "./prepare.mjs";

// A worker that spins or traps inside a kernel takes nothing with it (docs/reliability.md), in the packed package.

const project = prepare();
afterAll(() => project.remove());

describe.each(threaded)("%s", (_, start) => {
  let runtime;
  beforeAll(async () => {
    runtime = await start(project);
  });
  afterAll(() => runtime?.stop?.());

  // Who spins is waited for ten seconds.
  it.each([
    { work: "steps", way: "traps", claim: 0 },
    { work: "products", way: "traps", claim: 3 },
    { work: "training", way: "traps", claim: 7 },
    { work: "training", way: "spins", claim: 2 },
  ])("$work, a worker $way in call $claim", { timeout: 120_000 }, async (request) => {
    const { reason, differing } = await runtime.run({ program: "loseWorker", ...request });
    const fate = request.way === "traps" ? "its kernel failed" : "it did not finish its share of a job";
    expect(reason).toMatch(new RegExp(`; one thread; 1 of 1 workers ended: ${fate}`));
    expect(differing).toBe(0);
  });
});
