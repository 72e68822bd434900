import { expect, it } from "vitest";
import { simulate } from "./simulation/cluster.js";

// `npm run test:simulation -- --seeds 10000` runs more of them.
it("200 clusters under loss, duplication, damage, partitions, pauses and crashes have the bits of one process", () => {
  const failures: string[] = [];
  const counts: Record<string, number> = {};
  for (let seed = 0; seed < 200; seed++) {
    const { failure, counts: seen } = simulate(seed);
    if (failure !== undefined) failures.push(`npm run test:simulation -- --seeds 1 --first ${seed}: ${failure}`);
    for (const [what, count] of Object.entries(seen)) counts[what] = (counts[what] ?? 0) + count;
  }
  expect(failures).toEqual([]);
  // Everything that is to be survived has happened.
  for (const what of ["killed", "departed", "left", "leader", "resynchronised", "late", "duplicate", "storage"]) {
    expect(counts[what], what).toBeGreaterThan(20);
  }
});

it("the same seed replays exactly", () => {
  for (const seed of [3, 77, 141]) expect(simulate(seed)).toEqual(simulate(seed));
  expect(simulate(3)).not.toEqual(simulate(4));
});

it.each(["register", "order of sums"] as const)("finds what is broken: the %s", (sabotage) => {
  const failures: string[] = [];
  for (let seed = 0; seed < 200; seed++) {
    const { failure } = simulate(seed, sabotage);
    if (failure !== undefined) failures.push(failure);
  }
  expect(failures.length).toBeGreaterThan(5);
});
