import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DisposedError, matmul, OptionError, OutOfMemoryError, ShapeError, type Tensor } from "../../src/index.js";
import { expectSameBits } from "../helpers/bits.js";
import { backends, expectUnchanged, makeCore } from "../helpers/cores.js";
import { randomValues } from "../helpers/random.js";

describe.each(backends)("matmul on %s", (backend) => {
  it("multiplies matrices", () => {
    const core = makeCore(backend);
    const a = core.tensor([2, 3], [1, 2, 3, 4, 5, 6]);
    const b = core.tensor([3, 2], [1, 0, 0, 1, 1, 1]);
    expect(matmul(a, b).toArray()).toEqual([
      [4, 5],
      [10, 11],
    ]);
    expect(matmul(a, a, { transposeB: true }).toArray()).toEqual([
      [14, 32],
      [32, 77],
    ]);
    expect(matmul(a, a, { transposeA: true }).toArray()).toEqual([
      [17, 22, 27],
      [22, 29, 36],
      [27, 36, 45],
    ]);
    expect(matmul(b, a, { transposeA: true, transposeB: true }).shape).toEqual([2, 2]);
  });

  it("follows NumPy for vectors", () => {
    const core = makeCore(backend);
    const v = core.tensor([3], [1, 2, 3]);
    const m = core.tensor([3, 2], [1, 2, 3, 4, 5, 6]);
    const t = core.tensor([2, 3], [1, 2, 3, 4, 5, 6]);
    expect(matmul(v, v).toArray()).toBe(14);
    expect(matmul(v, v).shape).toEqual([]);
    expect(matmul(v, m).toArray()).toEqual([22, 28]);
    expect(matmul(t, v).toArray()).toEqual([14, 32]);
    const batch = core.tensor([2, 3, 2], [1, 2, 3, 4, 5, 6, 0, 1, 0, 1, 0, 1]);
    expect(matmul(v, batch).toArray()).toEqual([
      [22, 28],
      [0, 6],
    ]);
    expect(matmul(core.tensor([2, 1, 3], [1, 0, 0, 0, 1, 0]), v).toArray()).toEqual([[1], [2]]);
  });

  it("takes a packed operand wherever b goes", () => {
    const core = makeCore(backend);
    const tensor = (shape: number[], seed: number) =>
      core.tensor(
        shape,
        randomValues(
          shape.reduce((x, y) => x * y, 1),
          seed,
        ),
      );
    for (const [a, b, transposeB] of [
      [tensor([3, 40], 1), tensor([40, 37], 2), false],
      [tensor([3, 40], 1), tensor([37, 40], 2), true],
      [tensor([40], 1), tensor([40, 37], 2), false],
      [tensor([40], 1), tensor([40], 2), true],
      [tensor([5, 40], 1), tensor([40], 2), false],
      [tensor([2, 3, 40], 1), tensor([40, 5], 2), false],
      [tensor([2, 3, 40], 1), tensor([2, 37, 40], 2), true],
      [tensor([3, 40], 1), tensor([2, 40, 37], 2), false],
      [tensor([0, 40], 1), tensor([40, 3], 2), false],
      [tensor([2, 0], 1), tensor([0, 3], 2), false],
      [tensor([2, 3], 1), tensor([3, 0], 2), false],
    ] as const) {
      const plain = matmul(a, b, { transposeB });
      const packed = core.pack(b, { transposeB });
      const product = matmul(a, packed);
      expect(product.shape).toEqual(plain.shape);
      expectSameBits(product.data, plain.data, `[${a.shape}] times [${b.shape}]`);
      const flip = transposeB && b.shape.length > 1;
      expect(packed.shape).toEqual(flip ? [...b.shape.slice(0, -2), b.shape.at(-1), b.shape.at(-2)] : b.shape);
      packed.dispose();
    }
  });

  it("packs a copy, which is freed by dispose", () => {
    const core = makeCore(backend);
    const a = core.tensor([1, 2], [1, 2]);
    const b = core.tensor([2, 2], [1, 2, 3, 4]);
    matmul(a, b).dispose(); // scratch
    const { bytesInUse } = core.memory;
    const packed = core.pack(b);
    expect(packed.core).toBe(core);
    b.set([0, 0, 0, 0]);
    matmul(
      a,
      core.scope(() => packed),
    ).dispose();
    expect(matmul(a, packed).toArray()).toEqual([[7, 10]]);
    packed.dispose();
    packed.dispose();
    expect(core.memory.bytesInUse).toBeLessThanOrEqual(bytesInUse + 64);
    expect(() => matmul(a, packed)).toThrow(DisposedError);
    expect(() => matmul(a, packed)).toThrow("b, a packed operand of shape [2,2], was used after dispose()");
  });

  it("checks what it packs", () => {
    const core = makeCore(backend);
    const other = makeCore(backend);
    const a = core.tensor([1, 2]);
    const b = core.tensor([2, 2]);
    const gone = core.tensor([2, 2]);
    gone.dispose();
    const packed = core.pack(b);
    const scalar = core.tensor([]);
    const long = core.tensor([1, 3]);
    const elsewhere = other.tensor([2, 2]);
    const packedElsewhere = other.pack(elsewhere);
    expectUnchanged(core, () => core.pack([1, 2] as never), OptionError, /^b is Array\(2\), expected a Tensor$/);
    expectUnchanged(core, () => core.pack(packed as never), OptionError, /^b is PackedTensor, expected a Tensor$/);
    expectUnchanged(core, () => core.pack(gone), DisposedError, /^b of shape \[2,2\] was used after/);
    expectUnchanged(core, () => core.pack(elsewhere), OptionError, /^b belongs to another core$/);
    expectUnchanged(core, () => core.pack(scalar), ShapeError, /^b has shape \[\], expected rank 1, 2 or 3$/);
    expectUnchanged(core, () => core.pack(b, { transpose: true } as never), OptionError, /^options.transpose is not/);
    expectUnchanged(core, () => core.pack(b, { transposeB: 1 as never }), OptionError, /^transposeB is 1, expected/);
    expectUnchanged(core, () => matmul(a, packedElsewhere), OptionError, /^b belongs to another core/);
    expectUnchanged(
      core,
      () => matmul(a, packed, { transposeB: true }),
      OptionError,
      /^transposeB is true, but b is p/,
    );
    expectUnchanged(core, () => matmul(long, packed), ShapeError, /^inner dimensions differ: a \[1,3\]/);
    expectUnchanged(core, () => matmul(packed as never, b), OptionError, /^a is PackedTensor, expected a Tensor$/);
    core.dispose();
    expect(() => core.pack(b)).toThrow(DisposedError);
    packed.dispose();
  });

  it("repeats a single matrix over a batch, on either side", () => {
    const core = makeCore(backend);
    const random = (shape: number[], seed: number) =>
      core.tensor(
        shape,
        randomValues(
          shape.reduce((x, y) => x * y, 1),
          seed,
        ),
      );
    const slice = (t: Tensor, q: number) => {
      const [, rows, columns] = t.shape as [number, number, number];
      return core.tensor([rows, columns], t.data.slice(q * rows * columns, (q + 1) * rows * columns));
    };
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        const aShape = transposeA ? [4, 5] : [5, 4];
        const bShape = transposeB ? [9, 4] : [4, 9];
        const batches = [
          [random([3, ...aShape], 1), random([3, ...bShape], 2)],
          [random([3, ...aShape], 3), random(bShape, 4)],
          [random(aShape, 5), random([3, ...bShape], 6)],
          [random([1, ...aShape], 7), random([3, ...bShape], 8)],
        ];
        for (const [a, b] of batches as [Tensor, Tensor][]) {
          const whole = matmul(a, b, { transposeA, transposeB });
          expect(whole.shape).toEqual([3, 5, 9]);
          for (let q = 0; q < 3; q++) {
            const left = a.shape.length === 3 ? slice(a, a.shape[0] === 1 ? 0 : q) : a;
            const right = b.shape.length === 3 ? slice(b, q) : b;
            const part = matmul(left, right, { transposeA, transposeB });
            expectSameBits(whole.data.slice(q * 45, (q + 1) * 45), part.data, `batch ${q}`);
          }
        }
      }
    }
  });

  it("writes into out, scales, accumulates, adds a bias and activates", () => {
    const core = makeCore(backend);
    const a = core.tensor([2, 2], [1, 2, 3, 4]);
    const b = core.tensor([2, 2], [1, 0, 0, -1]);
    const out = core.tensor([2, 2], [Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    expect(matmul(a, b, { out })).toBe(out);
    expect(out.toArray()).toEqual([
      [1, -2],
      [3, -4],
    ]);
    matmul(a, b, { out, alpha: 2, beta: 10, bias: core.tensor([2], [0.5, 1]) });
    expect(out.toArray()).toEqual([
      [12.5, -23],
      [36.5, -47],
    ]);
    matmul(a, b, { out, activation: "relu" });
    expect(out.toArray()).toEqual([
      [1, 0],
      [3, 0],
    ]);
    matmul(a, b, { out, activation: "tanh" });
    expect(out.data[0]).toBeCloseTo(Math.tanh(1), 6);
    matmul(a, b, { out, activation: "sigmoid" });
    expect(out.data[1]).toBeCloseTo(1 / (1 + Math.exp(2)), 6);
  });

  it("takes empty operands", () => {
    const core = makeCore(backend);
    expect(matmul(core.tensor([0, 3]), core.tensor([3, 2])).shape).toEqual([0, 2]);
    expect(matmul(core.tensor([2, 3]), core.tensor([3, 0])).toArray()).toEqual([[], []]);
    expect(matmul(core.tensor([2, 0]), core.tensor([0, 2])).toArray()).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(matmul(core.tensor([0, 2, 3]), core.tensor([3, 2])).shape).toEqual([0, 2, 2]);
    const bias = core.tensor([2], [1, 2]);
    expect(matmul(core.tensor([1, 0]), core.tensor([0, 2]), { bias }).toArray()).toEqual([[1, 2]]);
  });

  it("distributes over exact sums", () => {
    const core = makeCore(backend);
    const small = fc.integer({ min: -64, max: 64 });
    const dimension = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(fc.tuple(dimension, dimension, dimension), fc.infiniteStream(small), ([m, n, k], stream) => {
        const next = () => stream.next().value as number;
        const a = core.tensor([m, k], next);
        const b = core.tensor([k, n], next);
        const c = core.tensor([k, n], next);
        const both = core.tensor([k, n], (i) => b.data[i]! + c.data[i]!);
        const sum = matmul(a, b);
        matmul(a, c, { out: sum, beta: 1 });
        expect(matmul(a, both).toArray()).toEqual(sum.toArray());
        for (const tensor of [a, b, c, both, sum]) tensor.dispose();
      }),
      { numRuns: 50 },
    );
  });

  it("says which argument is wrong, and writes nothing", () => {
    const core = makeCore(backend);
    const a = core.tensor([2, 3], () => 1);
    const b = core.tensor([3, 4], () => 1);
    const out = core.tensor([2, 4], () => 9);
    const gone = core.tensor([3, 4]);
    gone.dispose();
    const foreign = makeCore(backend).tensor([3, 4]);
    const shape = (action: () => unknown, text: RegExp) => expectUnchanged(core, action, ShapeError, text);
    const option = (action: () => unknown, text: RegExp) => expectUnchanged(core, action, OptionError, text);
    shape(() => matmul(a, a), /inner dimensions differ: a \[2,3\] and b \[2,3\]/);
    shape(() => matmul(a, b, { transposeA: true }), /a \[2,3\] transposed and b \[3,4\]/);
    const scalar = core.tensor([]);
    shape(() => matmul(scalar, b), /a has shape \[\], expected rank 1, 2 or 3/);
    shape(() => matmul(a, b, { out: b }), /out has shape \[3,4\], expected \[2,4\]/);
    shape(() => matmul(a, b, { out, bias: a }), /bias has shape \[2,3\], expected \[4\]/);
    option(() => matmul(a, b, { out: 3 as never }), /out is 3, expected a Tensor/);
    option(() => matmul([1] as never, b), /a is Array\(1\), expected a Tensor/);
    option(() => matmul(a, foreign), /b belongs to another core/);
    option(() => matmul(a, b, { beta: 1 }), /beta is 1, but there is no out/);
    option(() => matmul(a, b, { out, alpha: Number.NaN }), /alpha is NaN/);
    option(() => matmul(a, b, { out, activation: "gelu" as never }), /activation is "gelu"/);
    option(() => matmul(a, b, { out, transposeA: 1 as never }), /transposeA is 1/);
    option(() => matmul(a, b, { output: out } as never), /options\.output is not an option/);
    expectUnchanged(core, () => matmul(a, gone), DisposedError, /b of shape \[3,4\] was used after dispose/);
    const square = core.tensor([3, 3]);
    option(() => matmul(square, square, { out: square }), /out is the same tensor as a/);
    const batches = [core.tensor([2, 2, 2]), core.tensor([3, 2, 2])] as const;
    shape(() => matmul(...batches), /batches differ: a \[2,2,2\] and b \[3,2,2\]/);
  });

  it("leaves everything as it was when memory runs out", () => {
    const core = makeCore(backend, { memory: { maximumBytes: 2 ** 20 } });
    const a = core.tensor([100_000, 1], () => 1);
    const b = core.tensor([1, 10], () => 1);
    expectUnchanged(core, () => matmul(a, b), OutOfMemoryError, /cannot grow/);
    expect(a.data.every((x) => x === 1)).toBe(true);
  });

  it("allocates nothing into out", () => {
    const core = makeCore(backend);
    const a = core.tensor([16, 16], () => 1);
    const out = core.tensor([16, 16]);
    const options = { out, transposeB: true };
    matmul(a, a, options);
    const { bytesInUse } = core.memory;
    for (let i = 0; i < 100; i++) matmul(a, a, options);
    expect(core.memory.bytesInUse).toBe(bytesInUse);
  });
});
