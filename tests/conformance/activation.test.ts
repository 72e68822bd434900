import { expect, it } from "vitest";
import { ACTIVATION, type Activation } from "../../src/backend/backend.js";
import { activate } from "../../src/backend/js/nn/activation.js";
import { expectSameBits, ulpDistance } from "../helpers/bits.js";
import { conform, describeConformance, type Operands } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];
const U = 2 ** -24;
const names = Object.keys(ACTIVATION) as Activation[];

const FORWARD: Record<Activation, (x: number) => number> = {
  identity: (x) => x,
  relu: (x) => Math.max(x, 0),
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

/** Derivative from the output y. */
const DERIVATIVE: Record<Activation, (y: number) => number> = {
  identity: () => 1,
  relu: (y) => (y > 0 ? 1 : 0),
  tanh: (y) => 1 - y * y,
  sigmoid: (y) => y * (1 - y),
};

/** Random values with every special one among them, if there is room. */
function values(count: number, seed: number): Float32Array {
  const x = randomValues(count, seed, 8);
  if (count > SPECIAL_VALUES.length) x.set(SPECIAL_VALUES, seed % (count - SPECIAL_VALUES.length));
  return x;
}

/** One output array for each activation. */
function outputs(count: number): Operands {
  return Object.fromEntries(names.map((name) => [name, new Float32Array(count).fill(7)]));
}

describeConformance("activation_f32", () => {
  it.each(SIZES)("count %i", (count) => {
    const x = values(count, count + 1);
    const { operands } = conform("forward", { x, ...outputs(count) }, (kernels, ptr) => {
      for (const name of names) kernels.activation_f32(ACTIVATION[name], count, ptr.x!, ptr[name]!);
    });
    expectSameBits(operands.x!, x, "x is only read");
    for (const name of names) {
      const limit = name === "tanh" || name === "sigmoid" ? 2 : 0;
      for (let i = 0; i < count; i++) {
        const y = operands[name]![i]!;
        expect(ulpDistance(y, FORWARD[name](x[i]!)), `${name}(${x[i]}) = ${y}`).toBeLessThanOrEqual(limit);
        expect(activate(ACTIVATION[name], x[i]!)).toBe(y);
      }
    }
  });

  it("works in place", () => {
    const x = values(127, 3);
    const apart = conform("apart", { x, ...outputs(127) }, (kernels, ptr) => {
      for (const name of names) kernels.activation_f32(ACTIVATION[name], 127, ptr.x!, ptr[name]!);
    });
    const same = Object.fromEntries(names.map((name) => [name, x]));
    const inPlace = conform("in place", same, (kernels, ptr) => {
      for (const name of names) kernels.activation_f32(ACTIVATION[name], 127, ptr[name]!, ptr[name]!);
    });
    for (const name of names) expectSameBits(inPlace.operands[name]!, apart.operands[name]!, name);
  });

  it("relu keeps NaN and −0", () => {
    const x = Float32Array.of(Number.NaN, -0, -1, 3, Number.NaN, -0, Number.NEGATIVE_INFINITY, -1, Number.NaN, -0);
    const { operands } = conform("relu", { x }, (kernels, ptr) => {
      kernels.activation_f32(ACTIVATION.relu, x.length, ptr.x!, ptr.x!);
    });
    expect(Array.from(operands.x!)).toEqual([Number.NaN, -0, 0, 3, Number.NaN, -0, 0, 0, Number.NaN, -0]);
  });
});

describeConformance("activation_backward_f32", () => {
  it.each(SIZES)("count %i", (count) => {
    const y = randomValues(count, count + 2);
    const share = y.map(Math.abs); // what sigmoid can give
    const dy = values(count, count + 3);
    const { operands } = conform("backward", { y, share, dy, ...outputs(count) }, (kernels, ptr) => {
      for (const name of names) {
        const from = name === "sigmoid" ? ptr.share! : ptr.y!;
        kernels.activation_backward_f32(ACTIVATION[name], count, from, ptr.dy!, ptr[name]!);
      }
    });
    expectSameBits(operands.y!, y, "y is only read");
    expectSameBits(operands.dy!, dy, "dy is only read");
    for (const name of names) {
      // Three roundings of numbers up to 1, and two of subnormal ones.
      const relative = name === "identity" || name === "relu" ? 0 : 3 * U;
      for (let i = 0; i < count; i++) {
        const yi = name === "sigmoid" ? share[i]! : y[i]!;
        const expected = name === "relu" && !(yi > 0) ? 0 : dy[i]! * DERIVATIVE[name](yi);
        const dx = operands[name]![i]!;
        const bound = relative === 0 || !Number.isFinite(expected) ? 0 : relative * Math.abs(dy[i]!) + 2 ** -148;
        const close = Object.is(dx, expected) || Math.abs(dx - expected) <= bound;
        expect(close, `${name}: y = ${yi}, dy = ${dy[i]}: ${dx}, not ${expected}`).toBe(true);
      }
    }
  });

  it("relu passes dy where y > 0 alone", () => {
    const y = Float32Array.of(
      0,
      -0,
      Number.NaN,
      2 ** -149,
      -1,
      1,
      Number.POSITIVE_INFINITY,
      -(2 ** -149),
      0,
      Number.NaN,
      1,
    );
    const dx = new Float32Array(y.length).fill(5);
    const { operands } = conform("relu", { y, dx }, (kernels, ptr) => {
      kernels.activation_backward_f32(ACTIVATION.relu, y.length, ptr.y!, ptr.dx!, ptr.dx!);
    });
    expect(Array.from(operands.dx!)).toEqual([0, 0, 0, 5, 0, 5, 5, 0, 0, 0, 5]);
  });

  it("takes special outputs, and writes over dy or y", () => {
    const y = values(1021, 5);
    const dy = values(1021, 9);
    const apart = conform("apart", { y, dy, ...outputs(1021) }, (kernels, ptr) => {
      for (const name of names) kernels.activation_backward_f32(ACTIVATION[name], 1021, ptr.y!, ptr.dy!, ptr[name]!);
    });
    const overDy = Object.fromEntries(names.map((name) => [name, dy]));
    const overY = Object.fromEntries(names.map((name) => [name, y]));
    const first = conform("over dy", { y, ...overDy }, (kernels, ptr) => {
      for (const name of names) kernels.activation_backward_f32(ACTIVATION[name], 1021, ptr.y!, ptr[name]!, ptr[name]!);
    });
    const second = conform("over y", { dy, ...overY }, (kernels, ptr) => {
      for (const name of names)
        kernels.activation_backward_f32(ACTIVATION[name], 1021, ptr[name]!, ptr.dy!, ptr[name]!);
    });
    for (const name of names) {
      expectSameBits(first.operands[name]!, apart.operands[name]!, `${name} over dy`);
      expectSameBits(second.operands[name]!, apart.operands[name]!, `${name} over y`);
    }
  });
});
