import { describe, expect, it } from "vitest";
import { createCoreSync } from "../../../src/entry/inline.js";
import { SGD, type SGDOptions } from "../../../src/optim/sgd.js";
import { expectSameBits } from "../../helpers/bits.js";
import { randomValues } from "../../helpers/random.js";

const F = Math.fround;

describe.each(["js", "wasm"] as const)("SGD on %s", (backend) => {
  const core = createCoreSync({ backend });

  it.each<SGDOptions>([
    {},
    { weightDecay: 0.1 },
    { momentum: 0.9 },
    { momentum: 0.9, dampening: 0.5 },
    { momentum: 0.9, nesterov: true },
    { momentum: 0.8, weightDecay: 0.01, maximize: true },
  ])("PyTorch's formula, operation by operation, the first step copying the gradient: %o", (options) => {
    const { momentum = 0, dampening = 0, nesterov, weightDecay = 0, maximize } = options;
    const lr = 0.05;
    const x = randomValues(21, 1);
    const expected = x.slice();
    const buffer = new Float32Array(21);
    const optimizer = new SGD(core, x, { learningRate: lr, ...options });
    for (let i = 0; i < 10; i++) {
      const grads = randomValues(21, i + 2);
      optimizer.step(grads);
      for (const [k, grad] of grads.entries()) {
        let g = maximize ? -grad : grad;
        if (weightDecay !== 0) g = F(g + F(F(weightDecay) * expected[k]!));
        if (momentum !== 0) {
          buffer[k] = i === 0 ? g : F(F(buffer[k]! * F(momentum)) + F(F(1 - dampening) * g));
          g = nesterov ? F(g + F(F(momentum) * buffer[k]!)) : buffer[k]!;
        }
        expected[k] = F(expected[k]! + F(F(-lr) * g));
      }
      expectSameBits(x, expected, `step ${i}`);
    }
    const state = optimizer.state().parameters["0"]!;
    expect(state.iterations).toBe(10);
    if (momentum !== 0) expectSameBits(state.momentumBuffer!, buffer, "buffer");
    else expect(state).toEqual({ iterations: 10 });
  });

  it("a parameter's first step is its own, not the optimizer's", () => {
    const [a, b] = [new Float32Array([0]), new Float32Array([0])];
    const optimizer = new SGD(core, { a, b }, { learningRate: 1, momentum: 0.5, dampening: 0.75 });
    const g = new Float32Array([1]);
    optimizer.step({ a: g });
    optimizer.step({ a: g, b: g });
    expect([a[0], b[0]]).toEqual([-1.75, -1]); // the second gradient enters a's buffer with a quarter of its weight
  });

  it("copies the sign of a zero into the buffer, as PyTorch's clone does", () => {
    const optimizer = new SGD(core, new Float32Array(3), { momentum: 0.9, dampening: 0.5 });
    optimizer.step(new Float32Array([-0, 0, 1]));
    expectSameBits(optimizer.state().parameters["0"]!.momentumBuffer!, [-0, 0, 1], "buffer");
  });

  it("continues from a saved state, in the middle of dampening", () => {
    const options = { momentum: 0.9, dampening: 0.5, learningRate: 0.1 };
    const [a, b] = [randomValues(9, 1), randomValues(9, 1)];
    const straight = new SGD(core, a, options);
    const before = new SGD(core, b, options);
    before.step(randomValues(9, 0));
    const after = new SGD(core, b, options);
    after.load(before.state());
    straight.step(randomValues(9, 0));
    for (let i = 1; i < 5; i++) {
      straight.step(randomValues(9, i));
      after.step(randomValues(9, i));
    }
    expectSameBits(b, a, "path");
    expect(after.state()).toEqual(straight.state());
  });

  it("Keras, test_single_step and test_correctness_with_golden", () => {
    const x = new Float32Array([1, 2, 3, 4]);
    new SGD(core, x, { learningRate: 0.5 }).step(new Float32Array([1, 6, 7, 2]));
    expect([...x]).toEqual([0.5, -1, -0.5, 3]);
    const y = new Float32Array(10).fill(1);
    const optimizer = new SGD(core, y, { learningRate: 0.01 });
    optimizer.step(new Float32Array(10).fill(0.01));
    optimizer.step(new Float32Array(10).map((_, i) => (i + 1) / 10));
    for (const [i, value] of y.entries()) expect(value).toBeCloseTo(0.9989 - i / 1000, 6);
  });
});
