import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { beforeAll, describe, expect, it } from "vitest";
import { difference, fit, PAIRS, SHAPES, walk } from "./matrix.js";

describe.each(["cpu", "wasm"])("%s backend", (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  describe.each(PAIRS)("$name", ({ name, ours, theirs, tolerance }) => {
    it("runs here", () => {
      const optimizer = ours();
      expect(tf.getBackend()).toBe(backend);
      expect(optimizer.path).toContain(backend === "wasm" ? "nothing is copied" : "are copied");
      optimizer.dispose();
    });

    it.each(Object.keys(SHAPES))("over %s, 100 steps", (shape) => {
      const actual = walk(ours, SHAPES[shape]!, 100);
      expect(difference(actual, walk(theirs, SHAPES[shape]!, 100), tolerance)).toBeUndefined();
      expect(difference(actual, walk(ours, SHAPES[shape]!, 99), 0)).toBeDefined();
    });

    // TensorFlow.js's centered form makes everything NaN here.
    it.skipIf(name.includes("centered"))("fits a network", async () => {
      expect(difference(await fit(ours), await fit(theirs), 10 * tolerance)).toBeUndefined();
    });
  });
});
