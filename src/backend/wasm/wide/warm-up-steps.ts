import { CONTROL_STATE } from "../../../abi/copies.js";
import {
  GROUP_BYTES,
  GROUP_CLIP_VALUE,
  GROUP_DECAY,
  GROUP_FORM,
  GROUP_LEARNING_RATE,
  GROUP_MODE,
  SEGMENT_ACCUMULATOR,
  SEGMENT_AVERAGE,
  SEGMENT_BYTES,
  SEGMENT_COLUMNS,
  SEGMENT_COUNT,
  SEGMENT_GRAD,
  SEGMENT_GROUP,
  SEGMENT_PARAM,
  SEGMENT_ROWS,
  SEGMENT_SCALAR,
  SEGMENT_STATE,
} from "../../../abi/step-table.js";
import type { CoreKernels } from "../../families/core.js";
import type { StepKernelInfo } from "../../family.js";

// The memory of a side, in bytes: a step table of one segment, regions for operands and state, scratch.
const SEGMENT = 64;
const GROUP = SEGMENT + SEGMENT_BYTES;
/** What workers' kernels need besides (src/abi/copies.ts); others do not read the argument. */
const CONTROL = 512;
const REGION = 32768;
export const A = 1024;
export const B: number = A + REGION;
export const C: number = B + REGION;
export const P: number = C + REGION;
const S0 = P + REGION;
/** Beside those of the other states: an array that may have negative numbers. */
const SIGNED = S0 + 3 * REGION;
const AVERAGE = SIGNED + REGION;
const ACCUMULATOR = AVERAGE + REGION;
export const SCRATCH: number = ACCUMULATOR + REGION;
export const PAGES = 8;
const ROWS = 44;
const COLUMNS = 93;

/** Numbers of mixed sign, none of them short; squares where a state may be one. */
export function fill({ buffer }: WebAssembly.Memory): void {
  const values = new Float32Array(buffer, A, (SCRATCH - A) / 4);
  for (let i = 0; i < values.length; i++) values[i] = Math.fround((((i * 7919) % 10007) - 5003) / 1009);
  const squares = new Float32Array(buffer, S0, ROWS * COLUMNS);
  for (let i = 0; i < squares.length; i++) squares[i]! *= squares[i]!;
}

/** Writes the segment, and a group whose steps stay finite however often they are made. */
function writeTable({ buffer }: WebAssembly.Memory, states: number, signed: boolean): Uint32Array {
  const words = new Uint32Array(buffer);
  const floats = new Float32Array(buffer);
  const segment = SEGMENT / 4;
  const group = GROUP / 4;
  words[segment + SEGMENT_PARAM] = P;
  words[segment + SEGMENT_GRAD] = A;
  words[segment + SEGMENT_COUNT] = ROWS * COLUMNS;
  words[segment + SEGMENT_GROUP] = GROUP;
  words[segment + SEGMENT_ROWS] = ROWS;
  words[segment + SEGMENT_COLUMNS] = COLUMNS;
  for (let k = 0; k < 3; k++) words[segment + SEGMENT_STATE + k] = k < states ? S0 + k * REGION : 0;
  if (signed && states > 0) words[segment + SEGMENT_STATE] = SIGNED;
  words[segment + SEGMENT_AVERAGE] = AVERAGE;
  words[segment + SEGMENT_ACCUMULATOR] = ACCUMULATOR;
  floats.fill(0.5, segment + SEGMENT_SCALAR, segment + SEGMENT_ROWS);
  floats.fill(0.5, group + GROUP_LEARNING_RATE, group + GROUP_BYTES / 4);
  floats[group + GROUP_LEARNING_RATE] = 0.01;
  floats[group + GROUP_CLIP_VALUE] = 3;
  floats[group + GROUP_DECAY] = 0.9;
  return words;
}

/** Every step kernel, in each of its variants. */
export function warmUpSteps(
  exports: WebAssembly.Exports,
  steps: Readonly<Record<string, StepKernelInfo | undefined>>,
  memory: WebAssembly.Memory,
): void {
  for (const [name, info] of Object.entries(steps)) {
    const kernel = exports[name] as (...args: number[]) => number;
    for (const { mode = 0, form = 0, states = 3 } of info!.variants) {
      const words = writeTable(memory, states, info!.signedState ?? false);
      words[GROUP / 4 + GROUP_MODE] = mode;
      words[GROUP / 4 + GROUP_FORM] = form;
      words[CONTROL / 4 + CONTROL_STATE] = 0;
      kernel(SEGMENT, 1, 1, SCRATCH, CONTROL);
    }
  }
}

/** Every loop of the accumulation. */
export function warmUpAccumulation({ accumulate_f32 }: CoreKernels, memory: WebAssembly.Memory): void {
  const words = writeTable(memory, 0, false);
  accumulate_f32(SEGMENT, 1, 0);
  accumulate_f32(SEGMENT, 1, 2);
  words[SEGMENT / 4 + SEGMENT_GRAD] = ACCUMULATOR;
  accumulate_f32(SEGMENT, 1, 2);
}
