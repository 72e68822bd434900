import {
  GROUP,
  GROUP_BYTES,
  SEGMENT_ACCUMULATOR,
  SEGMENT_AVERAGE_COMPLEMENT,
  SEGMENT_AVERAGE_DECAY,
  SEGMENT_BYTES,
  SEGMENT_CORRECTION_0,
  SEGMENT_CORRECTION_1,
  SEGMENT_COUNT,
  SEGMENT_GRAD,
  SEGMENT_GRAD_SCALE,
  SEGMENT_GRAD_SCALE_2,
  SEGMENT_GROUP,
  SEGMENT_PARAM,
  SEGMENT_STATE,
} from "../../src/backend/segments.js";
import { conform, type Operands, runKernel } from "./conformance.js";

/** Hyper-parameters of a group, by field; those left out are 0. */
export type GroupSpec = Partial<Record<keyof typeof GROUP, number>>;

/** One parameter of a table: its arrays and the index of its group. */
export interface RowSpec {
  group: number;
  param: Float32Array;
  grad: Float32Array | null;
  states: (Float32Array | null)[];
  correction0?: number;
  correction1?: number;
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
  kernel: "rmsprop_f32" | "adam_f32" | "sgd_f32" | "accumulate_f32",
  rows: RowSpec[],
  groups: GroupSpec[],
  lastArgument = 0,
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
    words[at + SEGMENT_CORRECTION_0] = row.correction0 ?? 1;
    words[at + SEGMENT_CORRECTION_1] = row.correction1 ?? 1;
    words[at + SEGMENT_AVERAGE_DECAY] = row.averageDecay ?? 0;
    words[at + SEGMENT_AVERAGE_COMPLEMENT] = row.averageComplement ?? 0;
    const accumulator = row.accumulator === row.grad ? `grad${i}` : `accumulator${i}`;
    integers[at + SEGMENT_ACCUMULATOR] = row.accumulator ? addresses[accumulator]! : 0;
    words[at + SEGMENT_GRAD_SCALE] = Number.NaN; // these two are the kernel's to write
    words[at + SEGMENT_GRAD_SCALE_2] = Number.NaN;
  });
  groups.forEach((group, i) => {
    const at = groupStart + i * groupWords;
    for (const [field, word] of Object.entries(GROUP)) {
      const value = group[field as keyof typeof GROUP] ?? 0;
      if (field === "mode") integers[at + word] = value;
      else words[at + word] = value;
    }
  });

  const outcome = conform(what, operands, (kernels, ptr) => kernels[kernel](ptr.table!, rows.length, lastArgument));
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
