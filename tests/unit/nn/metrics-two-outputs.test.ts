import { expect, it } from "vitest";
import { auc } from "../../../src/nn/index.js";

it("auc of two outputs is that of their difference, with class indices and with one-hot targets", () => {
  const scores = [0.1, 0.4, 0.35, 0.8, 0.4, -1];
  const classes = [0, 0, 1, 1, 1, 0];
  const rows = scores.length;
  const one = { outputs: Float32Array.from(scores), targets: Float32Array.from(classes), rows, columns: 1 };
  const outputs = Float32Array.from(scores.flatMap((score) => [2, 2 + score]));
  const oneHot = Float32Array.from(classes.flatMap((label) => [1 - label, label]));
  // 9 pairs of a yes and a no: 7 in order, and one tie. 2 + 0.4 rounds to the same number both times.
  const expected = auc.compute({ ...one, areIndices: false, threshold: 0.5 });
  expect(expected).toBeCloseTo(7.5 / 9, 12);
  for (const [targets, areIndices] of [
    [one.targets, true],
    [oneHot, false],
  ] as const) {
    expect(auc.compute({ outputs, targets, areIndices, rows, columns: 2, threshold: 0.5 })).toBe(expected);
  }
});
