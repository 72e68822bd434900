import { expect, it } from "vitest";
import {
  MODE_CLAMP_LAST,
  MODE_CLIP_GLOBAL_NORM,
  MODE_CLIP_KERAS,
  MODE_CLIP_NORM,
  MODE_CLIP_OPTAX,
  MODE_CLIP_PADDLE,
  MODE_COUPLED_DECAY,
  MODE_DECAY_FACTOR,
  MODE_DECAY_TWICE,
  MODE_DECOUPLED_DECAY,
  MODE_MAXIMIZE,
  MODE_MEASURE,
  MODE_RESCALE,
  MODE_RESCALE_DIVIDE,
  MODE_RESCALE_TWICE,
} from "../../src/abi/step-table.js";
import { expectSameBits } from "../helpers/bits.js";
import { describeConformance } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";
import {
  conformTable,
  FORM_BIAS_CORRECTION,
  FORM_CENTERED,
  FORM_EPS_IN_MEAN,
  FORM_EPS_OUTSIDE,
  FORM_EPS_RATIO,
  FORM_MEAN_FROM_GRADIENT,
  FORM_MEAN_LERP,
  FORM_MOMENTUM,
  FORM_NEGATIVE,
  FORM_NESTEROV,
  FORM_RATE_AFTER,
  FORM_RATE_LAST,
  FORM_RECIPROCAL,
  FORM_SEGMENT_RATE,
  FORM_SQUARE_LERP,
  FORM_SQUARE_PRODUCT,
  FORM_VARIANCE_FLOOR,
  type GroupSpec,
  type RowOutcome,
  type RowSpec,
} from "../helpers/segments.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];
const U = 2 ** -24;
const F = Math.fround;

const SCALARS: GroupSpec = {
  learningRate: 0.01,
  weightDecay: 0.03,
  decoupledDecay: 0.01 * 0.03,
  clipValue: Number.POSITIVE_INFINITY,
  clipNorm: 2.5,
  decay: 0.9,
  decayComplement: 1 - 0.9,
  epsInside: 1e-3,
  epsOutside: 0,
  momentum: 0.8,
  meanDecay: 0.7,
  meanDecayComplement: 1 - 0.7,
};

// One list of choices for each option; a set of options takes one choice of each.
const CHOICES: GroupSpec[][] = [
  [{ mode: 0 }, { mode: MODE_RESCALE | MODE_MAXIMIZE }],
  [
    { mode: 0 },
    { mode: MODE_RESCALE, clipValue: 0.5 },
    { mode: MODE_RESCALE | MODE_CLIP_NORM },
    { mode: MODE_RESCALE | MODE_CLIP_GLOBAL_NORM, clipNorm: 20 },
  ],
  [{ mode: 0 }, { mode: MODE_COUPLED_DECAY }, { mode: MODE_DECOUPLED_DECAY }],
  [{ mode: 0 }, { mode: FORM_CENTERED }, { mode: FORM_CENTERED | FORM_VARIANCE_FLOOR }],
  [{ mode: 0 }, { mode: FORM_BIAS_CORRECTION }],
  [
    { mode: 0 },
    { mode: FORM_EPS_OUTSIDE, epsInside: 0, epsOutside: 1e-3 },
    { mode: FORM_EPS_OUTSIDE | FORM_EPS_RATIO, epsInside: 0, epsOutside: 1e-3 },
  ],
  [{ mode: 0 }, { mode: FORM_MOMENTUM }, { mode: FORM_MOMENTUM | FORM_NESTEROV }],
];

/** Every set of choices. */
function combine(lists: GroupSpec[][]): GroupSpec[] {
  return lists.reduce<GroupSpec[]>(
    (groups, choices) =>
      groups.flatMap((group) =>
        choices.map((choice) => ({ ...group, ...choice, mode: group.mode! | choice.mode! | MODE_MEASURE })),
      ),
    [{ ...SCALARS, mode: 0 }],
  );
}

/** Every set of Lanewise's own options: 1296 groups. */
const GROUPS = combine(CHOICES);

const modes = (...list: number[]): GroupSpec[] => list.map((mode) => ({ mode }));

/** The forms of the frameworks, in sets that frameworks have and in many others: 2484 groups. */
const FORMS = combine([
  modes(FORM_SQUARE_PRODUCT, FORM_SQUARE_LERP, FORM_RECIPROCAL),
  modes(0, FORM_CENTERED, FORM_CENTERED | FORM_MEAN_LERP, FORM_CENTERED | FORM_MEAN_FROM_GRADIENT),
  modes(0, FORM_MOMENTUM, FORM_MOMENTUM | FORM_NESTEROV),
  [...modes(0, FORM_EPS_IN_MEAN), { mode: FORM_EPS_OUTSIDE, epsInside: 0, epsOutside: 1e-3 }],
  [
    ...modes(0, FORM_RATE_AFTER, FORM_RATE_LAST, FORM_SEGMENT_RATE | FORM_BIAS_CORRECTION),
    ...modes(FORM_NEGATIVE, FORM_NEGATIVE | FORM_RATE_AFTER).map((form) => ({ ...form, learningRate: -0.01 })),
  ],
  [
    { mode: 0 },
    { mode: MODE_DECOUPLED_DECAY | MODE_DECAY_FACTOR, decoupledDecay: 0.997 },
    { mode: MODE_DECOUPLED_DECAY | MODE_DECAY_TWICE },
    { mode: MODE_COUPLED_DECAY | MODE_CLAMP_LAST, clipValue: 0.5 },
  ],
]).filter(({ mode }) => !(mode! & FORM_SEGMENT_RATE && mode! & MODE_DECAY_TWICE)); // of AdaGrad and of Keras

/** The groups whose loops differ in the arrays they touch. */
const LOOPS = [0, FORM_SQUARE_LERP].flatMap((form) =>
  [0, FORM_CENTERED, FORM_MOMENTUM, FORM_CENTERED | FORM_MOMENTUM].map((mode) => ({ ...SCALARS, mode: form | mode })),
);

function makeRow(group: number, { mode }: GroupSpec, count: number, seed: number): RowSpec {
  return {
    group,
    param: randomValues(count, seed, 2),
    grad: randomValues(count, seed + 1, 2),
    states: [
      // Above every mean squared, unless what rounds below it has a floor.
      randomValues(count, seed + 2).map((x) => (mode! & FORM_VARIANCE_FLOOR ? 0.01 : 1) + x * x),
      mode! & FORM_CENTERED ? randomValues(count, seed + 3, 0.3) : null,
      mode! & FORM_MOMENTUM ? randomValues(count, seed + 4, 0.1) : null,
    ],
    correction0: 1 / (1 - 0.9 ** 3),
    correction1: 1 / (1 - 0.7 ** 3),
  };
}

/** The formula of one element as docs and docstrings state it, in arithmetic that rounds by `F`. */
function element(row: RowSpec, i: number, group: GroupSpec, gradScale: number, round = F, gradScale2 = 1) {
  const s = (field: keyof Omit<GroupSpec, "scalars">) => F(group[field]!);
  const has = (bit: number) => (group.mode! & bit) !== 0;
  const clamp = (x: number) => (x > s("clipValue") ? s("clipValue") : x < -s("clipValue") ? -s("clipValue") : x);
  const lerp = (from: number, to: number, weight: number) => round(from + round(weight * round(to - from)));
  const learningRate = has(FORM_SEGMENT_RATE) ? F(row.correction1!) : s("learningRate");
  let p = row.param[i]!;
  let g = row.grad![i]!;
  if (has(MODE_RESCALE)) g = round(clamp(g) * gradScale);
  if (has(MODE_RESCALE_DIVIDE)) g = round(g / gradScale2);
  if (has(MODE_RESCALE_TWICE)) g = round(g * gradScale2);
  if (has(MODE_COUPLED_DECAY)) g = round(g + round(s("weightDecay") * p));
  if (has(MODE_CLAMP_LAST)) g = clamp(g);
  if (has(MODE_DECAY_FACTOR)) p = round(p * s("decoupledDecay"));
  else if (has(MODE_DECAY_TWICE)) p = round(p - round(round(p * s("weightDecay")) * learningRate));
  else if (has(MODE_DECOUPLED_DECAY)) p = round(p - round(s("decoupledDecay") * p));
  let v = row.states[0]![i]!;
  if (has(FORM_SQUARE_PRODUCT)) v = round(round(s("decay") * v) + round(round(s("decayComplement") * g) * g));
  else if (has(FORM_SQUARE_LERP)) v = lerp(v, round(g * g), s("decayComplement"));
  else v = round(round(s("decay") * v) + round(s("decayComplement") * round(g * g)));
  let variance = has(FORM_BIAS_CORRECTION) ? round(v * F(row.correction0!)) : v;
  let m: number | undefined;
  if (has(FORM_CENTERED)) {
    m = row.states[1]![i]!;
    if (has(FORM_MEAN_LERP)) m = lerp(m, g, s("meanDecayComplement"));
    else if (has(FORM_MEAN_FROM_GRADIENT)) m = round(g + round(s("meanDecay") * round(g - m)));
    else m = round(round(s("meanDecay") * m) + round(s("meanDecayComplement") * g));
    const mean = has(FORM_BIAS_CORRECTION) ? round(m * F(row.correction1!)) : m;
    const square = round(mean * mean);
    variance = round(variance - (has(FORM_EPS_IN_MEAN) ? round(square + s("epsOutside")) : square));
    if (has(FORM_VARIANCE_FLOOR) && variance < 0) variance = 0;
  }
  let u = has(FORM_RATE_AFTER) || has(FORM_RATE_LAST) ? g : round(learningRate * g);
  let d = round(Math.sqrt(round(variance + s("epsInside"))));
  if (has(FORM_EPS_RATIO)) {
    u = round(u * round(Math.sqrt(variance)));
    d = round(variance + s("epsOutside"));
  } else if (has(FORM_EPS_OUTSIDE)) d = round(round(Math.sqrt(variance)) + s("epsOutside"));
  u = has(FORM_RECIPROCAL) ? round(u * round(1 / d)) : round(u / d);
  if (has(FORM_RATE_AFTER)) u = round(u * learningRate);
  let b: number | undefined;
  if (has(FORM_MOMENTUM)) {
    b = round(round(s("momentum") * row.states[2]![i]!) + u);
    u = has(FORM_NESTEROV) ? round(round(s("momentum") * b) + u) : b;
  }
  if (has(FORM_RATE_LAST)) u = round(u * learningRate);
  return { param: round(has(FORM_NEGATIVE) ? p + u : p - u), states: [v, m, b] };
}

/** Compares every element of a row with the formula, bit for bit. */
function expectFormula(row: RowSpec, group: GroupSpec, after: RowOutcome, what: string): void {
  const expected = Array.from(row.param, (_, i) => element(row, i, group, after.gradScale, F, after.gradScale2));
  const param = expected.map((x) => x.param);
  expectSameBits(after.param, param, `${what} param`);
  expectSameBits(after.grad!, row.grad!, `${what}: the gradient is only read`);
  after.states.forEach((state, k) => {
    if (state)
      expectSameBits(
        state,
        expected.map((x) => x.states[k]!),
        `${what} state ${k}`,
      );
  });
}

describeConformance("rmsprop_f32", () => {
  it("every length, with and without mean and momentum, in one call", () => {
    const rows = LOOPS.flatMap((group, k) => SIZES.map((count) => makeRow(k, group, count, 31 * count + k)));
    const { result, rows: after } = conformTable("lengths", "rmsprop_f32", rows, LOOPS);
    expect(result).toBe(0);
    for (const [i, row] of rows.entries())
      expectFormula(row, LOOPS[row.group]!, after[i]!, `length ${row.param.length}`);
  });

  it("every set of options, in one call", () => {
    expect(GROUPS.length).toBe(1296);
    const rows = GROUPS.map((group, k) => makeRow(k, group, 8 + (k % 13), k));
    const { rows: after } = conformTable("options", "rmsprop_f32", rows, GROUPS);
    let total = 0;
    for (const { grad } of rows) for (const g of grad!) total += g * g;
    for (const [i, row] of rows.entries()) {
      const group = GROUPS[i]!;
      const sum = row.grad!.reduce((s, g) => s + g * g, 0);
      const norm = Math.sqrt(group.mode! & MODE_CLIP_GLOBAL_NORM ? total : sum);
      const clips = (group.mode! & (MODE_CLIP_NORM | MODE_CLIP_GLOBAL_NORM)) !== 0;
      const scale = (group.mode! & MODE_MAXIMIZE ? -1 : 1) * (clips ? Math.min(1, F(group.clipNorm!) / norm) : 1);
      expect(Math.abs(after[i]!.gradScale - scale)).toBeLessThanOrEqual(Math.abs(scale) * U * 1.001);
      expectFormula(row, group, after[i]!, `mode ${group.mode}`);
    }
  });

  it("every form of the frameworks", () => {
    expect(FORMS.length).toBe(2484);
    for (let start = 0; start < FORMS.length; start += 800) {
      const groups = FORMS.slice(start, start + 800);
      const rows = groups.map((group, k) => makeRow(k, group, 8 + (k % 13), k));
      const { result, rows: after } = conformTable("forms", "rmsprop_f32", rows, groups);
      expect(result).toBe(0);
      for (const [i, row] of rows.entries()) expectFormula(row, groups[i]!, after[i]!, `mode ${groups[i]!.mode}`);
    }
  });

  it("clips by norm as the frameworks do, in float32", () => {
    const bounds = [0.75, 40]; // below and above the norm
    const kinds = [
      MODE_CLIP_NORM | MODE_CLIP_KERAS | MODE_RESCALE_DIVIDE,
      MODE_CLIP_GLOBAL_NORM | MODE_CLIP_KERAS,
      MODE_CLIP_GLOBAL_NORM | MODE_CLIP_OPTAX | MODE_RESCALE_TWICE,
      MODE_CLIP_NORM | MODE_CLIP_PADDLE,
      MODE_CLIP_GLOBAL_NORM | MODE_CLIP_PADDLE,
    ];
    for (const [k, kind] of kinds.entries()) {
      for (const clipNorm of bounds) {
        for (const spoilt of [undefined, 1e20, Number.POSITIVE_INFINITY, Number.NaN]) {
          const mode = FORM_SQUARE_PRODUCT | MODE_RESCALE | MODE_MEASURE | kind;
          const group = { ...SCALARS, mode, clipNorm };
          const row = makeRow(0, group, 19, k);
          if (spoilt !== undefined) row.grad![3] = spoilt;
          const norm = F(Math.sqrt(F(row.grad!.reduce((sum, g) => sum + g * g, 0))));
          const c = F(clipNorm);
          let expected = [1, 1];
          if (kind & MODE_CLIP_PADDLE) expected = [F(c / Math.max(norm, c)), 1];
          else if (kind & MODE_CLIP_OPTAX) expected = norm < c ? [1, 1] : [F(1 / norm), c];
          else if (kind & MODE_CLIP_NORM) expected = [c, Math.max(norm, c)];
          else expected = [F(F(c * Math.min(F(1 / norm), F(1 / c))) + F(norm - norm)), 1];
          const after = conformTable("framework norms", "rmsprop_f32", [row], [group]).rows[0]!;
          const what = `clip ${k} to ${clipNorm} with ${spoilt}`;
          expectSameBits(Float32Array.of(after.gradScale, after.gradScale2), Float32Array.from(expected), what);
          expectFormula(row, group, after, what);
        }
      }
    }
  });

  it.each([MODE_CLIP_NORM, MODE_CLIP_GLOBAL_NORM])("clips as PyTorch does, with clipEps (%i)", (kind) => {
    for (const clipNorm of [0.5, 1e6]) {
      for (const spoilt of [undefined, 1e20, Number.POSITIVE_INFINITY, Number.NaN]) {
        const mode = MODE_RESCALE | MODE_MEASURE | MODE_MAXIMIZE | kind;
        const group = { ...SCALARS, mode, clipNorm, clipEps: 1e-3 };
        const rows = [makeRow(0, group, 19, 1), makeRow(0, group, 33, 2)];
        if (spoilt !== undefined) rows[0]!.grad![3] = spoilt;
        const norms = rows.map(({ grad }) => F(Math.sqrt(F(grad!.reduce((sum, g) => sum + g * g, 0)))));
        const all = F(Math.sqrt(norms.reduce((sum, norm) => F(sum + F(norm * norm)), 0)));
        const { rows: after } = conformTable("PyTorch's norm", "rmsprop_f32", rows, [group]);
        for (const [i, row] of rows.entries()) {
          const norm = kind === MODE_CLIP_NORM ? norms[i]! : all;
          const factor = Math.min(F(F(1 / F(norm + F(1e-3))) * F(clipNorm)), 1);
          const what = `row ${i}, ${clipNorm}, ${spoilt}`;
          expectSameBits(Float32Array.of(after[i]!.gradScale), Float32Array.of(-factor), what);
          expectFormula(row, group, after[i]!, what);
        }
      }
    }
  });

  it("special values in every operand", () => {
    const n = SPECIAL_VALUES.length;
    const groups = [...GROUPS.filter((_, k) => k % 5 === 0), ...FORMS.filter((_, k) => k % 11 === 0)];
    const rows = groups.map((group, k) => {
      const row = makeRow(k, group, n * n, k);
      row.grad = Float32Array.from({ length: n * n }, (_, i) => SPECIAL_VALUES[i % n]!);
      row.param = Float32Array.from({ length: n * n }, (_, i) => SPECIAL_VALUES[(i + k) % n]!);
      row.states = row.states.map(
        (state, s) => state && Float32Array.from(state, (_, i) => SPECIAL_VALUES[(Math.floor(i / n) + s * k) % n]!),
      );
      return row;
    });
    const { rows: after } = conformTable("special values", "rmsprop_f32", rows, groups);
    for (const [i, row] of rows.entries()) expectFormula(row, groups[i]!, after[i]!, `mode ${groups[i]!.mode}`);
  });

  it("passes rows without a gradient over, and leaves their state alone", () => {
    const rows = LOOPS.flatMap((group, k) => [9, 20].map((count) => makeRow(k, group, count, k)));
    for (const i of [0, 3, 4, 7]) rows[i]!.grad = null;
    const { rows: after } = conformTable("absent", "rmsprop_f32", rows, LOOPS, 1);
    for (const [i, row] of rows.entries()) {
      if (row.grad) {
        expectFormula(row, LOOPS[row.group]!, after[i]!, `row ${i}`);
        continue;
      }
      expectSameBits(after[i]!.param, row.param, `row ${i}`);
      for (const [k, state] of row.states.entries())
        if (state) expectSameBits(after[i]!.states[k]!, state, `row ${i} state ${k}`);
      expect(after[i]!.gradScale).toBeNaN();
    }
  });

  it("an empty table", () => {
    expect(conformTable("empty", "rmsprop_f32", [], LOOPS, 1).result).toBe(0);
  });

  it("agrees with float64 arithmetic within the bound of its roundings", () => {
    for (const [k, group] of GROUPS.entries()) {
      if (k % 7 !== 0) continue;
      const row = makeRow(0, group, 33, k);
      const after = conformTable("float64", "rmsprop_f32", [row], [group]).rows[0]!;
      for (let i = 0; i < row.param.length; i++) {
        const exact = element(row, i, group, after.gradScale, (x) => x);
        // Fewer than 20 roundings lie on any path; subtracting the squared mean multiplies their effect.
        const cancellation = group.mode! & FORM_CENTERED ? 10 : 1;
        const bound = 20 * U * cancellation * (Math.abs(row.param[i]!) + 1);
        expect(Math.abs(after.param[i]! - exact.param), `mode ${group.mode} element ${i}`).toBeLessThanOrEqual(bound);
      }
    }
  });

  it("sums squares in blocks: 65536 + 3 elements, and norms that are exact", () => {
    const group: GroupSpec = { ...SCALARS, mode: MODE_RESCALE | MODE_MEASURE | MODE_CLIP_NORM, clipNorm: 1 };
    const random = makeRow(0, group, 65536 + 3, 5);
    const sum = random.grad!.reduce((s, g) => s + g * g, 0);
    const { rows } = conformTable("blocks", "rmsprop_f32", [random], [group]);
    expect(Math.abs(rows[0]!.gradScale * Math.sqrt(sum) - 1)).toBeLessThanOrEqual(U * 1.01);
    expectFormula(random, group, rows[0]!, "blocks");

    // 3-4-5 and powers of two: norm 5 exactly, so the factor is F(1/5); norm 1 is not clipped.
    for (const [grad, scale] of [
      [[3, 0, 0, 0, 0, 0, 0, 0, 4], F(0.2)],
      [[0, 0, 1], 1],
      [[0, 0], 1],
      [[0, 2], 0.5],
    ] as const) {
      const row = { ...makeRow(0, group, grad.length, 1), grad: Float32Array.from(grad) };
      expect(conformTable("exact", "rmsprop_f32", [row], [group]).rows[0]!.gradScale).toBe(scale);
    }
  });

  it("adds squares in the order that is written down: any other would round to another factor here", () => {
    /** Element i of a block to partial sum i mod 8, these added as a tree, the rest one by one, blocks in ascending order. */
    function sumOfSquares(x: Float32Array, block: number, partials: number): number {
      let total = 0;
      for (let start = 0; start < x.length; start += block) {
        const values = x.subarray(start, start + block);
        const whole = values.length - (values.length % partials);
        let sums = new Array<number>(partials).fill(0);
        for (let i = 0; i < whole; i++) sums[i % partials]! += values[i]! ** 2;
        // By pairs two apart, as vectors of two lanes are added, then the two lanes.
        while (sums.length > 2)
          sums = sums.filter((_, i) => i % 4 < 2).map((sum, i) => sum + sums[i + 2 * (i >> 1) + 2]!);
        let sum = sums.reduce((a, b) => a + b);
        for (const value of values.subarray(whole)) sum += value ** 2;
        total += sum;
      }
      return total;
    }
    // One large element, and small ones whose squares are lost or not, depending on what they are added to.
    const grad = new Float32Array(3 * 65536 + 5).fill(2 ** -26.75);
    grad[0] = 1.2345678;
    const norm = Math.sqrt(sumOfSquares(grad, 65536, 8));
    const others = [
      [65536, 1],
      [65536, 4],
      [32768, 8],
      [2 ** 20, 8],
    ].map(([block, partials]) => Math.sqrt(sumOfSquares(grad, block!, partials!)));
    for (const other of others) {
      let clipNorm = 0.5;
      while (clipNorm < 1 && F(clipNorm / norm) === F(clipNorm / other)) clipNorm += 2 ** -24;
      expect(clipNorm).toBeLessThan(1);
      const group: GroupSpec = { ...SCALARS, mode: MODE_RESCALE | MODE_MEASURE | MODE_CLIP_NORM, clipNorm };
      const row = { ...makeRow(0, group, grad.length, 1), grad };
      expect(conformTable("order", "rmsprop_f32", [row], [group]).rows[0]!.gradScale).toBe(F(clipNorm / norm));
    }
  });

  it("an infinite bound never clips", () => {
    const group = {
      ...SCALARS,
      mode: MODE_RESCALE | MODE_MEASURE | MODE_CLIP_NORM,
      clipNorm: Number.POSITIVE_INFINITY,
    };
    const row = makeRow(0, group, 9, 1);
    row.grad![3] = Number.NEGATIVE_INFINITY;
    expect(conformTable("infinite bound", "rmsprop_f32", [row], [group]).rows[0]!.gradScale).toBe(1);
  });

  it("NaN and infinite norms", () => {
    const group: GroupSpec = { ...SCALARS, mode: MODE_RESCALE | MODE_MEASURE | MODE_CLIP_NORM };
    const rows = [Number.NaN, Number.POSITIVE_INFINITY].map((x, k) => {
      const row = makeRow(0, group, 19, k);
      row.grad![17] = x;
      return row;
    });
    const after = conformTable("norms", "rmsprop_f32", rows, [group]).rows;
    expect(after[0]!.gradScale).toBeNaN();
    expect(after[0]!.param.every(Number.isNaN)).toBe(true);
    expect(after[1]!.gradScale).toBe(0);
    expect(after[1]!.param.map((p) => +Number.isNaN(p)).reduce((a, b) => a + b)).toBe(1);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("refuses a gradient with %f", (bad) => {
    for (const at of [0, 7, 8, 18]) {
      const rows = LOOPS.map((group, k) => makeRow(k, group, 19, k));
      rows[2]!.grad![at] = bad;
      const { result, rows: after } = conformTable("refused", "rmsprop_f32", rows, LOOPS, 1);
      expect(result).toBe(3);
      rows.forEach((row, i) => {
        expectSameBits(after[i]!.param, row.param, "param");
        for (const [k, state] of row.states.entries()) if (state) expectSameBits(after[i]!.states[k]!, state, "state");
      });
      expect(conformTable("unchecked", "rmsprop_f32", rows, LOOPS, 0).result).toBe(0);
    }
  });

  it("does not refuse the largest finite gradients", () => {
    const row = makeRow(0, LOOPS[0]!, 1021, 1);
    row.grad!.fill(3.4028234663852886e38);
    expect(conformTable("largest", "rmsprop_f32", [row], LOOPS, 1).result).toBe(0);
  });
});
