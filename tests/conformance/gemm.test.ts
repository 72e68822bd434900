import { setFlagsFromString } from "node:v8";
import { expect, it } from "vitest";
import { PACKED } from "../../src/abi/packed.js";
import { ACTIVATION } from "../../src/backend/backend.js";
import type { CoreKernels } from "../../src/backend/families/core.js";
import { probeFeatures } from "../../src/backend/probe.js";
import { expectSameBits } from "../helpers/bits.js";
import {
  conform,
  describeConformance,
  type KernelCall,
  type Operands,
  relaxedNames,
  runKernel,
} from "../helpers/conformance.js";
import { randomValues, smallIntegers, specialValues } from "../helpers/random.js";

// Node 20 has relaxed SIMD behind a flag.
if (!probeFeatures().relaxedSimd) setFlagsFromString("--experimental-wasm-relaxed-simd");

interface Case {
  m: number;
  n: number;
  k: number;
  batch?: number;
  alpha?: number;
  beta?: number;
  transposeA?: boolean;
  transposeB?: boolean;
  /** Whether B is packed before the product. */
  packed?: boolean;
  bias?: boolean;
  activation?: keyof typeof ACTIVATION;
  /** Elements between the end of a row and the start of the next. */
  gap?: number;
  fill?: (length: number, seed: number) => Float32Array;
}

/** The operands of a case, and the call that takes them. */
function prepare(c: Case) {
  const { m, n, k, batch = 1, alpha = 1, beta = 0, transposeA = false, transposeB = false, gap = 0 } = c;
  const fill = c.fill ?? randomValues;
  const [aRows, aColumns] = transposeA ? [k, m] : [m, k];
  const [bRows, bColumns] = transposeB ? [n, k] : [k, n];
  const [lda, ldb, ldc] = [aColumns + gap, bColumns + gap, n + gap];
  const packedElements = k * (n <= 4 ? 4 : 16 * Math.ceil(n / 16));
  const before: Operands = {
    a: fill(batch * aRows * lda, 1),
    b: fill(batch * bRows * ldb, 2),
    c: fill(batch * m * ldc, 3),
    bias: fill(n, 4),
  };
  const call: KernelCall = (kernels, ptr) => {
    const [a, b] = [ptr["a"]!, ptr["b"]!];
    const bias = c.bias ? ptr["bias"]! : 0;
    const activation = ACTIVATION[c.activation ?? "identity"];
    if (c.packed) {
      const scratch = ptr["scratch"]! + packedElements * batch * 4;
      for (let q = 0; q < batch; q++) {
        kernels.pack_f32(n, k, b + q * bRows * ldb * 4, ldb, +transposeB, ptr["scratch"]! + q * packedElements * 4);
      }
      // biome-ignore format: operand by operand
      kernels.gemm_f32(
        batch, m, n, k, alpha, a, aRows * lda, lda, +transposeA, ptr["scratch"]!, packedElements, k, PACKED,
        beta, ptr["c"]!, m * ldc, ldc, bias, activation, scratch,
      );
      return;
    }
    // biome-ignore format: operand by operand
    kernels.gemm_f32(
      batch, m, n, k, alpha, a, aRows * lda, lda, +transposeA, b, bRows * ldb, ldb, +transposeB,
      beta, ptr["c"]!, m * ldc, ldc, bias, activation, ptr["scratch"]!,
    );
  };
  const scratchBytes = ({ gemm_scratch_bytes }: Pick<CoreKernels, "gemm_scratch_bytes">) =>
    gemm_scratch_bytes(m, n, k, +transposeA, +transposeB, beta) + (c.packed ? packedElements * batch * 4 : 0);
  return { before, call, scratchBytes };
}

/** Runs a case on every backend and returns what went in and what came out. */
function run(c: Case): { before: Operands; after: Operands } {
  const { before, call, scratchBytes } = prepare(c);
  return { before, after: conform(JSON.stringify(c), before, call, scratchBytes).operands };
}

/** Runs a case with B as it is and with B packed; both give the same bits. */
function runPacked(c: Case): void {
  const plain = run(c).after;
  const packed = run({ ...c, packed: true }).after;
  expectSameBits(packed["c"]!, plain["c"]!, `${JSON.stringify(c)}, packed`);
}

/** The product in float64, with the sum of |a·b| that bounds its float32 error. */
function reference(c: Case, { a, b }: Operands): (q: number, i: number, j: number) => { sum: number; bound: number } {
  const { m, n, k, transposeA = false, transposeB = false, gap = 0 } = c;
  const [aRows, lda] = transposeA ? [k, m + gap] : [m, k + gap];
  const [bRows, ldb] = transposeB ? [n, k + gap] : [k, n + gap];
  return (q, i, j) => {
    let sum = 0;
    let magnitude = 0;
    for (let p = 0; p < k; p++) {
      const x = a![q * aRows * lda + (transposeA ? p * lda + i : i * lda + p)]!;
      const y = b![q * bRows * ldb + (transposeB ? j * ldb + p : p * ldb + j)]!;
      sum += x * y;
      magnitude += Math.abs(x * y);
    }
    const unit = (k + 4) * 2 ** -24;
    return { sum, bound: (unit / (1 - unit)) * magnitude };
  };
}

/** Fails unless each element of a case's result is within the bound of its float64 product. */
function expectWithinBound(c: Case, before: Operands, actual: Operands[string]): void {
  const { m, n, batch = 1 } = c;
  const exact = reference(c, before);
  for (let q = 0; q < batch; q++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const { sum, bound } = exact(q, i, j);
        const found = actual[(q * m + i) * n + j]!;
        if (Math.abs(found - sum) <= bound) continue;
        expect.fail(`${JSON.stringify(c)}: [${q}, ${i}, ${j}] is ${found}, expected ${sum} ± ${bound}`);
      }
    }
  }
}

const transposes = [
  { transposeA: false, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: false },
  { transposeA: true, transposeB: true },
];

describeConformance("gemm_f32", () => {
  const sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 17];
  it.each(transposes)("gives the same bits for every small shape: %o", (transpose) => {
    for (const m of sizes) for (const n of sizes) for (const k of [0, 1, 2, 5, 8]) run({ m, n, k, ...transpose });
  });

  it.each(transposes)("gives the same bits across blocks and tiles: %o", (transpose) => {
    const shapes = [
      [95, 33, 511],
      [97, 65, 513],
      [100, 1030, 3],
      [3, 129, 1030],
      [193, 67, 31],
      [66, 130, 66],
      [257, 129, 511],
      [1, 300, 200],
      [1, 63, 47],
      [300, 1, 200],
      [2, 40, 90],
      [40, 3, 90],
      [43, 2, 515],
      [7, 301, 1],
      [31, 47, 64],
    ];
    for (const [m, n, k] of shapes) run({ m: m!, n: n!, k: k!, ...transpose });
  });

  it.each(transposes)("scales, accumulates, adds a bias and applies an activation: %o", (transpose) => {
    for (const activation of ["identity", "relu", "tanh", "sigmoid"] as const) {
      for (const [alpha, beta] of [
        [1, 0],
        [-0.75, 1],
        [2, 0.3],
        [0, 1],
      ]) {
        for (const bias of [false, true]) {
          for (const [m, n, k] of [
            [5, 11, 9],
            [9, 20, 600],
            [100, 1027, 5],
            [98, 9, 1030],
            [4, 3, 0],
            [1, 37, 21],
            [37, 1, 21],
            [1, 1030, 3],
            [1, 5, 40],
            [3, 1, 40],
            [13, 3, 21],
            [18, 2, 520],
            [4, 259, 1],
          ]) {
            run({ m: m!, n: n!, k: k!, alpha: alpha!, beta: beta!, bias, activation, ...transpose });
          }
        }
      }
    }
  });

  // Wide enough and deep enough for every binary to pack both operands, and for sums to wait between two blocks.
  it.each(transposes)("does so in packed tiles, across blocks: %o", (transpose) => {
    for (const activation of ["identity", "relu", "tanh"] as const) {
      for (const [alpha, beta] of [
        [1, 0],
        [-0.75, 0.3],
      ]) {
        for (const bias of [false, true]) {
          run({ m: 26, n: 99, k: 530, alpha: alpha!, beta: beta!, bias, activation, ...transpose });
        }
      }
    }
  });

  it.each(transposes)("passes NaN, infinities, signed zeros and subnormals through: %o", (transpose) => {
    for (const [m, n, k] of [
      [7, 9, 5],
      [12, 24, 33],
      [70, 70, 70],
      [1, 70, 35],
      [70, 1, 35],
      [21, 2, 34],
      [21, 3, 35],
    ]) {
      run({ m: m!, n: n!, k: k!, fill: specialValues, beta: 0.5, bias: true, activation: "relu", ...transpose });
    }
  });

  it.each(transposes)("leaves the gaps between rows alone: %o", (transpose) => {
    for (const [m, n, k] of [
      [5, 6, 7],
      [9, 17, 33],
      [65, 66, 67],
      [1, 20, 9],
      [20, 1, 9],
      [20, 2, 9],
      [21, 3, 8],
    ]) {
      const { before, after } = run({ m: m!, n: n!, k: k!, gap: 3, ...transpose });
      for (let i = 0; i < m!; i++) {
        for (let j = n!; j < n! + 3; j++) expect(after["c"]![i * (n! + 3) + j]).toBe(before["c"]![i * (n! + 3) + j]);
      }
    }
  });

  it.each(transposes)("has the bits of the plain product with a packed B, for small shapes: %o", (transpose) => {
    for (const m of [1, 2, 3, 5, 8]) {
      for (const n of [0, 1, 2, 3, 4, 5, 8, 9, 13, 17]) for (const k of [0, 1, 6]) runPacked({ m, n, k, ...transpose });
    }
  });

  // Rows one by one and in tiles, strips of 32 columns and what is left of them, two blocks of steps, two of columns.
  it.each(transposes)("has the bits of the plain product with a packed B, for larger shapes: %o", (transpose) => {
    for (const [m, n, k] of [
      [1, 300, 200],
      [1, 31, 40],
      [2, 64, 70],
      [3, 129, 530],
      [5, 65, 66],
      [7, 47, 513],
      [8, 70, 1030],
      [12, 33, 600],
      [11, 35, 20],
      [300, 1, 200],
      [42, 2, 530],
      [35, 3, 77],
      [97, 65, 513],
      [100, 1030, 3],
      [2, 1059, 9],
      [66, 130, 66],
    ]) {
      for (const more of [{}, { alpha: -0.75, beta: 0.3, bias: true, activation: "tanh" } as const]) {
        runPacked({ m: m!, n: n!, k: k!, ...more, ...transpose });
      }
    }
    for (const activation of ["identity", "relu", "sigmoid"] as const) {
      for (const beta of [0, 1]) runPacked({ m: 5, n: 37, k: 21, beta, bias: true, activation, ...transpose });
      runPacked({ m: 2, n: 37, k: 0, bias: true, activation, ...transpose });
    }
    runPacked({ m: 6, n: 70, k: 35, fill: specialValues, beta: 0.5, bias: true, activation: "relu", ...transpose });
    runPacked({ m: 6, n: 70, k: 35, gap: 3, batch: 3, ...transpose });
  });

  it("multiplies batches", () => {
    for (const transpose of transposes) run({ m: 5, n: 9, k: 6, batch: 4, bias: true, ...transpose });
  });

  it("never reads C when beta is 0", () => {
    const nan = (length: number, seed: number) =>
      seed === 3 ? new Float32Array(length).fill(NaN) : randomValues(length, seed);
    for (const k of [3, 600]) {
      const { after } = run({ m: 6, n: 10, k, fill: nan });
      expect(after["c"]!.every(Number.isFinite)).toBe(true);
    }
  });

  it.each(transposes)("is exact on exact data: %o", (transpose) => {
    for (const [m, n, k] of [
      [1, 1, 1],
      [9, 13, 17],
      [97, 65, 700],
      [130, 1030, 40],
    ]) {
      const c = { m: m!, n: n!, k: k!, fill: smallIntegers, ...transpose };
      const { before, after } = run(c);
      const exact = reference(c, before);
      const expected = Float64Array.from({ length: m! * n! }, (_, e) => exact(0, Math.floor(e / n!), e % n!).sum + 0);
      expectSameBits(after["c"]!, expected, JSON.stringify(c));
    }
  });

  it.each(transposes)("is within its error bound of float64: %o", (transpose) => {
    for (const [m, n, k] of [
      [17, 23, 31],
      [64, 64, 64],
      [97, 33, 1100],
    ]) {
      const c = { m: m!, n: n!, k: k!, batch: 2, ...transpose };
      const { before, after } = run(c);
      expectWithinBound(c, before, after["c"]!);
    }
  });

  it.each(relaxedNames)("%s is within the same bound, whether it fuses or not", (name) => {
    for (const transpose of transposes) {
      for (const [m, n, k] of [
        [17, 23, 31],
        [97, 33, 1100],
        [5, 3, 9],
        [1, 40, 50],
        [2, 40, 50],
        [40, 1, 50],
      ]) {
        for (const packed of [false, true]) {
          const c = { m: m!, n: n!, k: k!, packed, ...transpose };
          const { before, call, scratchBytes } = prepare(c);
          const { operands } = runKernel(name, before, call, scratchBytes);
          expectWithinBound(c, before, operands["c"]!);
        }
      }
    }
  });

  it.each(relaxedNames)("%s gives equal rows equal bits, however many there are", (name) => {
    for (const packed of [false, true]) {
      for (const m of [2, 3, 5, 7, 9, 13]) {
        for (const [n, k] of [
          [32, 8],
          [64, 3],
          [512, 40],
          [2, 40],
          [3, 31],
        ] as const) {
          const row = randomValues(k, 5);
          const fill = (length: number, seed: number) =>
            Float32Array.from({ length }, (_, i) => (seed === 1 ? row[i % k]! : Math.sin(seed + i)));
          const { before, call, scratchBytes } = prepare({ m, n, k, packed, fill });
          const c = runKernel(name, before, call, scratchBytes).operands["c"] as Float32Array;
          for (let i = 1; i < m; i++) {
            expect(c.subarray(i * n, (i + 1) * n), `row ${i} of ${m} × ${n} × ${k}`).toEqual(c.subarray(0, n));
          }
        }
      }
    }
  });

  it("gives a row the same bits whatever stands beside it", () => {
    const whole = run({ m: 100, n: 70, k: 300 });
    const a = whole.before["a"] as Float32Array;
    const b = whole.before["b"] as Float32Array;
    const fill = (length: number, seed: number) =>
      seed === 1 ? a.slice(37 * 300, 38 * 300) : seed === 2 ? b : new Float32Array(length);
    const alone = run({ m: 1, n: 70, k: 300, fill });
    expect(alone.after["c"]).toEqual(whole.after["c"]!.slice(37 * 70, 38 * 70));
  });
});
