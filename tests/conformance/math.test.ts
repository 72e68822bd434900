import { expect, it } from "vitest";
import { ACTIVATION } from "../../src/backend/backend.js";
import { log1p } from "../../src/backend/js/math.js";
import { expectSameBits, ulpDistance } from "../helpers/bits.js";
import { type AllKernels, conform, describeConformance } from "../helpers/conformance.js";
import { randomSource, randomValues, SPECIAL_VALUES } from "../helpers/random.js";

type Unary = (kernels: AllKernels, count: number, xPtr: number, yPtr: number) => void;

/** Each function: its kernel, its float64 reference, and exact values: pairs of x and y. */
const FUNCTIONS: Record<string, { kernel: Unary; reference: (x: number) => number; exact: [number, number][] }> = {
  exp: {
    kernel: (kernels, count, x, y) => kernels.exp_f32(count, x, y),
    reference: Math.exp,
    exact: [
      [0, 1],
      [-0, 1],
      [2 ** -149, 1],
      [Number.NEGATIVE_INFINITY, 0],
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
      [89, Number.POSITIVE_INFINITY],
      [-104, 0],
      [-103.97, 2 ** -149],
    ],
  },
  log: {
    kernel: (kernels, count, x, y) => kernels.log_f32(count, x, y),
    reference: Math.log,
    exact: [
      [1, 0],
      [0, Number.NEGATIVE_INFINITY],
      [-0, Number.NEGATIVE_INFINITY],
      [-(2 ** -149), Number.NaN],
      [-1, Number.NaN],
      [Number.NEGATIVE_INFINITY, Number.NaN],
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
      [2 ** -149, Math.fround(-149 * Math.LN2)],
    ],
  },
  tanh: {
    kernel: (kernels, count, x, y) => kernels.activation_f32(ACTIVATION.tanh, count, x, y),
    reference: Math.tanh,
    exact: [
      [0, 0],
      [-0, -0],
      [2 ** -149, 2 ** -149],
      [-(2 ** -149), -(2 ** -149)],
      [Number.POSITIVE_INFINITY, 1],
      [Number.NEGATIVE_INFINITY, -1],
      [3e38, 1],
      [-20, -1],
    ],
  },
  sigmoid: {
    kernel: (kernels, count, x, y) => kernels.activation_f32(ACTIVATION.sigmoid, count, x, y),
    reference: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
    exact: [
      [0, 0.5],
      [-0, 0.5],
      [Number.POSITIVE_INFINITY, 1],
      [Number.NEGATIVE_INFINITY, 0],
      [40, 1],
      [-104, 0],
      [-103.97, 2 ** -149],
    ],
  },
};

/** Any bit pattern, every magnitude that matters, and the neighbors of the places where a formula changes. */
function inputs(): Float32Array {
  const next = randomSource(1);
  const patterns = new Float32Array(Uint32Array.from({ length: 30_000 }, () => next() * 2 ** 32).buffer);
  const places = [
    0.5625,
    Math.SQRT1_2,
    Math.SQRT2,
    Math.LN2 / 2,
    1,
    2,
    10,
    17,
    30,
    88.72284,
    -87.33655,
    -104,
    2 ** -126,
  ];
  const around = new Int32Array(Float32Array.from(places).buffer);
  const neighbors = Array.from(around, (bits) => [-3, -2, -1, 0, 1, 2, 3].map((step) => bits + step)).flat();
  return Float32Array.of(
    ...SPECIAL_VALUES,
    ...new Float32Array(Int32Array.from(neighbors).buffer),
    ...patterns,
    ...randomValues(20_000, 2, 105),
    ...randomValues(20_000, 3, 10),
    ...randomValues(20_000, 4, 1.5),
    ...randomValues(5_000, 5, 0.01),
    ...randomValues(5_000, 6, 1).map((value) => value - 17), // where sigmoid's 2ⁿ + 1 is no longer exact
  );
}

describeConformance("exp, log, tanh, sigmoid", () => {
  for (const [name, { kernel, reference, exact }] of Object.entries(FUNCTIONS)) {
    it(`${name} is within 2 ulp, and the same in the vectors and in the remainder`, () => {
      const x = inputs();
      const operands = { x, y: new Float32Array(x.length), remainders: new Float32Array(x.length) };
      const outcome = conform(name, operands, (kernels, ptr) => {
        kernel(kernels, x.length, ptr.x!, ptr.y!);
        for (let i = 0; i < x.length; i += 3) {
          kernel(kernels, Math.min(3, x.length - i), ptr.x! + 4 * i, ptr.remainders! + 4 * i);
        }
      });
      const { y, remainders } = outcome.operands;
      expectSameBits(remainders!, y!, "the remainder");
      let worst = 0;
      for (let i = 0; i < x.length; i++) worst = Math.max(worst, ulpDistance(y![i]!, reference(x[i]!)));
      expect(worst).toBeLessThanOrEqual(2);
      expect(worst, "a reference that is compared with itself").toBeGreaterThan(0.5);
    });

    it(`${name} has its exact values, in the vectors and in the remainder`, () => {
      const x = Float32Array.from([...exact, ...exact, [Number.NaN, Number.NaN]], (pair) => pair[0]!);
      for (const count of [exact.length, 2 * exact.length + 1]) {
        const { operands } = conform(name, { x: x.slice(0, count), y: new Float32Array(count) }, (kernels, ptr) =>
          kernel(kernels, count, ptr.x!, ptr.y!),
        );
        for (let i = 0; i < count; i++) {
          const y = i < 2 * exact.length ? exact[i % exact.length]![1] : Number.NaN;
          expect(operands.y![i], `${name}(${Object.is(x[i], -0) ? "-0" : x[i]})`).toBe(y);
        }
      }
    });
  }

  it("log1p of [0, 1] is within 2 ulp", () => {
    let worst = 0;
    for (const e of randomValues(100_000, 6))
      worst = Math.max(worst, ulpDistance(log1p(Math.abs(e)), Math.log1p(Math.abs(e))));
    for (let e = 1; e > 0; e /= 2) worst = Math.max(worst, ulpDistance(log1p(e), Math.log1p(e)));
    expect(worst).toBeLessThanOrEqual(2);
  });
});
