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
import { expectSameBits } from "./bits.js";
import type { ScratchBytes } from "./conformance.js";
import { SPECIAL_VALUES } from "./random.js";
import { conformTable, type GroupSpec, type RowOutcome, type RowSpec } from "./segments.js";

const F = Math.fround;

/** What every rule's kernel may do before its own formula: each combination, over a group's own scalars. */
export function withTransforms(scalars: GroupSpec, forms: number[] = [0]): GroupSpec[] {
  const choices: GroupSpec[][] = [
    [{ mode: 0 }, { mode: MODE_RESCALE | MODE_MAXIMIZE }],
    [{ mode: 0 }, { mode: MODE_RESCALE, clipValue: 0.5 }, { mode: MODE_RESCALE | MODE_CLIP_NORM }],
    [{ mode: 0 }, { mode: MODE_COUPLED_DECAY }, { mode: MODE_DECOUPLED_DECAY }],
    forms.map((mode) => ({ mode })),
  ];
  const first: GroupSpec = {
    mode: MODE_DECAY_FACTOR | MODE_MEASURE,
    weightDecay: 0.03,
    decoupledDecay: 1 - 0.01 * 0.03,
    clipValue: Number.POSITIVE_INFINITY,
    clipNorm: 2.5,
    ...scalars,
  };
  return choices.reduce<GroupSpec[]>(
    (groups, list) =>
      groups.flatMap((group) => list.map((choice) => ({ ...group, ...choice, mode: group.mode! | choice.mode! }))),
    [first],
  );
}

/** Gradient and parameter of one element as the formula sees them. */
export function transformedElement(row: RowSpec, i: number, group: GroupSpec, gradScale: number, round = F) {
  const has = (bit: number) => (group.mode! & bit) !== 0;
  let p = row.param[i]!;
  let g = row.grad![i]!;
  if (has(MODE_RESCALE)) {
    if (g > F(group.clipValue!)) g = F(group.clipValue!);
    if (g < -F(group.clipValue!)) g = -F(group.clipValue!);
    g = round(g * gradScale);
  }
  if (has(MODE_COUPLED_DECAY)) g = round(g + round(F(group.weightDecay!) * p));
  if (has(MODE_DECOUPLED_DECAY)) p = round(p * F(group.decoupledDecay!));
  return { p, g };
}

/** A segment as a formula leaves it. */
export interface Expected {
  param: ArrayLike<number>;
  states: (ArrayLike<number> | undefined)[];
}

/** A kernel, and what it is to do. */
export interface StepKernelSpec {
  kernel: string;
  groups: GroupSpec[];
  /** Numbers of elements, or shapes of matrices. */
  sizes: (number | readonly [rows: number, columns: number])[];
  makeRow(group: number, size: number | readonly [number, number], seed: number): RowSpec;
  expected(row: RowSpec, group: GroupSpec, gradScale: number): Expected;
  scratchBytes?: (rows: RowSpec[]) => ScratchBytes;
}

/** The cases that every step kernel of a rule passes, on every backend. */
export function describeStepKernel({ kernel, groups, sizes, makeRow, expected, scratchBytes }: StepKernelSpec): void {
  const run = (what: string, rows: RowSpec[], of = groups, checkFinite = 0) =>
    conformTable(what, kernel, rows, of, checkFinite, scratchBytes?.(rows));

  function expectFormula(row: RowSpec, group: GroupSpec, after: RowOutcome, what: string): void {
    const { param, states } = expected(row, group, after.gradScale);
    expectSameBits(after.grad!, row.grad!, `${what}: the gradient is only read`);
    after.states.forEach((state, k) => {
      if (state) expectSameBits(state, states[k]!, `${what} state ${k}`);
    });
    expectSameBits(after.param, param, `${what} param`);
  }

  it("every set of options at every size, in one call", () => {
    const rows = groups.flatMap((_, k) => sizes.map((size, i) => makeRow(k, size, 131 * i + 7 * k)));
    const { result, rows: after } = run("options", rows);
    expect(result).toBe(0);
    for (const [i, row] of rows.entries()) {
      const what = `mode ${groups[row.group]!.mode} size ${sizes[i % sizes.length]}`;
      expectFormula(row, groups[row.group]!, after[i]!, what);
    }
  });

  it("special values in every operand", () => {
    const n = SPECIAL_VALUES.length;
    const rows = groups.map((_, k) => {
      const row = makeRow(k, Array.isArray(sizes[0]) ? ([n, n] as const) : n * n, k);
      row.grad = Float32Array.from(row.param, (_, i) => SPECIAL_VALUES[i % n]!);
      row.param = Float32Array.from(row.param, (_, i) => SPECIAL_VALUES[(i + k) % n]!);
      row.states = row.states.map(
        (state, s) => state && Float32Array.from(state, (_, i) => SPECIAL_VALUES[(Math.floor(i / n) + s * k) % n]!),
      );
      return row;
    });
    const { rows: after } = run("special values", rows);
    for (const [i, row] of rows.entries()) expectFormula(row, groups[i]!, after[i]!, `mode ${groups[i]!.mode}`);
  });

  it("refuses a gradient that is not finite, passes absent ones over, and changes nothing of them", () => {
    const size = sizes.at(-1)!;
    const rows = [0, 1, 2].map((k) => makeRow(0, size, k));
    rows[0]!.grad = null;
    rows[1]!.grad![3] = Number.NaN;
    const { result, rows: after } = run("refused", rows, groups.slice(0, 1), 1);
    expect(result).toBe(2);
    for (const [i, row] of rows.entries()) {
      expectSameBits(after[i]!.param, row.param, "param");
      row.states.forEach((state, k) => {
        if (state) expectSameBits(after[i]!.states[k]!, state, `state ${k}`);
      });
    }
    const { rows: unchecked } = run("unchecked", rows, groups.slice(0, 1));
    expectSameBits(unchecked[0]!.param, rows[0]!.param, "absent");
    expectFormula(rows[1]!, groups[0]!, unchecked[1]!, "NaN");
  });
}
