import { expect, it } from "vitest";
import { expectSameBits, ulpDistance } from "../helpers/bits.js";
import { conform, describeConformance, type Operands } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";

const U = 2 ** -24;
const f = Math.fround;
const EPS = 1e-3;
const NONE = 0;

/** Normal numbers around `mean`; every eighth one far away. */
function data(count: number, seed: number, mean = 0.5): Float32Array {
  return randomValues(count, seed, 2).map((value, i) => (i % 8 === 3 ? 10 * value : value) + mean);
}

interface Expected {
  mean: number;
  variance: number;
  rstd: number;
}

/** Statistics in float64; with `centered` false around 0. */
function statistics(elements: number[], centered = true, eps = EPS): Expected {
  const mean = centered ? elements.reduce((s, e) => s + e, 0) / elements.length : 0;
  const variance = elements.reduce((s, e) => s + (e - mean) ** 2, 0) / elements.length;
  return { mean, variance, rstd: 1 / Math.sqrt(variance + f(eps)) };
}

/** The bound that the kernels state for y. */
function outputBound(y: number, beta: number, { mean, rstd }: Expected, gamma: number): number {
  return (4 * Math.abs(y - beta) + Math.abs(y) + Math.abs(mean * rstd * gamma)) * U;
}

/** dx of one set of elements in float64, and a bound of what float32 makes of it. */
function inputGradient(x: number[], slopes: number[], { mean, rstd }: Expected, centered: boolean) {
  const n = x.length;
  const hat = x.map((value) => (value - mean) * rstd);
  // x̂ is off by 3 roundings of its own, and by the rounding of the mean.
  const hatError = hat.map((value) => (3.5 * Math.abs(value) + Math.abs(mean) * rstd) * U);
  const a = centered ? slopes.reduce((s, g) => s + g, 0) / n : 0;
  const aSize = centered ? slopes.reduce((s, g) => s + Math.abs(g), 0) / n : 0;
  const b = slopes.reduce((s, g, i) => s + g * hat[i]!, 0) / n;
  const bError =
    slopes.reduce((s, g, i) => s + Math.abs(g) * (hatError[i]! + U * Math.abs(hat[i]!)), 0) / n + U * Math.abs(b);
  return x.map((_, i) => {
    const g = slopes[i]!;
    const inner = g - a - hat[i]! * b;
    const error =
      2 * U * Math.abs(g) + // gamma's product and the first difference
      2 * U * aSize +
      Math.abs(hat[i]!) * (bError + 2 * U * Math.abs(b)) +
      hatError[i]! * Math.abs(b);
    return { value: rstd * inner, bound: rstd * (error + 4 * U * Math.abs(inner)) };
  });
}

const ROWS = [1, 2, 3, 17, 100];
const COLUMNS = [0, 1, 3, 4, 5, 7, 8, 9, 12, 13, 16, 31];

interface BatchCase {
  rows: number;
  columns: number;
  margin?: number;
  affine?: boolean;
  moving?: boolean;
  unbiased?: boolean;
  x?: Float32Array;
}

function batchNorm({ rows, columns, margin = 0, affine = true, moving = true, unbiased = false, x }: BatchCase) {
  const stride = columns + margin;
  const length = Math.max(0, rows * stride - margin);
  const operands = {
    x: x ?? data(length, rows + columns),
    dy: randomValues(length, rows + 1),
    gamma: randomValues(columns, 3, 2),
    beta: randomValues(columns, 4, 2),
    movingMean: randomValues(columns, 5),
    movingVariance: randomValues(columns, 6).map(Math.abs),
    y: new Float32Array(length).fill(7),
    dx: new Float32Array(length).fill(7),
    mean: new Float32Array(columns),
    rstd: new Float32Array(columns),
    dgamma: new Float32Array(columns),
    dbeta: new Float32Array(columns),
    inferred: new Float32Array(length).fill(7),
    inferredRstd: new Float32Array(columns),
    fixed: new Float32Array(length).fill(7),
    fixedBeta: new Float32Array(columns),
  };
  const outcome = conform(`${rows} × ${columns}`, operands, (kernels, ptr) => {
    const [gamma, beta] = affine ? [ptr.gamma!, ptr.beta!] : [NONE, NONE];
    const [dgamma, dbeta] = affine ? [ptr.dgamma!, ptr.dbeta!] : [NONE, NONE];
    const [movingMean, movingVariance] = moving ? [ptr.movingMean!, ptr.movingVariance!] : [NONE, NONE];
    kernels.batch_norm_f32(
      rows,
      columns,
      stride,
      EPS,
      0.9,
      0.1,
      Number(unbiased),
      ptr.x!,
      gamma,
      beta,
      ptr.y!,
      ptr.mean!,
      ptr.rstd!,
      movingMean,
      movingVariance,
    );
    kernels.batch_norm_backward_f32(
      rows,
      columns,
      stride,
      0,
      ptr.x!,
      ptr.dy!,
      gamma,
      ptr.mean!,
      ptr.rstd!,
      ptr.dx!,
      dgamma,
      dbeta,
    );
    kernels.batch_norm_inference_f32(
      rows,
      columns,
      stride,
      EPS,
      ptr.x!,
      gamma,
      beta,
      ptr.movingMean!,
      ptr.movingVariance!,
      ptr.inferred!,
      ptr.inferredRstd!,
    );
    kernels.batch_norm_backward_f32(
      rows,
      columns,
      stride,
      1,
      ptr.x!,
      ptr.dy!,
      gamma,
      ptr.movingMean!,
      ptr.inferredRstd!,
      ptr.fixed!,
      NONE,
      ptr.fixedBeta!,
    );
  });
  return { operands, after: outcome.operands as Record<string, Float32Array>, stride };
}

function checkBatchNorm(input: BatchCase): void {
  const { rows, columns, affine = true, moving = true, unbiased = false } = input;
  const { operands, after, stride } = batchNorm(input);
  for (let j = 0; j < columns; j++) {
    const column = (values: Float32Array) => Array.from({ length: rows }, (_, i) => values[i * stride + j]!);
    const x = column(operands.x);
    const expected = statistics(x);
    const gamma = affine ? operands.gamma[j]! : 1;
    const beta = affine ? operands.beta[j]! : 0;
    expect(ulpDistance(after.mean![j]!, expected.mean)).toBeLessThanOrEqual(0.6);
    expect(ulpDistance(after.rstd![j]!, expected.rstd)).toBeLessThanOrEqual(1.6);
    column(after.y!).forEach((y, i) => {
      const exact = (x[i]! - expected.mean) * expected.rstd * gamma + beta;
      expect(Math.abs(y - exact)).toBeLessThanOrEqual(outputBound(exact, beta, expected, gamma));
    });
    const variance = unbiased && rows > 1 ? (expected.variance * rows) / (rows - 1) : expected.variance;
    for (const [key, value] of [
      ["movingMean", expected.mean],
      ["movingVariance", variance],
    ] as const) {
      const old = operands[key][j]!;
      const exact = moving ? old * f(0.9) + value * f(0.1) : old;
      const bound = 3 * U * (Math.abs(old) + Math.abs(value));
      expect(Math.abs(after[key]![j]! - exact), key).toBeLessThanOrEqual(bound);
    }
    const dy = column(operands.dy);
    const gradients = inputGradient(x, dy, expected, true);
    column(after.dx!).forEach((dx, i) => {
      const { value, bound } = gradients[i]!;
      expect(Math.abs(dx - value * gamma)).toBeLessThanOrEqual((bound + U * Math.abs(value)) * Math.abs(gamma));
    });
    if (affine) {
      const hat = x.map((value) => (value - expected.mean) * expected.rstd);
      const dgamma = dy.reduce((s, g, i) => s + g * hat[i]!, 0);
      const error = dy.reduce(
        (s, g, i) => s + Math.abs(g) * (3.5 * Math.abs(hat[i]!) + Math.abs(expected.mean) * expected.rstd),
        0,
      );
      expect(Math.abs(after.dgamma![j]! - dgamma)).toBeLessThanOrEqual(U * (error + Math.abs(dgamma)));
      expect(
        ulpDistance(
          after.dbeta![j]!,
          dy.reduce((s, g) => s + g, 0),
        ),
      ).toBeLessThanOrEqual(0.6);
    }
    const [mean, moved] = [after.movingMean![j]!, after.movingVariance![j]!];
    const rstd = 1 / Math.sqrt(moved + f(EPS));
    expect(ulpDistance(after.inferredRstd![j]!, rstd)).toBeLessThanOrEqual(0.6);
    const scale = f(after.inferredRstd![j]! * gamma);
    expectSameBits(
      column(after.fixed!),
      dy.map((slope) => f(scale * slope)),
      "dx for fixed statistics",
    );
    expectSameBits([after.fixedBeta![j]!], [f(dy.reduce((sum, slope) => sum + slope, 0))], "dbeta");
    column(after.inferred!).forEach((y, i) => {
      const exact = (x[i]! - mean) * rstd * gamma + beta;
      expect(Math.abs(y - exact)).toBeLessThanOrEqual((4 * Math.abs(exact - beta) + Math.abs(exact)) * U);
    });
  }
}

describeConformance("batch_norm_f32, its gradient and its inference", () => {
  it.each(COLUMNS)("%i columns", (columns) => {
    for (const rows of ROWS) checkBatchNorm({ rows, columns });
    checkBatchNorm({ rows: 9, columns, margin: 3, unbiased: true });
    checkBatchNorm({ rows: 9, columns, affine: false, moving: false });
    checkBatchNorm({ rows: 1, columns, unbiased: true });
  });

  it("keeps its accuracy where the mean is large beside the deviation", () => {
    // In float32, and by E[x²] − E[x]² in float64 too, such a variance would have lost its digits.
    for (const mean of [1e3, 1e5, -3e6]) checkBatchNorm({ rows: 50, columns: 9, x: data(450, 1, mean) });
  });

  it("gives beta where all rows are the same, and takes no rows", () => {
    const { after, operands } = batchNorm({ rows: 6, columns: 5, x: new Float32Array(30).fill(0.1) });
    for (let i = 0; i < 30; i++) expect(after.y![i]).toBe(operands.beta[i % 5]!);
    for (let j = 0; j < 5; j++) expect(ulpDistance(after.rstd![j]!, 1 / Math.sqrt(f(EPS)))).toBeLessThanOrEqual(0.5);
    const none = batchNorm({ rows: 0, columns: 5 });
    expectSameBits(none.after.movingMean!, none.operands.movingMean, "moving mean");
    expect(Array.from(none.after.dbeta!)).toEqual([0, 0, 0, 0, 0]);
  });

  it("keeps special values in their column", () => {
    const columns = SPECIAL_VALUES.length;
    const x = data(5 * columns, 2);
    x.set(SPECIAL_VALUES, 2 * columns);
    const { after } = batchNorm({ rows: 5, columns, x });
    SPECIAL_VALUES.forEach((value, j) => {
      const isHarmless = Number.isFinite(value);
      for (let i = 0; i < 5; i++) expect(Number.isFinite(after.y![i * columns + j]!), `${value}`).toBe(isHarmless);
    });
  });

  it("works in place", () => {
    const { operands, after } = batchNorm({ rows: 9, columns: 13 });
    const { x, dy, gamma, beta, mean, rstd, dgamma, dbeta } = operands;
    const inPlace = conform("in place", { x, y: x, dy, gamma, beta, mean, rstd, dgamma, dbeta }, (kernels, ptr) => {
      kernels.batch_norm_f32(
        9,
        13,
        13,
        EPS,
        0,
        0,
        0,
        ptr.y!,
        ptr.gamma!,
        ptr.beta!,
        ptr.y!,
        ptr.mean!,
        ptr.rstd!,
        NONE,
        NONE,
      );
      kernels.batch_norm_backward_f32(
        9,
        13,
        13,
        0,
        ptr.x!,
        ptr.dy!,
        ptr.gamma!,
        ptr.mean!,
        ptr.rstd!,
        ptr.dy!,
        ptr.dgamma!,
        ptr.dbeta!,
      );
    });
    expectSameBits(inPlace.operands.y!, after.y!, "y over x");
    expectSameBits(inPlace.operands.dy!, after.dx!, "dx over dy");
    const sums = conform(
      "no dx",
      { x, dy, gamma, mean: after.mean!, rstd: after.rstd!, dgamma, dbeta },
      (kernels, ptr) =>
        kernels.batch_norm_backward_f32(
          9,
          13,
          13,
          0,
          ptr.x!,
          ptr.dy!,
          ptr.gamma!,
          ptr.mean!,
          ptr.rstd!,
          NONE,
          ptr.dgamma!,
          ptr.dbeta!,
        ),
    );
    expectSameBits(sums.operands.dgamma!, after.dgamma!, "dgamma without dx");
  });
});

interface GroupCase {
  batch: number;
  spatial?: number;
  groups?: number;
  width: number;
  centered?: boolean;
  affine?: boolean;
  x?: Float32Array;
}

function groupNorm({ batch, spatial = 1, groups = 1, width, centered = true, affine = true, x }: GroupCase) {
  const channels = groups * width;
  const length = batch * spatial * channels;
  const operands = {
    x: x ?? data(length, batch + width),
    dy: randomValues(length, width + 1),
    gamma: randomValues(channels, 3, 2),
    beta: randomValues(channels, 4, 2),
    y: new Float32Array(length).fill(7),
    dx: new Float32Array(length).fill(7),
    mean: new Float32Array(batch * groups),
    rstd: new Float32Array(batch * groups),
    dgamma: new Float32Array(channels),
    dbeta: new Float32Array(channels),
  };
  const shape = [batch, spatial, groups, width] as const;
  const outcome = conform(`${shape} ${centered}`, operands as Operands, (kernels, ptr) => {
    const [gamma, beta] = affine ? [ptr.gamma!, ptr.beta!] : [NONE, NONE];
    const flag = Number(centered);
    kernels.group_norm_f32(...shape, flag, EPS, ptr.x!, gamma, beta, ptr.y!, ptr.mean!, ptr.rstd!);
    kernels.group_norm_backward_f32(...shape, flag, ptr.x!, ptr.dy!, gamma, ptr.mean!, ptr.rstd!, ptr.dx!);
    kernels.group_norm_parameters_f32(
      0,
      channels,
      ...shape,
      ptr.x!,
      ptr.dy!,
      ptr.mean!,
      ptr.rstd!,
      ptr.dgamma!,
      ptr.dbeta!,
    );
  });
  return { operands, after: outcome.operands as Record<string, Float32Array>, channels };
}

function checkGroupNorm(input: GroupCase): void {
  const { batch, spatial = 1, groups = 1, width, centered = true, affine = true } = input;
  const { operands, after, channels } = groupNorm(input);
  const dgamma = new Float64Array(channels);
  const dgammaBound = new Float64Array(channels);
  const dbeta = new Float64Array(channels);
  for (let n = 0; n < batch; n++) {
    for (let group = 0; group < groups; group++) {
      const places = Array.from({ length: spatial * width }, (_, i) => {
        return (n * spatial + Math.floor(i / width)) * channels + group * width + (i % width);
      });
      const x = places.map((place) => operands.x[place]!);
      const dy = places.map((place) => operands.dy[place]!);
      const expected = statistics(x, centered);
      expect(ulpDistance(after.mean![n * groups + group]!, expected.mean)).toBeLessThanOrEqual(0.6);
      expect(ulpDistance(after.rstd![n * groups + group]!, expected.rstd)).toBeLessThanOrEqual(1.6);
      const gammas = places.map((place) => (affine ? operands.gamma[place % channels]! : 1));
      const gradients = inputGradient(
        x,
        dy.map((g, i) => g * gammas[i]!),
        expected,
        centered,
      );
      places.forEach((place, i) => {
        const channel = place % channels;
        const beta = affine ? operands.beta[channel]! : 0;
        const hat = (x[i]! - expected.mean) * expected.rstd;
        const y = hat * gammas[i]! + beta;
        expect(Math.abs(after.y![place]! - y)).toBeLessThanOrEqual(outputBound(y, beta, expected, gammas[i]!));
        expect(Math.abs(after.dx![place]! - gradients[i]!.value)).toBeLessThanOrEqual(gradients[i]!.bound);
        dgamma[channel]! += dy[i]! * hat;
        dgammaBound[channel]! += U * Math.abs(dy[i]!) * (3.5 * Math.abs(hat) + Math.abs(expected.mean) * expected.rstd);
        dbeta[channel]! += dy[i]!;
      });
    }
  }
  for (let j = 0; j < channels; j++) {
    expect(Math.abs(after.dgamma![j]! - dgamma[j]!)).toBeLessThanOrEqual(dgammaBound[j]! + U * Math.abs(dgamma[j]!));
    expect(ulpDistance(after.dbeta![j]!, dbeta[j]!)).toBeLessThanOrEqual(0.6);
  }
}

describeConformance("group_norm_f32 and its gradient", () => {
  it.each([1, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17, 33, 100])("%i elements in a run", (width) => {
    for (const centered of [true, false]) {
      checkGroupNorm({ batch: 5, width, centered });
      checkGroupNorm({ batch: 1, width, centered, affine: false });
      checkGroupNorm({ batch: 2, spatial: 6, groups: 3, width, centered });
    }
  });

  it("keeps its accuracy where the mean is large beside the deviation", () => {
    for (const mean of [1e3, 1e5, -3e6]) checkGroupNorm({ batch: 3, width: 65, x: data(195, 1, mean) });
  });

  it("takes no examples and no elements", () => {
    groupNorm({ batch: 0, width: 5 });
    expect(groupNorm({ batch: 2, width: 0 }).after.y!.length).toBe(0);
    expect(Array.from(groupNorm({ batch: 0, width: 3 }).after.dgamma!)).toEqual([0, 0, 0]);
  });

  it("keeps special values in their example", () => {
    const x = data(18 * 9, 2);
    SPECIAL_VALUES.forEach((value, n) => {
      x[n * 9 + (n % 9)] = value;
    });
    const { after } = groupNorm({ batch: 18, width: 9, x });
    SPECIAL_VALUES.forEach((value, n) => {
      const row = Array.from(after.y!.subarray(n * 9, n * 9 + 9));
      expect(row.every(Number.isFinite), `${value}`).toBe(Number.isFinite(value));
    });
    expect(Array.from(after.y!.subarray(17 * 9)).every(Number.isFinite)).toBe(true);
  });

  it("works in place", () => {
    const { operands, after } = groupNorm({ batch: 3, spatial: 2, groups: 2, width: 13 });
    const { x, dy, gamma, beta, mean, rstd } = operands;
    const inPlace = conform("in place", { x, y: x, dy, gamma, beta, mean, rstd }, (kernels, ptr) => {
      kernels.group_norm_f32(3, 2, 2, 13, 1, EPS, ptr.y!, ptr.gamma!, ptr.beta!, ptr.y!, ptr.mean!, ptr.rstd!);
      kernels.group_norm_backward_f32(3, 2, 2, 13, 1, ptr.x!, ptr.dy!, ptr.gamma!, ptr.mean!, ptr.rstd!, ptr.dy!);
    });
    expectSameBits(inPlace.operands.y!, after.y!, "y over x");
    expectSameBits(inPlace.operands.dy!, after.dx!, "dx over dy");
  });
});
