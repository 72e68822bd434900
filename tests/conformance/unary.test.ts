import { expect, it } from "vitest";
import { UNARY, type UnaryActivation } from "../../src/backend/unary.js";
import { REFERENCES } from "../helpers/activations.js";
import { expectSameBits, ulpDistance } from "../helpers/bits.js";
import { conform, describeConformance } from "../helpers/conformance.js";
import { randomSource, randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 127];
const names = Object.keys(UNARY) as UnaryActivation[];

/** Places where a formula changes, or where a derivative is 0. */
const PLACES = [3, 2.5, 0.75179, 0.7824, 1.2784, 1.1924, 1.5, 0.72054, 0.78304, 15, 14.5, 40, 104, 150, 88.7, 1e-30];

/** Any bit pattern, every magnitude that matters, and the neighbors of the places above. */
function inputs(): Float32Array {
  const next = randomSource(1);
  const patterns = new Float32Array(Uint32Array.from({ length: 20_000 }, () => next() * 2 ** 32).buffer);
  const around = new Int32Array(Float32Array.from([...PLACES, ...PLACES.map((place) => -place)]).buffer);
  const neighbors = Array.from(around, (bits) => Array.from({ length: 401 }, (_, step) => bits + step - 200)).flat();
  return Float32Array.of(
    ...SPECIAL_VALUES,
    ...new Float32Array(Int32Array.from(neighbors).buffer),
    ...patterns,
    ...randomValues(20_000, 2, 110),
    ...randomValues(20_000, 3, 10),
    ...randomValues(20_000, 4, 1.5),
    ...randomValues(5_000, 5, 0.01),
  );
}

/** The worst error in ulp, and where it is. */
function worstError(x: Float32Array, y: ArrayLike<number>, reference: (x: number) => number) {
  let worst = 0;
  let where = 0;
  for (let i = 0; i < x.length; i++) {
    const error = ulpDistance(y[i]!, reference(x[i]!));
    if (error > worst) [worst, where] = [error, x[i]!];
  }
  return { worst, where };
}

for (const name of names) {
  const kind = UNARY[name];
  const { alpha, value, slope, ulp } = REFERENCES[name];

  describeConformance(`unary_f32, ${name}`, () => {
    it("is as exact as it promises, forward and backward, and the same in the remainder", () => {
      const x = inputs();
      const ones = new Float32Array(x.length).fill(1);
      const nothing = new Float32Array(x.length);
      const operands = { x, ones, y: nothing, dx: nothing, remainders: nothing, remainderSlopes: nothing };
      const { operands: after } = conform(name, operands, (kernels, ptr) => {
        kernels.unary_f32(kind, x.length, alpha, ptr.x!, ptr.y!);
        kernels.unary_backward_f32(kind, x.length, alpha, ptr.x!, ptr.ones!, ptr.dx!);
        for (let i = 0; i < x.length; i += 3) {
          const count = Math.min(3, x.length - i);
          kernels.unary_f32(kind, count, alpha, ptr.x! + 4 * i, ptr.remainders! + 4 * i);
          kernels.unary_backward_f32(
            kind,
            count,
            alpha,
            ptr.x! + 4 * i,
            ptr.ones! + 4 * i,
            ptr.remainderSlopes! + 4 * i,
          );
        }
      });
      expectSameBits(after.x!, x, "x is only read");
      expectSameBits(after.remainders!, after.y!, "the remainder");
      expectSameBits(after.remainderSlopes!, after.dx!, "the remainder, backward");
      const forward = worstError(x, after.y!, value);
      const noNaN = x.filter((element) => !Number.isNaN(element));
      const slopes = after.dx!.filter((_: number, i: number) => !Number.isNaN(x[i]!)) as Float32Array;
      const backward = worstError(noNaN, slopes, slope);
      console.info(
        `${name}: ${forward.worst.toFixed(4)} near ${forward.where}, derivative ${backward.worst.toFixed(4)} near ${backward.where}`,
      );
      expect(forward.worst).toBeLessThanOrEqual(ulp.value);
      expect(backward.worst).toBeLessThanOrEqual(ulp.slope);
    });

    it.each(SIZES)("count %i, in place and with any dy", (count) => {
      const x = randomValues(count, count, 5);
      const dy = randomValues(count, count + 1, 5);
      if (count > SPECIAL_VALUES.length) dy.set(SPECIAL_VALUES);
      const y = new Float32Array(count).fill(7);
      const { operands } = conform(name, { x, dy, y, dx: y, overX: x, overDy: dy }, (kernels, ptr) => {
        kernels.unary_f32(kind, count, alpha, ptr.x!, ptr.y!);
        kernels.unary_backward_f32(kind, count, alpha, ptr.x!, ptr.dy!, ptr.dx!);
        kernels.unary_f32(kind, count, alpha, ptr.overX!, ptr.overX!);
        kernels.unary_backward_f32(kind, count, alpha, ptr.x!, ptr.overDy!, ptr.overDy!);
      });
      expectSameBits(operands.overX!, operands.y!, "y over x");
      expectSameBits(operands.overDy!, operands.dx!, "dx over dy");
      for (let i = 0; i < count; i++) {
        const exact = slope(x[i]!) * dy[i]!;
        expect(ulpDistance(operands.dx![i]!, exact), `dx[${i}]`).toBeLessThanOrEqual(ulp.slope + 1);
      }
    });
  });
}

describeConformance("unary_f32, other parameters", () => {
  it("leakyRelu, elu and hardSigmoid take alpha", () => {
    const x = Float32Array.of(-4, -1, -0, 0, 1, 2, 4, -2.5, 2.5);
    const run = (name: UnaryActivation, alpha: number) =>
      conform(name, { x, y: new Float32Array(9) }, (kernels, ptr) =>
        kernels.unary_f32(UNARY[name], 9, alpha, ptr.x!, ptr.y!),
      ).operands.y!;
    expectSameBits(run("leakyRelu", 0.25), [-1, -0.25, -0, 0, 1, 2, 4, -0.625, 2.5], "leakyRelu");
    const half = x.map((value) => (value < 0 ? 0.5 * Math.expm1(value) : value));
    const elu = run("elu", 0.5);
    for (let i = 0; i < 9; i++) expect(ulpDistance(elu[i]!, half[i]!)).toBeLessThanOrEqual(0.6);
    // TensorFlow.js: clip(0.2·x + 0.5, 0, 1)
    expectSameBits(run("hardSigmoid", 2.5), [0, 0.3, 0.5, 0.5, 0.7, 0.9, 1, 0, 1].map(Math.fround), "hardSigmoid");
  });
});

describeConformance("prelu_f32", () => {
  it.each([0, 1, 3, 4, 5, 7, 8, 9, 16, 33])("%i columns", (columns) => {
    const rows = 7;
    const x = randomValues(rows * columns, columns + 1, 3);
    if (columns > 3) x.set([0, -0, Number.NaN, Number.NEGATIVE_INFINITY]);
    const alpha = randomValues(columns, 2);
    const dy = randomValues(rows * columns, 3);
    const nothing = new Float32Array(rows * columns);
    const operands = { x, alpha, dy, y: nothing, dx: nothing, dalpha: new Float32Array(columns).fill(7) };
    const { operands: after } = conform("prelu", operands, (kernels, ptr) => {
      kernels.prelu_f32(rows, columns, ptr.x!, ptr.alpha!, ptr.y!);
      kernels.prelu_backward_f32(rows, columns, columns, ptr.x!, ptr.alpha!, ptr.dy!, ptr.dx!, ptr.dalpha!);
    });
    const f = Math.fround;
    expectSameBits(
      after.y!,
      x.map((value, i) => (value > 0 ? value : f(alpha[i % columns]! * value))),
      "y",
    );
    expectSameBits(
      after.dx!,
      dy.map((slope, i) => (x[i]! > 0 ? slope : f(alpha[i % columns]! * slope))),
      "dx",
    );
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let i = j; i < x.length; i += columns) if (!(x[i]! > 0)) sum += x[i]! * dy[i]!;
      expect(after.dalpha![j]).toBe(f(sum));
    }
  });
});
