import { expect, it } from "vitest";
import {
  MODE_CLIP_GLOBAL_NORM,
  MODE_CLIP_NORM,
  MODE_COUPLED_DECAY,
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
  FORM_MOMENTUM,
  FORM_NESTEROV,
  type GroupSpec,
  type RowOutcome,
  type RowSpec,
} from "../helpers/segments.js";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 127, 1021];
const F = Math.fround;

const SCALARS: GroupSpec = {
  learningRate: 0.1,
  weightDecay: 0.03,
  decoupledDecay: 0.1 * 0.03,
  clipValue: Number.POSITIVE_INFINITY,
  clipNorm: 2.5,
  momentum: 0.8,
};

// One list of choices for each option; a set of options takes one choice of each.
const CHOICES: GroupSpec[][] = [
  [{ mode: 0 }, { mode: MODE_RESCALE | MODE_MAXIMIZE }],
  [{ mode: 0 }, { mode: MODE_RESCALE, clipValue: 0.5 }, { mode: MODE_RESCALE | MODE_CLIP_NORM }],
  [{ mode: 0 }, { mode: MODE_COUPLED_DECAY }, { mode: MODE_DECOUPLED_DECAY }],
  [{ mode: 0 }, { mode: FORM_MOMENTUM }, { mode: FORM_MOMENTUM | FORM_NESTEROV }],
];

/** Every set of options. */
const GROUPS = CHOICES.reduce<GroupSpec[]>(
  (groups, choices) =>
    groups.flatMap((group) =>
      choices.map((choice) => ({ ...group, ...choice, mode: group.mode! | choice.mode! | MODE_MEASURE })),
    ),
  [{ ...SCALARS, mode: 0 }],
);

function makeRow(group: number, { mode }: GroupSpec, count: number, seed: number): RowSpec {
  return {
    group,
    param: randomValues(count, seed, 2),
    grad: randomValues(count, seed + 1, 2),
    states: [mode! & FORM_MOMENTUM ? randomValues(count, seed + 2) : null],
    correction0: 0.75,
  };
}

/** PyTorch's formula for one element, each operation rounded once. */
function element(row: RowSpec, i: number, group: GroupSpec, gradScale: number) {
  const s = (field: keyof Omit<GroupSpec, "scalars">) => F(group[field]!);
  const has = (bit: number) => (group.mode! & bit) !== 0;
  let p = row.param[i]!;
  let g = row.grad![i]!;
  if (has(MODE_RESCALE)) {
    if (g > s("clipValue")) g = s("clipValue");
    if (g < -s("clipValue")) g = -s("clipValue");
    g = F(g * gradScale);
  }
  if (has(MODE_COUPLED_DECAY)) g = F(g + F(s("weightDecay") * p));
  if (has(MODE_DECOUPLED_DECAY)) p = F(p - F(s("decoupledDecay") * p));
  let buffer: number | undefined;
  if (has(FORM_MOMENTUM)) {
    buffer = F(F(row.states[0]![i]! * s("momentum")) + F(row.correction0! * g));
    g = has(FORM_NESTEROV) ? F(g + F(s("momentum") * buffer)) : buffer;
  }
  return { param: F(p + F(-s("learningRate") * g)), buffer };
}

function expectFormula(row: RowSpec, group: GroupSpec, after: RowOutcome, what: string): void {
  const expected = Array.from(row.param, (_, i) => element(row, i, group, after.gradScale));
  const param = expected.map((x) => x.param);
  expectSameBits(after.param, param, `${what} param`);
  expectSameBits(after.grad!, row.grad!, `${what}: the gradient is only read`);
  if (after.states[0])
    expectSameBits(
      after.states[0],
      expected.map((x) => x.buffer!),
      `${what} buffer`,
    );
}

describeConformance("sgd_f32", () => {
  it("every set of options at every length, in one call", () => {
    const rows = GROUPS.flatMap((group, k) => SIZES.map((count) => makeRow(k, group, count, 31 * count + k)));
    const { result, rows: after } = conformTable("options", "sgd_f32", rows, GROUPS);
    expect(result).toBe(0);
    for (const [i, row] of rows.entries()) {
      const mode = GROUPS[row.group]!.mode;
      expectFormula(row, GROUPS[row.group]!, after[i]!, `mode ${mode} length ${row.param.length}`);
    }
  });

  it("special values in every operand", () => {
    const n = SPECIAL_VALUES.length;
    const rows = GROUPS.map((group, k) => {
      const row = makeRow(k, group, n * n, k);
      row.grad = Float32Array.from({ length: n * n }, (_, i) => SPECIAL_VALUES[i % n]!);
      row.param = Float32Array.from({ length: n * n }, (_, i) => SPECIAL_VALUES[(i + k) % n]!);
      if (row.states[0]) row.states[0] = row.param.map((_, i) => SPECIAL_VALUES[Math.floor(i / n)]!);
      return row;
    });
    const { rows: after } = conformTable("special values", "sgd_f32", rows, GROUPS);
    for (const [i, row] of rows.entries()) expectFormula(row, GROUPS[i]!, after[i]!, `mode ${GROUPS[i]!.mode}`);
  });

  it("a buffer of −0 and a factor of 1 copy the gradient, signs of zero included", () => {
    const group = { ...SCALARS, mode: FORM_MOMENTUM };
    const grad = Float32Array.from(SPECIAL_VALUES);
    const buffer = new Float32Array(grad.length).fill(-0);
    const row: RowSpec = { group: 0, param: grad.map(() => 1), grad, states: [buffer], correction0: 1 };
    expectSameBits(conformTable("first step", "sgd_f32", [row], [group]).rows[0]!.states[0]!, grad, "buffer");
  });

  it("more than one block, rows without a gradient, and the global norm over all the others", () => {
    const group = {
      ...SCALARS,
      mode: MODE_RESCALE | MODE_MEASURE | MODE_CLIP_GLOBAL_NORM | FORM_MOMENTUM,
      clipNorm: 7,
    };
    const rows = [3, 65536 * 2 + 5, 9].map((count, k) => makeRow(0, group, count, k));
    rows[2]!.grad = null;
    const after = conformTable("global norm", "sgd_f32", rows, [group]).rows;
    let total = 0;
    for (const { grad } of rows) for (const g of grad ?? []) total += g * g;
    expect(Math.abs(after[0]!.gradScale * (Math.sqrt(total) / 7) - 1)).toBeLessThanOrEqual(2 ** -24 * 1.01);
    expect(after[1]!.gradScale).toBe(after[0]!.gradScale);
    expectFormula(rows[0]!, group, after[0]!, "small");
    expectFormula(rows[1]!, group, after[1]!, "large");
    expectSameBits(after[2]!.param, rows[2]!.param, "absent");
    expectSameBits(after[2]!.states[0]!, rows[2]!.states[0]!, "absent");
  });

  it("refuses a gradient that is not finite, and changes nothing", () => {
    const group = { ...SCALARS, mode: FORM_MOMENTUM };
    const rows = [0, 1].map((k) => makeRow(0, group, 17, k));
    rows[1]!.grad![16] = Number.NaN;
    const { result, rows: after } = conformTable("refused", "sgd_f32", rows, [group], 1);
    expect(result).toBe(2);
    for (const [i, row] of rows.entries()) {
      expectSameBits(after[i]!.param, row.param, "param");
      expectSameBits(after[i]!.states[0]!, row.states[0]!, "buffer");
    }
  });
});
