import { SEGMENT_AVERAGE, SEGMENT_AVERAGE_COMPLEMENT, SEGMENT_AVERAGE_DECAY, SEGMENT_PARAM } from "../../segments.js";

const f = Math.fround;

/** Twin of assembly/optim/average.ts, for `count` elements of a row from `start` on. */
export function averageParameters(f32: Float32Array, i32: Int32Array, row: number, start: number, count: number): void {
  if (i32[row + SEGMENT_AVERAGE] === 0) return;
  const a = (i32[row + SEGMENT_AVERAGE]! >>> 2) + start;
  const p = (i32[row + SEGMENT_PARAM]! >>> 2) + start;
  const decay = f32[row + SEGMENT_AVERAGE_DECAY]!;
  const complement = f32[row + SEGMENT_AVERAGE_COMPLEMENT]!;
  for (let i = 0; i < count; i++) f32[a + i] = f(decay * f32[a + i]!) + f(complement * f32[p + i]!);
}
