import { expect, it } from "vitest";
import {
  MODE_CLIP_NORM,
  MODE_COUPLED_DECAY,
  MODE_DECAY_FACTOR,
  MODE_DECOUPLED_DECAY,
  MODE_MAXIMIZE,
  MODE_MEASURE,
  MODE_RESCALE,
} from "../../src/abi/step-table.js";
import { expectSameBits } from "../helpers/bits.js";
import { describeConformance } from "../helpers/conformance.js";
import { randomValues, SPECIAL_VALUES } from "../helpers/random.js";
import {
  conformTable,
  FORM_MEAN_FROM_GRADIENT,
  type GroupSpec,
  type RowOutcome,
  type RowSpec,
} from "../helpers/segments.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];
const U = 2 ** -24;
const F = Math.fround;

const SCALARS: GroupSpec = {
  mode: MODE_DECAY_FACTOR,
  weightDecay: 0.03,
  decoupledDecay: 1 - 0.01 * 0.03,
  clipValue: Number.POSITIVE_INFINITY,
  clipNorm: 2.5,
  decay: 0.99,
  decayComplement: 1 - 0.99,
  meanDecay: 0.7,
  meanDecayComplement: 1 - 0.7,
  epsOutside: 1e-3,
};

// One list of choices for each option; a set of options takes one choice of each.
const CHOICES: GroupSpec[][] = [
  [{ mode: 0 }, { mode: MODE_RESCALE | MODE_MAXIMIZE }],
  [{ mode: 0 }, { mode: MODE_RESCALE, clipValue: 0.5 }, { mode: MODE_RESCALE | MODE_CLIP_NORM }],
  [{ mode: 0 }, { mode: MODE_COUPLED_DECAY }, { mode: MODE_DECOUPLED_DECAY }],
  [{ mode: 0 }, { mode: FORM_MEAN_FROM_GRADIENT }],
];

/** Every set of options. */
const GROUPS = CHOICES.reduce<GroupSpec[]>(
  (groups, choices) =>
    groups.flatMap((group) =>
      choices.map((choice) => ({ ...group, ...choice, mode: group.mode! | choice.mode! | MODE_MEASURE })),
    ),
  [SCALARS],
);

function makeRow(group: number, count: number, seed: number, amsgrad: boolean): RowSpec {
  return {
    group,
    param: randomValues(count, seed, 2),
    grad: randomValues(count, seed + 1, 2),
    states: [
      randomValues(count, seed + 2).map((x) => x * x),
      randomValues(count, seed + 3),
      amsgrad ? randomValues(count, seed + 4).map((x) => x * x) : null,
    ],
    correction0: Math.sqrt(1 - 0.99 ** 3),
    correction1: 0.01 / (1 - 0.7 ** 3),
  };
}

/** PyTorch's formula for one element, in arithmetic that rounds by `F`. */
function element(row: RowSpec, i: number, group: GroupSpec, gradScale: number, round = F) {
  const s = (field: keyof Omit<GroupSpec, "scalars">) => F(group[field]!);
  const has = (bit: number) => (group.mode! & bit) !== 0;
  let p = row.param[i]!;
  let g = row.grad![i]!;
  if (has(MODE_RESCALE)) {
    if (g > s("clipValue")) g = s("clipValue");
    if (g < -s("clipValue")) g = -s("clipValue");
    g = round(g * gradScale);
  }
  if (has(MODE_COUPLED_DECAY)) g = round(g + round(s("weightDecay") * p));
  if (has(MODE_DECOUPLED_DECAY)) p = round(p * s("decoupledDecay"));
  const old = row.states[1]![i]!;
  const m = has(FORM_MEAN_FROM_GRADIENT)
    ? round(g + round(s("meanDecay") * round(g - old)))
    : round(old + round(s("meanDecayComplement") * round(g - old)));
  const v = round(round(row.states[0]![i]! * s("decay")) + round(round(s("decayComplement") * g) * g));
  const largest = row.states[2] ? Math.max(row.states[2][i]!, v) : undefined;
  const root = round(Math.sqrt(largest ?? v));
  const d = round(round(root / F(row.correction0!)) + s("epsOutside"));
  return { param: round(p - round(round(F(row.correction1!) * m) / d)), states: [v, m, largest] };
}

/** Compares every element of a row with the formula, bit for bit. */
function expectFormula(row: RowSpec, group: GroupSpec, after: RowOutcome, what: string): void {
  const expected = Array.from(row.param, (_, i) => element(row, i, group, after.gradScale));
  const param = expected.map((x) => x.param);
  expectSameBits(after.param, param, `${what} param`);
  expectSameBits(after.grad!, row.grad!, `${what}: the gradient is only read`);
  after.states.forEach((state, k) => {
    const values = expected.map((x) => x.states[k]!);
    if (state) expectSameBits(state, values, `${what} state ${k}`);
  });
}

describeConformance("adam_f32", () => {
  it.each([false, true])("every set of options at every length, in one call; AMSGrad: %s", (amsgrad) => {
    const rows = GROUPS.flatMap((_, k) => SIZES.map((count) => makeRow(k, count, 31 * count + k, amsgrad)));
    const { result, rows: after } = conformTable("options", "adam_f32", rows, GROUPS);
    expect(result).toBe(0);
    for (const [i, row] of rows.entries()) {
      const mode = GROUPS[row.group]!.mode;
      expectFormula(row, GROUPS[row.group]!, after[i]!, `mode ${mode} length ${row.param.length}`);
    }
  });

  it("special values in every operand", () => {
    const n = SPECIAL_VALUES.length;
    const rows = GROUPS.map((_, k) => {
      const row = makeRow(k, n * n, k, k % 2 === 1);
      row.grad = Float32Array.from({ length: n * n }, (_, i) => SPECIAL_VALUES[i % n]!);
      row.param = Float32Array.from({ length: n * n }, (_, i) => SPECIAL_VALUES[(i + k) % n]!);
      row.states = row.states.map(
        (state, s) => state && Float32Array.from(state, (_, i) => SPECIAL_VALUES[(Math.floor(i / n) + s * k) % n]!),
      );
      return row;
    });
    const { rows: after } = conformTable("special values", "adam_f32", rows, GROUPS);
    for (const [i, row] of rows.entries()) expectFormula(row, GROUPS[i]!, after[i]!, `mode ${GROUPS[i]!.mode}`);
  });

  it("agrees with float64 arithmetic within the bound of its roundings", () => {
    for (const [k, group] of GROUPS.entries()) {
      const row = makeRow(0, 33, k, k % 2 === 1);
      const after = conformTable("float64", "adam_f32", [row], [group]).rows[0]!;
      for (let i = 0; i < row.param.length; i++) {
        const exact = element(row, i, group, after.gradScale, (x) => x);
        const bound = 20 * U * (Math.abs(row.param[i]!) + 1); // fewer than 20 roundings lie on any path
        expect(Math.abs(after.param[i]! - exact.param), `mode ${group.mode} element ${i}`).toBeLessThanOrEqual(bound);
      }
    }
  });

  it("refuses a gradient that is not finite, passes absent ones over, and changes nothing of them", () => {
    const rows = [0, 1, 2].map((k) => makeRow(0, 17, k, k === 2));
    rows[0]!.grad = null;
    rows[1]!.grad![16] = Number.NaN;
    const { result, rows: after } = conformTable("refused", "adam_f32", rows, GROUPS.slice(0, 1), 1);
    expect(result).toBe(2);
    const { rows: unchecked } = conformTable("unchecked", "adam_f32", rows, GROUPS.slice(0, 1));
    for (const [i, row] of rows.entries()) {
      expectSameBits(after[i]!.param, row.param, "param");
      row.states.forEach((state, k) => {
        if (state) expectSameBits(after[i]!.states[k]!, state, `state ${k}`);
      });
    }
    expectSameBits(unchecked[0]!.param, rows[0]!.param, "absent");
    expect(unchecked[1]!.param[16]).toBeNaN();
  });
});
