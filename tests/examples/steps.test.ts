import { describe, expect, it } from "vitest";
import * as centered from "../../examples/centered.js";
import * as fallingGradient from "../../examples/falling-gradient.js";
import * as memoryLength from "../../examples/memory-length.js";
import { largestError, stepLengths64 } from "./float64.js";

describe("example falling-gradient", () => {
  it("has the steps of float64, and recovers when it does", async () => {
    const { rmsprop } = await fallingGradient.run();
    const gradients = [...new Array(100).fill(100), ...new Array(300).fill(1)];
    expect(rmsprop.map(({ decay }) => decay)).toEqual([0.8, 0.9, 0.95]);
    for (const { decay, lengths, recovery } of rmsprop) {
      // v rounds three times a step and forgets old roundings as it forgets gradients: about 1/(1 − decay) steps count.
      expect(largestError(lengths, stepLengths64(gradients, { learningRate: 0.01, decay }), 0)).toBeLessThan(4e-6);
      // After k steps with the gradient 1, v = decay^k·v₁₀₀ + 1 − decay^k; 1/√v reaches 0.9 at v = 1/0.81.
      const before = 1e4 * (1 - decay ** 100);
      expect(recovery).toBe(Math.ceil(Math.log((1 / 0.81 - 1) / (before - 1)) / Math.log(decay)));
    }
    expect(rmsprop.map(({ recovery }) => recovery)).toEqual([48, 102, 208]);
  });

  it("leaves SGD at a hundredth of its step", async () => {
    const { sgd } = await fallingGradient.run();
    sgd.forEach((length, i) => {
      expect(length).toBeCloseTo(i < 100 ? 0.01 : 0.0001, 8);
    });
  });
});

describe("example centered", () => {
  it("has the steps of float64", async () => {
    const { gradients, plain, centered: noMean } = await centered.run();
    expect(gradients).toHaveLength(2000);
    const options = { learningRate: 1, decay: 0.99 };
    expect(largestError(plain, stepLengths64(gradients, options), 0)).toBeLessThan(5e-6);
    // v − m² cancels: 1/16 is left of 1, and the relative error is 16 times that of v, or twice that in the worst case.
    expect(largestError(noMean, stepLengths64(gradients, { ...options, centered: true }), 0)).toBeLessThan(1e-4);
  });

  it("divides by the size of the gradient, or by its noise alone", async () => {
    const { gradients, plain, centered: noMean } = await centered.run();
    const mean = gradients.reduce((sum, g) => sum + g) / gradients.length;
    const deviation = Math.sqrt(gradients.reduce((sum, g) => sum + (g - mean) ** 2, 0) / gradients.length);
    // The standard error of a mean of 2000 is 0.0056.
    expect(Math.abs(mean - 1)).toBeLessThan(0.02);
    expect(Math.abs(deviation - 0.25)).toBeLessThan(0.02);
    expect(Math.abs(centered.settledMean(plain) - 1 / Math.hypot(1, 0.25))).toBeLessThan(0.02);
    expect(Math.abs(centered.settledMean(noMean) - 4)).toBeLessThan(0.2);
  });
});

describe("example memory-length", () => {
  it("forgets by the factor decay a step, and all but 1/e in 1/(1 − decay) steps", async () => {
    const memories = await memoryLength.run();
    for (const { decay, remembered, length } of memories) {
      // Down to 2⁻¹⁰⁰ far from subnormal numbers. Each step rounds once, by 2⁻²⁴ or less of v, and decay itself is
      // rounded: 2⁻²³ a step at most.
      const steps = Math.min(3000, Math.floor(-100 / Math.log2(decay)));
      for (let k = 0; k <= steps; k++) {
        expect(Math.abs(remembered[k]! / decay ** k - 1)).toBeLessThanOrEqual((k + 1) * 2 ** -23);
      }
      expect(length).toBe(Math.ceil(-1 / Math.log(decay)));
    }
    expect(memories.map(({ decay, length }) => [decay, length])).toEqual([
      [0.5, 2],
      [0.9, 10],
      [0.99, 100],
      [0.999, 1000],
    ]);
  });
});
