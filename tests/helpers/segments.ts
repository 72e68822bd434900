import * as abi from "../../src/abi/step-table.js";
import {
  GROUP_BYTES,
  GROUP_FORM,
  GROUP_MODE,
  SEGMENT_ACCUMULATOR,
  SEGMENT_AVERAGE_COMPLEMENT,
  SEGMENT_AVERAGE_DECAY,
  SEGMENT_BYTES,
  SEGMENT_COLUMNS,
  SEGMENT_COUNT,
  SEGMENT_GRAD,
  SEGMENT_GRAD_SCALE,
  SEGMENT_GRAD_SCALE_2,
  SEGMENT_GROUP,
  SEGMENT_PARAM,
  SEGMENT_ROWS,
  SEGMENT_SCALAR,
  SEGMENT_SCALAR_F64,
  SEGMENT_STATE,
} from "../../src/abi/step-table.js";
import type { StepKernel } from "../../src/backend/family.js";
import { conform, type Operands, runKernel, type ScratchBytes } from "./conformance.js";

/** Bits of a group's mode and, from this one on, of its form: a test's set of options is one number. */
const FORM_SHIFT = 15;
type FormName = {
  [Name in keyof typeof abi]: Name extends `FORM_${infer Bit}` ? Bit : never;
}[keyof typeof abi];
const FORM = Object.fromEntries(
  Object.entries(abi)
    .filter(([name]) => name.startsWith("FORM_"))
    .map(([name, bit]) => [name.slice(5), bit << FORM_SHIFT]),
) as Record<FormName, number>;
if (Object.entries(abi).some(([name, bit]) => name.startsWith("MODE_") && bit >= 1 << FORM_SHIFT)) {
  throw new Error("a MODE_… bit is where those of the form are");
}

/** FORM_… bits, as `GroupSpec.mode` has them. */
export const {
  MOMENTUM: FORM_MOMENTUM,
  NEGATIVE: FORM_NEGATIVE,
  NESTEROV: FORM_NESTEROV,
  CENTERED: FORM_CENTERED,
  BIAS_CORRECTION: FORM_BIAS_CORRECTION,
  EPS_OUTSIDE: FORM_EPS_OUTSIDE,
  EPS_RATIO: FORM_EPS_RATIO,
  SQUARE_PRODUCT: FORM_SQUARE_PRODUCT,
  SQUARE_LERP: FORM_SQUARE_LERP,
  MEAN_LERP: FORM_MEAN_LERP,
  MEAN_FROM_GRADIENT: FORM_MEAN_FROM_GRADIENT,
  EPS_IN_MEAN: FORM_EPS_IN_MEAN,
  RECIPROCAL: FORM_RECIPROCAL,
  RATE_AFTER: FORM_RATE_AFTER,
  RATE_LAST: FORM_RATE_LAST,
  SEGMENT_RATE: FORM_SEGMENT_RATE,
  VARIANCE_FLOOR: FORM_VARIANCE_FLOOR,
} = FORM;

/** The float32 words of a group's block, by their name in src/abi/step-table.ts: `decayComplement` is GROUP_DECAY_COMPLEMENT. */
const GROUP_WORDS = Object.fromEntries(
  Object.entries(abi)
    .filter(([name]) => /^GROUP_(?!BYTES|MODE|FORM|SCALARS)/.test(name))
    .map(([name, word]) => [
      name
        .slice(6)
        .toLowerCase()
        .replace(/_(.)/g, (_, letter) => letter.toUpperCase()),
      word,
    ]),
);

/** Hyper-parameters of a group, by field; those left out are 0. */
export interface GroupSpec {
  /** MODE_… bits of src/abi/step-table.ts, and those of the form that this file exports. */
  mode?: number;
  learningRate?: number;
  weightDecay?: number;
  decoupledDecay?: number;
  clipValue?: number;
  clipNorm?: number;
  clipEps?: number;
  decay?: number;
  decayComplement?: number;
  epsInside?: number;
  epsOutside?: number;
  momentum?: number;
  meanDecay?: number;
  meanDecayComplement?: number;
  /** From GROUP_SCALAR on. */
  scalars?: number[];
}

/** One segment of a table: its arrays and the index of its group. */
export interface RowSpec {
  group: number;
  param: Float32Array;
  grad: Float32Array | null;
  states: (Float32Array | null)[];
  /** The float32 scalars, default 1, and the float64 one, default 0. */
  correction0?: number;
  correction1?: number;
  correction2?: number;
  scalarF64?: number;
  /** As a matrix; default 1 × count. */
  rows?: number;
  averageDecay?: number;
  averageComplement?: number;
  /** May be `grad` itself. */
  accumulator?: Float32Array;
}

/** A row after the call. */
export interface RowOutcome {
  param: Float32Array;
  grad: Float32Array | null;
  states: (Float32Array | null)[];
  gradScale: number;
  gradScale2: number;
  accumulator: Float32Array | undefined;
}

/** Lays rows and groups out, runs the kernel on every backend, and returns its result and what it left behind. */
export function conformTable(
  what: string,
  kernel: string,
  rows: RowSpec[],
  groups: GroupSpec[],
  lastArgument = 0,
  scratchBytes?: ScratchBytes,
): { result: number; rows: RowOutcome[] } {
  const rowWords = SEGMENT_BYTES / 4;
  const groupWords = GROUP_BYTES / 4;
  const words = new Float32Array(rows.length * rowWords + groups.length * groupWords);
  const operands: Operands = { table: words };
  rows.forEach((row, i) => {
    operands[`param${i}`] = row.param;
    if (row.grad) operands[`grad${i}`] = row.grad;
    if (row.accumulator && row.accumulator !== row.grad) operands[`accumulator${i}`] = row.accumulator;
    row.states.forEach((state, k) => {
      if (state) operands[`state${k}of${i}`] = state;
    });
  });
  let addresses: Record<string, number> = {};
  runKernel("js", operands, (_, ptr) => {
    addresses = ptr; // the layout is the same in every run
  });

  const integers = new Uint32Array(words.buffer);
  const groupStart = rows.length * rowWords;
  rows.forEach((row, i) => {
    const at = i * rowWords;
    integers[at + SEGMENT_PARAM] = addresses[`param${i}`]!;
    integers[at + SEGMENT_GRAD] = row.grad ? addresses[`grad${i}`]! : 0;
    integers[at + SEGMENT_COUNT] = row.param.length;
    integers[at + SEGMENT_GROUP] = addresses.table! + (groupStart + row.group * groupWords) * 4;
    row.states.forEach((state, k) => {
      integers[at + SEGMENT_STATE + k] = state ? addresses[`state${k}of${i}`]! : 0;
    });
    words[at + SEGMENT_SCALAR] = row.correction0 ?? 1;
    words[at + SEGMENT_SCALAR + 1] = row.correction1 ?? 1;
    words[at + SEGMENT_SCALAR + 2] = row.correction2 ?? 1;
    integers.set(new Uint32Array(Float64Array.of(row.scalarF64 ?? 0).buffer), at + SEGMENT_SCALAR_F64);
    integers[at + SEGMENT_ROWS] = row.rows ?? 1;
    integers[at + SEGMENT_COLUMNS] = row.param.length / (row.rows || 1);
    words[at + SEGMENT_AVERAGE_DECAY] = row.averageDecay ?? 0;
    words[at + SEGMENT_AVERAGE_COMPLEMENT] = row.averageComplement ?? 0;
    const accumulator = row.accumulator === row.grad ? `grad${i}` : `accumulator${i}`;
    integers[at + SEGMENT_ACCUMULATOR] = row.accumulator ? addresses[accumulator]! : 0;
    words[at + SEGMENT_GRAD_SCALE] = Number.NaN; // these two are the kernel's to write
    words[at + SEGMENT_GRAD_SCALE_2] = Number.NaN;
  });
  groups.forEach((group, i) => {
    const at = groupStart + i * groupWords;
    const { mode = 0, scalars = [], ...fields } = group;
    integers[at + GROUP_MODE] = mode & ((1 << FORM_SHIFT) - 1);
    integers[at + GROUP_FORM] = mode >>> FORM_SHIFT;
    for (const [field, value] of Object.entries(fields)) words[at + GROUP_WORDS[field]!] = value;
    words.set(scalars, at + GROUP_WORDS.scalar!);
  });

  const call = (kernels: unknown, ptr: Record<string, number>) =>
    (kernels as Record<string, StepKernel>)[kernel]!(ptr.table!, rows.length, lastArgument, ptr.scratch!);
  const outcome = conform(what, operands, call, scratchBytes);
  const after = outcome.operands as Record<string, Float32Array>;
  return {
    result: outcome.result as number,
    rows: rows.map((row, i) => ({
      param: after[`param${i}`]!,
      grad: row.grad && after[`grad${i}`]!,
      states: row.states.map((state, k) => state && after[`state${k}of${i}`]!),
      accumulator: after[`accumulator${i}`],
      gradScale: after.table![i * rowWords + SEGMENT_GRAD_SCALE]!,
      gradScale2: after.table![i * rowWords + SEGMENT_GRAD_SCALE_2]!,
    })),
  };
}
