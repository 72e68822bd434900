import { expect, it } from "vitest";
import { search } from "../../examples/search/search.js";

it("example search stops trials, and which ones does not depend on the threads", async () => {
  const [one, three] = [
    await search({ trials: 16, epochs: 3, threads: 1 }),
    await search({ trials: 16, epochs: 3, threads: 3 }),
  ];
  expect(three).toEqual(one);
  expect(one.every(({ ended }) => ended)).toBe(true);
  const stopped = one.filter(({ stopped }) => stopped);
  expect(stopped.length).toBeGreaterThan(0);
  for (const { accuracies } of stopped) expect(accuracies.length).toBeLessThan(3);
});
